import { availableParallelism } from 'node:os';
import { attributesBytesMax } from '../engine/limits.js';
import { nearest } from '../engine/nearest.js';
import { parseMasterKey } from '../stores/postgres/cluster/sealer.js';
import { duration, type Environment, keyShape, pattern, type Setting, whole } from './setting.js';
import { type PeopleKey, peopleFaults, peopleSettings } from './settings-people.js';

/**
 * Every setting of the server in one table: name, type, default, meaning. Start-up, the redacted print-out and the
 * table in `docs/operations.md` (`scripts/settings-table.ts`) all read it. Settings are environment variables only;
 * an empty one counts as not set, because compose files and charts pass empty texts for what they leave out.
 */

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** `redis://` or `rediss://` URLs, one, or the nodes of a cluster separated by commas (all with the same scheme). */
function parseRedisUrl(text: string): string | undefined {
  const nodes = text.split(',').map((node) => node.trim());
  const schemes = new Set(nodes.map((node) => /^(rediss?):\/\/[^\s/]/.exec(node)?.[1]));
  return schemes.size === 1 && !schemes.has(undefined) ? nodes.join(',') : undefined;
}

/** One or several, separated by commas: the first seals, the others only open. */
function parseMasterKeys(text: string): Buffer[] | undefined {
  const keys = text.split(',').map(parseMasterKey);
  return keys.includes(undefined) ? undefined : (keys as Buffer[]);
}

/** Host names in lower case; one that begins with a dot stands for all that end with it. */
function parseHosts(text: string): string[] | undefined {
  const hosts = text.split(',').map((host) => host.trim().toLowerCase());
  return hosts.every((host) => /^\.?[a-z0-9_/]([a-z0-9_.:/-]{0,253})$/.test(host)) ? hosts : undefined;
}

const megabyte = 1024 * 1024;

