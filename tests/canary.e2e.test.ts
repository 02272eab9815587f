import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isUp } from '../bin/demo/local-server.js';
import { missing, query } from '../stores/conformance/test-database.js';
import { call, registration, TestDatabases } from './provisioning-call.js';
import { bareEnvironment, freePort } from './server-process.js';

/** In every secret that goes in; nothing that the server writes may hold it, in the clear or as hex or base64. */
const canary = `canary${randomBytes(6).toString('hex')}`;
/** In what is no secret: the search must find it where it looks, or it proves nothing. */
const marker = `marker${randomBytes(6).toString('hex')}`;
const clusterKey = `${canary}-cluster`;

/** The middle of the canary in base64, at each of the three places that it may have in its group of three bytes. */
const inBase64 = ['', 'x', 'xx'].map((shift) =>
  Buffer.from(shift + canary)
    .toString('base64')
    .slice(4, -4),
);
const forms = [canary, Buffer.from(canary).toString('hex'), ...inBase64].map((text) => Buffer.from(text));

function isFound(bytes: Buffer, wanted = forms): boolean {
  return wanted.some((form) => bytes.includes(form));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** Every column of every table of ours, as text; bytea comes as hex. */
async function dump(url: string): Promise<string> {
  const tables = await query(
    url,
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('iwd', 'iwd_cluster')",
  );
  assert.ok(tables.length > 5);
  const rows = await Promise.all(tables.map(({ name }) => query(url, `SELECT t::text AS row FROM ${name} t`)));
  return rows
    .flat()
    .map(({ row }) => String(row))
    .join('\n');
}

describe('secrets', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  const dataDir = mkdtempSync(join(tmpdir(), 'iwd-canary-'));
  const outputPath = `${dataDir}.log`;
  const answers: string[] = [];
  let server: { url: string };
  let child: ChildProcess;

  /** Keeps each answer, headers and all, for the search. */
  async function ask(method: string, path: string, body?: unknown, key = clusterKey) {
    const answer = await call(server, key, method, path, body);
    answers.push(`${method} ${path}: ${[...answer.headers].join()} ${answer.text}`);
    return answer;
  }

  function secretive(ccid: string) {
    const body = registration(ccid, databases.name(ccid));
    body.tenant.name = `${marker} ${ccid}`;
    body.tenant.apiKey = `${canary}-digital-channels`;
    body.iwd.db.password = `${canary}-password`;
    body.iwd.apiKeys = { IWD_APIKEY_TENANT: `${canary}-tenant-${ccid}`, IWD_APIKEY_IWDDM: `${canary}-mart-${ccid}` };
    const secret = { clientId: `${canary}-id`, clientSecret: `${canary}-client`, apikey: `${canary}-gws` };
    const gws = { gwsUrl: 'http://gws', secret: { ...secret, username: `${canary}-user`, token: `${canary}-token` } };
    return { ...body, tenant: { ...body.tenant, gws } };
  }

  before(async () => {
    const port = await freePort();
    server = { url: `http://127.0.0.1:${port}` };
    const output = openSync(outputPath, 'w');
    child = spawn(process.execPath, [fileURLToPath(new URL('../bin/server.js', import.meta.url))], {
      env: {
        ...bareEnvironment(),
        ...{ IWD_PORT: `${port}`, IWD_DATA_DIR: dataDir, IWD_LOG_LEVEL: 'trace', IWD_SNAPSHOT_INTERVAL: 'PT1S' },
        ...{
          IWD_CLUSTER_APIKEY: clusterKey,
          IWD_DEMO_APIKEY: `${canary}-demo`,
          IWD_METRICS_TOKEN: `${canary}-metrics`,
        },
      },
      stdio: ['ignore', output, output],
    });
    while (!(await isUp(`${server.url}/readyz`))) {
      assert.equal(child.exitCode, null, readFileSync(outputPath, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  after(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await databases.drop();
    rmSync(dataDir, { recursive: true, force: true });
    rmSync(outputPath, { force: true });
  });

  test('go in by every way, good and bad', async () => {
    for (const ccid of ['one', 'two']) assert.equal((await ask('POST', '/provisioning', secretive(ccid))).status, 200);
    const changed = secretive('one');
    changed.iwd.db.password = `${canary}-changed`;
    assert.equal((await ask('PUT', '/provisioning', changed)).status, 200);
    // Refused: by shape, by the network, by Postgres, by what is there already, by its syntax.
    const bad = secretive('bad');
    Object.assign(bad.iwd.db, { port: `${canary}`, ssl: `${canary}`, [`${marker}`]: `${canary}` });
    assert.equal((await ask('POST', '/provisioning', bad)).status, 400);
    const away = secretive('away');
    Object.assign(away.iwd.db, { host: '127.0.0.1', port: 1 });
    assert.equal((await ask('POST', '/provisioning', away)).status, 502);
    const stranger = secretive('stranger');
    stranger.iwd.db.user = `nobody-${marker}`;
    assert.equal((await ask('POST', '/provisioning', stranger)).status, 502);
    const taken = secretive('taken');
    taken.iwd.apiKeys.IWD_APIKEY_TENANT = `${canary}-tenant-one`;
    assert.equal((await ask('POST', '/provisioning', taken)).status, 409);
    assert.equal((await ask('POST', '/provisioning', `{"tenant": "${canary}`)).status, 400);
  });

  test('are used, right and wrong', async () => {
    const key = `${canary}-tenant-one`;
    assert.equal((await ask('POST', '/workitems', { captureId: marker }, key)).status, 201);
    assert.equal((await ask('POST', '/workitems', {}, `${canary}-mart-one`)).status, 403);
    assert.equal((await ask('GET', '/workitems', undefined, `${canary}-unknown`)).status, 401);
    assert.equal((await ask('POST', '/keys', { name: marker }, key)).status, 201);
    // The only answer that may show a key: of a key that is no canary.
    assert.match(answers.at(-1)!, /"key":"iwd_/);
  });

  test('are in no answer', async () => {
    const paths = [
      'provisioning',
      'provisioning/keys',
      'keys',
      'workitems',
      'queue',
      'audit',
      'cluster/audit',
      'metrics',
    ];
    const more = ['settings/categories', 'settings/prioritization', 'settings/calendars', 'healthz', 'readyz', 'users'];
    for (const path of [...paths, ...more]) {
      for (const key of [clusterKey, `${canary}-tenant-one`, `${canary}-demo`]) {
        const response = await fetch(`${server.url}/iwd/v3/${path}`, {
          headers: { 'x-api-key': key, ...(path === 'metrics' && { authorization: `Bearer ${canary}-metrics` }) },
        });
        answers.push(`${path} ${response.status} ${[...response.headers].join()} ${await response.text()}`);
      }
    }
    assert.ok(isFound(Buffer.from(answers.join()), [Buffer.from(marker)]), 'what is no secret is in the answers');
    assert.ok(answers.some((answer) => answer.startsWith('metrics 200')));
    for (const answer of answers) assert.ok(!isFound(Buffer.from(answer)), answer.slice(0, 300));
  });

  test('are in no column of the registry and of a tenant’s database', async () => {
    const own = `postgresql://iwd@localhost/iwd?host=${encodeURIComponent(join(dataDir, 'postgres'))}&port=5432`;
    const tenant = Object.assign(new URL(process.env.TEST_DATABASE_URL!), {
      pathname: `/${databases.name('one')}`,
    }).href;
    for (const url of [own, tenant]) {
      const text = await dump(url);
      assert.ok(text.includes(marker), 'what is no secret is there');
      assert.ok(!isFound(Buffer.from(text)));
    }
  });

  test('are in no line of the log and no file of the data folder, Postgres’ own among them', async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
    const log = readFileSync(outputPath);
    assert.ok(isFound(log, [Buffer.from('"status":502')]), 'requests are in the log');
    assert.ok(!isFound(log), 'the log');
    const files = filesBelow(dataDir);
    assert.ok(
      files.some((path) => path.endsWith('.snapshot')),
      'there are snapshots',
    );
    assert.ok(
      files.some((path) => isFound(readFileSync(path), [Buffer.from(marker)])),
      'what is no secret is there',
    );
    const found = files.filter((path) => isFound(readFileSync(path)));
    assert.deepEqual(found, []);
  });
});
