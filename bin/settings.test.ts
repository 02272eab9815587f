import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  loadSettings,
  type OptionalKey,
  printSettings,
  redactedSettings,
  redactUrls,
  type Settings,
  settingsTable,
} from './settings.js';

function load(env: Record<string, string>): Settings {
  const settings = loadSettings(env);
  assert.ok(!('problems' in settings), 'problems' in settings ? settings.problems.join('\n') : '');
  return settings;
}

/** Asserts that the environment is refused with exactly one problem, which matches. */
function refuses(env: Record<string, string>, ...expected: RegExp[]) {
  const settings = loadSettings(env);
  assert.ok('problems' in settings);
  assert.equal(settings.problems.length, 1, settings.problems.join('\n'));
  for (const one of expected) assert.match(settings.problems[0]!, one);
}

test('an empty environment gives the defaults of a laptop', () => {
  const settings = load({});
  assert.equal(settings.port, 4024);
  assert.equal(settings.host, '127.0.0.1');
  assert.equal(settings.dataDir, './data');
  assert.equal(settings.leaseTtlMs, 3000);
  assert.equal(settings.logLevel, 'info');
  assert.ok(settings.shards >= 1);
});

test('exactly the optional settings are absent from the defaults', () => {
  const optional: OptionalKey[] = [
    ...(['clusterApiKey', 'databaseHosts', 'databaseUrl', 'demoApiKey', 'masterKey'] as const),
    ...(['masterKeyFile', 'metricsToken'] as const),
    ...(['oidcAudience', 'oidcClientId', 'oidcClientSecret', 'oidcIssuer', 'oidcTenant'] as const),
    ...(['publicUrl', 'redisUrl', 'trustedProxies'] as const),
  ];
  const absent = Object.keys(settingsTable).filter((key) => load({})[key as keyof Settings] === undefined);
  assert.deepEqual(absent.sort(), optional);
});

test('with a database of its own the server listens on all addresses, unless told otherwise', () => {
  const env = { DATABASE_URL: 'postgres://iwd:pw@db:5432/iwd' };
  assert.equal(load(env).host, '0.0.0.0');
  assert.equal(load({ ...env, IWD_HOST: '10.1.2.3' }).host, '10.1.2.3');
});

test('values are read by their type, and an empty one counts as not set', () => {
  const settings = load({
    IWD_PORT: '0',
    IWD_SNAPSHOT_INTERVAL: 'PT2M30S',
    IWD_LOG_LEVEL: 'debug',
    IWD_SHARDS: ' 3 ',
    IWD_MAILBOX_MAX: '',
    REDIS_URL: 'rediss://:secret@a:6379, rediss://:secret@b:6379',
  });
  assert.equal(settings.port, 0);
  assert.equal(settings.snapshotIntervalMs, 150_000);
  assert.equal(settings.logLevel, 'debug');
  assert.equal(settings.shards, 3);
  assert.equal(settings.mailboxMax, 5000);
  assert.equal(settings.redisUrl, 'rediss://:secret@a:6379,rediss://:secret@b:6379');
});