export const settingsTable = {
  port: whole(
    { env: 'IWD_PORT', standard: '4024', description: 'TCP port of the API; 0 takes any free one.' },
    { min: 0, max: 65_535 },
  ),
  // A laptop that tries the engine must not offer it to the café's network; with a database of its own the server is a
  // deployment, most often a container, where nothing outside could reach the loopback.
  host: pattern(
    {
      env: 'IWD_HOST',
      standard: (env) => (env.DATABASE_URL ? '0.0.0.0' : '127.0.0.1'),
      standardNote: '`127.0.0.1`; `0.0.0.0` when `DATABASE_URL` is set',
      description: 'Address to listen on: `0.0.0.0` or `::` for all, e.g. in a container.',
    },
    /^[A-Za-z0-9.:_-]{1,253}$/,
    'a host name or an IP address',
  ),
  dataDir: pattern(
    {
      env: 'IWD_DATA_DIR',
      standard: './data',
      description: 'Folder of the embedded Postgres, snapshot files and the keys that the first start makes.',
    },
    /^[^\0]{1,4096}$/,
    'a path',
  ),
  demoApiKey: pattern(
    {
      env: 'IWD_DEMO_APIKEY',
      standard: undefined,
      standardNote: 'made at the first start, kept in `IWD_DATA_DIR/demo-apikey`',
      description: 'API key of the demo tenant.',
      secret: true,
    },
    keyShape,
    '1 to 256 printable ASCII characters without spaces',
  ),
  clusterApiKey: pattern(
    {
      env: 'IWD_CLUSTER_APIKEY',
      standard: undefined,
      standardNote: 'made and printed at the first start, kept in `IWD_DATA_DIR/cluster-apikey`',
      description: 'API key of the operator: provisions tenants, belongs to none.',
      secret: true,
    },
    keyShape,
    '1 to 256 printable ASCII characters without spaces',
  ),
  masterKey: {
    env: 'IWD_MASTER_KEY',
    standard: undefined,
    standardNote: 'with the embedded Postgres: made at the first start, kept in `IWD_DATA_DIR/master-key`',
    description:
      'Seals the secrets of provisioned tenants. Several, separated by commas: the first seals, the others only open.',
    secret: true,
    expected: '32 bytes in base64 or hex, or several such keys separated by commas',
    parse: parseMasterKeys,
  } satisfies Setting<Buffer[]>,
  masterKeyFile: pattern(
    {
      env: 'IWD_MASTER_KEY_FILE',
      standard: undefined,
      standardNote: 'none',
      description:
        'File with the master keys, one a line, the one that seals first; not read when `IWD_MASTER_KEY` is set.',
    },
    /^[^\0]{1,4096}$/,
    'a path',
  ),
  databaseHosts: {
    env: 'IWD_TENANT_DATABASE_HOSTS',
    standard: undefined,
    standardNote: 'any but link-local and metadata addresses',
    description:
      'Hosts that a provisioned database may have; one that begins with a dot stands for all that end with it.',
    expected: 'host names separated by commas, such as db.example.com,.postgres.svc.cluster.local',
    parse: parseHosts,
    print: (hosts) => hosts.join(','),
  } satisfies Setting<string[]>,
  databaseUrl: pattern(
    {
      env: 'DATABASE_URL',
      standard: undefined,
      standardNote: 'the embedded Postgres in `IWD_DATA_DIR`',
      description: 'Postgres to keep everything in; the role must be allowed to create the schema `iwd`.',
    },
    /^(postgres(ql)?:\/\/|socket:)\S+$/,
    'a URL such as postgres://user:password@host:5432/database',
  ),
  redisUrl: {
    env: 'REDIS_URL',
    standard: undefined,
    standardNote: 'snapshots go to files in `IWD_DATA_DIR`',
    description: 'Redis for snapshots: one URL, or the nodes of a cluster separated by commas; `rediss://` for TLS.',
    expected: 'redis:// or rediss:// URLs separated by commas, all with the same scheme',
    parse: parseRedisUrl,
  } satisfies Setting<string>,
  logLevel: {
    env: 'IWD_LOG_LEVEL',
    standard: 'info',
    description: 'Least level that is logged.',
    expected: `one of ${logLevels.join(', ')}`,
    parse: (text) => logLevels.find((level) => level === text),
  } satisfies Setting<LogLevel>,
  shards: whole(
    {
      env: 'IWD_SHARDS',
      standard: () => String(Math.min(256, Math.max(1, availableParallelism() - 1))),
      standardNote: 'cores - 1, at least 1',
      description: 'Threads that own tenants; a tenant lives on exactly one.',
    },
    { min: 1, max: 256 },
  ),
  attributesBytesMax: whole(
    {
      env: 'IWD_ATTRIBUTES_BYTES_MAX',
      standard: String(attributesBytesMax),
      description: "Bytes of the JSON text of one item's `attributes`.",
    },
    { min: 1024, max: megabyte },
  ),
  snapshotIntervalMs: duration(
    {
      env: 'IWD_SNAPSHOT_INTERVAL',
      standard: 'PT1M',
      description:
        'Time between two snapshots of a tenant that changes; the events of this time are replayed by a recovery.',
    },
    { min: 'PT1S', max: 'P1D' },
  ),
  leaseTtlMs: duration(
    {
      env: 'IWD_LEASE_TTL',
      standard: 'PT3S',
      description: 'How long a lease must stay silent until another server may take its tenant over.',
    },
    { min: 'PT0.5S', max: 'PT10M' },
  ),
  commitBatchEventsMax: whole(
    {
      env: 'IWD_COMMIT_BATCH_EVENTS_MAX',
      standard: '512',
      description: 'Events of one journal row, that is of one commit.',
    },
    { min: 1, max: 10_000 },
  ),
  mailboxMax: whole(
    {
      env: 'IWD_MAILBOX_MAX',
      standard: '5000',
      description: "Commands that may wait in one tenant's mailbox; a full one answers 429.",
    },
    { min: 1, max: 1_000_000 },
  ),
  documentCacheBytes: whole(
    {
      env: 'IWD_DOCUMENT_CACHE_BYTES',
      standard: String(64 * megabyte),
      description: 'Bytes of item documents that a tenant keeps in memory beside those that are not yet projected.',
    },
    { min: megabyte, max: 64 * 1024 * megabyte },
  ),
  unprojectedBytesMax: whole(
    {
      env: 'IWD_UNPROJECTED_BYTES_MAX',
      standard: String(128 * megabyte),
      description: 'Bytes of documents that may wait for the `work_item` table; beyond it ingest slows down (429).',
    },
    { min: megabyte, max: 64 * 1024 * megabyte },
  ),
  connectionsMax: whole(
    {
      env: 'IWD_CONNECTIONS_MAX',
      standard: '64',
      description:
        'Postgres sessions of all tenants together: a quarter for reads, two for each tenant that is active at a time.',
    },
    { min: 4, max: 10_000 },
  ),
  tenantIdleMs: duration(
    {
      env: 'IWD_TENANT_IDLE',
      standard: 'PT5M',
      description:
        'Without a request or an event for this long a tenant leaves memory and gives its connections back; the next request brings it back.',
    },
    { min: 'PT1S', max: 'P7D' },
  ),
  waitMaxMs: duration(
    {
      env: 'IWD_WAIT_MAX',
      standard: 'PT0.5S',
      description:
        "Estimated wait in a tenant's mailbox beyond which a command gets 429 at once; for a slice of a bulk request four times as long.",
    },
    { min: 'PT0.01S', max: 'PT10M' },
  ),
  tenantRate: whole(
    {
      env: 'IWD_TENANT_RATE',
      standard: '0',
      description: "A tenant's requests a second, unless its own quotas say otherwise; 0: no bound. Beyond it 429.",
    },
    { min: 0, max: 1_000_000 },
  ),
  tenantPayloadBytes: whole(
    {
      env: 'IWD_TENANT_PAYLOAD_BYTES',
      standard: '0',
      description: "Bytes of a tenant's request bodies a second, likewise.",
    },
    { min: 0, max: 1_000_000_000_000 },
  ),
  tenantOpenItems: whole(
    {
      env: 'IWD_TENANT_OPEN_ITEMS',
      standard: '0',
      description: "A tenant's open items, likewise; one more gets 429 `quota-exceeded`.",
    },
    { min: 0, max: 1_000_000_000 },
  ),
  requestTimeoutMs: duration(
    {
      env: 'IWD_REQUEST_TIMEOUT',
      standard: 'PT30S',
      description:
        'Longest time for receiving one request (408) and for its answer (503); 32 MB of bulk take it at 10 Mbit/s.',
    },
    { min: 'PT0.1S', max: 'PT10M' },
  ),
  drainTimeoutMs: duration(
    {
      env: 'IWD_DRAIN_TIMEOUT',
      standard: 'PT8S',
      description:
        'After SIGTERM: longest wait for commits, snapshots and open requests; then the process ends anyway.',
    },
    { min: 'PT0.1S', max: 'PT10M' },
  ),
  slowRequestMs: duration(
    {
      env: 'IWD_SLOW_REQUEST',
      standard: 'PT1S',
      description: 'A request that takes longer is logged as a warning and counted by `iwd_api_request_long`.',
    },
    { min: 'PT0.001S', max: 'PT10M' },
  ),
  eventLoopLagMaxMs: duration(
    {
      env: 'IWD_EVENT_LOOP_LAG_MAX',
      standard: 'PT0.25S',
      description: "The front's event-loop delay (p99 of the last second) beyond which new requests get 503.",
    },
    { min: 'PT0.01S', max: 'PT1M' },
  ),
  inFlightMax: whole(
    {
      env: 'IWD_IN_FLIGHT_MAX',
      standard: '2000',
      description: 'Requests that may be open at the same time; one more gets 503.',
    },
    { min: 1, max: 1_000_000 },
  ),
  whatIfTimeoutMs: duration(
    {
      env: 'IWD_WHAT_IF_TIMEOUT',
      standard: 'PT60S',
      description: 'Longest time of one simulation (`POST /what-if`), its wait for others included; then it is ended.',
    },
    { min: 'PT1S', max: 'PT10M' },
  ),
  whatIfItemsMax: whole(
    {
      env: 'IWD_WHAT_IF_ITEMS_MAX',
      standard: '100000',
      description: 'Waiting items whose attributes a simulation reads, where the draft has categories.',
    },
    { min: 100, max: 10_000_000 },
  ),
  whatIfEventsMax: whole(
    {
      env: 'IWD_WHAT_IF_EVENTS_MAX',
      standard: '500000',
      description: 'Events of the journal that a simulation replays.',
    },
    { min: 1000, max: 100_000_000 },
  ),
  metricsToken: pattern(
    {
      env: 'IWD_METRICS_TOKEN',
      standard: undefined,
      standardNote: '`/metrics` is open',
      description: 'Bearer token that `/metrics` asks for.',
      secret: true,
    },
    keyShape,
    '1 to 256 printable ASCII characters without spaces',
  ),
  ...peopleSettings,
} as const;

type Table = typeof settingsTable;
type Value<S> = S extends { parse(text: string): infer V } ? Exclude<V, undefined> : never;

export type SettingKey = keyof Table;
/** The settings without a default: absent when not set. */
export type OptionalKey =
  | PeopleKey
  | 'clusterApiKey'
  | 'databaseHosts'
  | 'databaseUrl'
  | 'demoApiKey'
  | 'masterKey'
  | 'masterKeyFile'
  | 'metricsToken'
  | 'redisUrl';

/** Parsed settings: times are milliseconds (`...Ms`), sizes bytes, counts whole numbers. */
export type Settings = { [K in Exclude<SettingKey, OptionalKey>]: Value<Table[K]> } & {
  [K in OptionalKey]?: Value<Table[K]>;
};

/** Variables that only the command line clients read (`demo`, `import`); the server lets them pass. */
export const clientVariables: Readonly<Record<string, string>> = {
  IWD_URL: 'URL of the server that `npm run demo` and `npm run import` talk to; default `http://127.0.0.1:4024`.',
  IWD_API_KEY: 'API key that they send.',
};

/** In a namespace with a Service called `iwd`, Kubernetes adds these to every pod unless enableServiceLinks is false. */
const serviceLink = /^IWD(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP)(_[A-Z]+)?)$/;