test('an ill-typed value is refused by name, value and what is expected', () => {
  refuses({ IWD_PORT: '65536' }, /^IWD_PORT is "65536"; expected a whole number from 0 to 65535$/);
  refuses({ IWD_PORT: '4024.5' }, /whole number/);
  refuses({ IWD_PORT: '0x10' }, /whole number/);
  refuses({ IWD_SHARDS: '0' }, /from 1 to 256/);
  refuses({ IWD_LOG_LEVEL: 'loud' }, /one of trace, debug, info/);
  refuses({ IWD_LEASE_TTL: '3000' }, /ISO 8601 duration from PT0\.5S to PT10M/);
  refuses({ IWD_LEASE_TTL: '-PT3S' }, /ISO 8601 duration/);
  refuses({ IWD_DRAIN_TIMEOUT: 'P1D' }, /PT10M/);
  refuses({ DATABASE_URL: 'mysql://root:hunter2@x/y' }, /DATABASE_URL is "mysql:\/\/root:\*\*\*@x\/y"/);
  refuses({ REDIS_URL: 'redis://a:1,rediss://b:2' }, /all with the same scheme/);
  refuses({ REDIS_URL: 'http://a:1' }, /redis:\/\/ or rediss:\/\//);
});

test('all faults are told at once', () => {
  const settings = loadSettings({ IWD_PORT: 'x', IWD_SHARDS: 'y', IWD_NONSENSE_AT_ALL: '1' });
  assert.ok('problems' in settings);
  assert.equal(settings.problems.length, 3);
});

test('a faulty secret is not echoed', () => {
  refuses(
    { IWD_DEMO_APIKEY: 'has spaces in it' },
    /^IWD_DEMO_APIKEY is not what is expected \(its value is not shown\)/,
  );
});

test('an unknown IWD_ variable stops the start and the nearest name is offered', () => {
  refuses({ IWD_PROT: '4024' }, /^IWD_PROT is not a setting; did you mean IWD_PORT\?$/);
  refuses({ IWD_DATADIR: './x' }, /did you mean IWD_DATA_DIR\?$/);
  refuses({ IWD_COMPLETELY_ELSE_ENTIRELY: '1' }, /docs\/operations\.md/);
  assert.equal(load({ HOME: '/root', PATH: '/bin' }).port, 4024);
});

test("the clients' variables and Kubernetes' service links are no settings and pass", () => {
  load({
    IWD_URL: 'http://x',
    IWD_API_KEY: 'k',
    IWD_SERVICE_HOST: '10.0.0.1',
    IWD_SERVICE_PORT_HTTP: '4024',
    IWD_PORT_4024_TCP_ADDR: '10.0.0.1',
  });
  refuses({ IWD_PORT: 'tcp://10.0.0.1:4024' }, /enableServiceLinks/);
});

test('no secret and no password appears in what is printed, whatever characters it holds', () => {
  const password = fc.stringMatching(/^[!-~]{6,30}$/).map((text) => `S3cr3t${text.replace(/[\s]/g, '')}`);
  fc.assert(
    fc.property(password, password, (one, two) => {
      const settings = loadSettings({
        IWD_DEMO_APIKEY: one,
        IWD_METRICS_TOKEN: two,
        DATABASE_URL: `postgres://iwd:${one}@db:5432/iwd`,
        REDIS_URL: `rediss://default:${encodeURIComponent(two)}@a:1,rediss://:${encodeURIComponent(two)}@b:2`,
      });
      const said = 'problems' in settings ? settings.problems.join('\n') : printSettings(settings);
      assert.ok(!said.includes('S3cr3t'), said);
      if (!('problems' in settings)) assert.ok(!JSON.stringify(redactedSettings(settings)).includes('S3cr3t'));
    }),
  );
  assert.equal(
    redactUrls('postgres:///iwd?host=/tmp&password=abc&user=x'),
    'postgres:///iwd?host=/tmp&password=***&user=x',
  );
});

test('the print-out has a line a setting, with durations as they are written', () => {
  const lines = printSettings(load({ IWD_METRICS_TOKEN: 'topsecret' })).split('\n');
  assert.equal(lines.length, Object.keys(settingsTable).length);
  assert.ok(lines.some((line) => /^IWD_LEASE_TTL +PT3S$/.test(line)));
  assert.ok(lines.some((line) => /^DATABASE_URL +\(not set\)$/.test(line)));
  assert.ok(lines.some((line) => /^IWD_METRICS_TOKEN +\*\*\*$/.test(line)));
});

test('an identity provider needs this server’s id there and its public URL, and tokens go over TLS or stay on the machine', () => {
  const issuer = { IWD_OIDC_ISSUER: 'https://id.example' };
  const whole = { ...issuer, IWD_OIDC_CLIENT_ID: 'iwd', IWD_PUBLIC_URL: 'https://iwd.example' };
  assert.equal(load(whole).oidcIssuer, 'https://id.example');
  assert.equal(load({ ...whole, IWD_OIDC_ISSUER: 'http://127.0.0.1:9000' }).oidcIssuer, 'http://127.0.0.1:9000');
  refuses({ ...issuer, IWD_PUBLIC_URL: 'https://iwd.example' }, /IWD_OIDC_CLIENT_ID/);
  refuses({ ...issuer, IWD_OIDC_CLIENT_ID: 'iwd' }, /IWD_PUBLIC_URL/);
  for (const url of [
    'http://id.example',
    'https://me:pw@id.example',
    'https://id.example/?x',
    'ftp://id.example',
    'id',
  ]) {
    refuses({ ...whole, IWD_OIDC_ISSUER: url }, /IWD_OIDC_ISSUER/);
  }
});

test('trusted proxies are addresses and blocks, and nothing else', () => {
  assert.equal(load({ IWD_TRUSTED_PROXIES: '10.0.0.0/8, ::1' }).trustedProxies, '10.0.0.0/8,::1');
  for (const text of ['10.0.0.0/33', 'proxy', '10.0.0.0/8/8', '10.0.0', 'true', '*']) {
    refuses({ IWD_TRUSTED_PROXIES: text }, /IWD_TRUSTED_PROXIES/);
  }
});