/**
 * Reads all settings, or says everything that is wrong with them at once, one sentence each. An unknown `IWD_*`
 * variable is a fault: a misspelt setting that is silently ignored is found in the worst hour.
 */
export function loadSettings(env: Environment): Settings | { problems: string[] } {
  const problems = unknownVariables(env);
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const [key, setting] of Object.entries(settingsTable) as [SettingKey, Setting<unknown>][]) {
    const text = env[setting.env]?.trim() || standardOf(setting, env);
    if (text === undefined) continue;
    const value = setting.parse(text);
    if (value === undefined) problems.push(faultOf(setting, text));
    else values[key] = value;
  }
  problems.push(...peopleFaults(values));
  // Every key without a parsed value is optional or has left a problem: `OptionalKey` is held to that by a test.
  return problems.length > 0 ? { problems } : (values as Settings);
}

function standardOf(setting: Setting<unknown>, env: Environment): string | undefined {
  return typeof setting.standard === 'function' ? setting.standard(env) : setting.standard;
}

function faultOf(setting: Setting<unknown>, text: string): string {
  if (setting.env === 'IWD_PORT' && text.startsWith('tcp://')) {
    return `IWD_PORT is "${text}", a Kubernetes service link: set enableServiceLinks: false on the pod, or IWD_PORT itself`;
  }
  const shown = setting.secret
    ? 'not what is expected (its value is not shown)'
    : `"${redactUrls(text).slice(0, 200)}"`;
  return `${setting.env} is ${shown}; expected ${setting.expected}`;
}

function unknownVariables(env: Environment): string[] {
  const known = new Set([...Object.values(settingsTable).map(({ env }) => env), ...Object.keys(clientVariables)]);
  return Object.keys(env)
    .filter((name) => name.startsWith('IWD_') && !known.has(name) && !serviceLink.test(name))
    .map((name) => {
      const near = nearest(name, known);
      return `${name} is not a setting${near ? `; did you mean ${near}?` : ' (docs/operations.md lists them)'}`;
    });
}

/**
 * Takes passwords out of URLs: everything from the first `:` of the authority to the last `@`, whatever characters an
 * unescaped password holds, and the values of `password=` parameters. Rather too much than too little.
 */
export function redactUrls(text: string): string {
  return text
    .split(/,(?=rediss?:\/\/)/)
    .map((url) => url.replace(/(\w+:\/\/[^:/?#@\s,]*):.*@/s, '$1:***@'))
    .join(',')
    .replace(/([?&](?:password|sslpassword|sslkey)=)[^&\s]*/gi, '$1***');
}

/** One line a setting, `NAME=value`, safe to log: secrets and passwords inside URLs are starred out. */
export function printSettings(settings: Settings): string {
  const width = Math.max(...Object.values(settingsTable).map(({ env }) => env.length));
  return (Object.entries(settingsTable) as [SettingKey, Setting<unknown>][])
    .map(([key, setting]) => `${setting.env.padEnd(width)}  ${shown(setting, settings[key])}`)
    .join('\n');
}

/** The same as fields for a structured log. */
export function redactedSettings(settings: Settings): Record<string, string | number> {
  const entries = (Object.entries(settingsTable) as [SettingKey, Setting<unknown>][])
    .filter(([key]) => settings[key] !== undefined)
    .map(([key, setting]): [string, string | number] => {
      const value = settings[key];
      return [key, typeof value === 'number' ? value : shown(setting, value)];
    });
  return Object.fromEntries(entries);
}

function shown(setting: Setting<unknown>, value: unknown): string {
  if (value === undefined) return '(not set)';
  if (setting.secret) return '***';
  return redactUrls(setting.print ? setting.print(value) : String(value));
}
