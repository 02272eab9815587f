import { join, resolve } from 'node:path';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { Client } from '../actors/client.js';
import { observeLag } from '../actors/loop-lag.js';
import { type ActorOptions, defaultOptions } from '../actors/options.js';
import { pause, systemRuntime } from '../actors/runtime.js';
import { Simulator } from '../actors/simulator.js';
import { keyIdentity } from '../api/caller.js';
import type { KeyRing } from '../api/key-ring.js';
import { buildServer } from '../api/server.js';
import { itemFieldsBytesMax } from '../engine/limits.js';
import { startEmbeddedPostgres } from '../stores/embedded/postgres.js';
import { PostgresClusterAuditLog } from '../stores/postgres/cluster/audit-log.js';
import { Connection, readTimeouts } from '../stores/postgres/connection.js';
import { migrate } from '../stores/postgres/migrations.js';
import { clusterKeyPath } from './cluster-key.js';
import { demoKey } from './demo-key.js';
import { administrator, openPeople } from './people.js';
import { placesOf } from './places.js';

import { loadSettings, printSettings, redactUrls, type Settings } from './settings.js';
import type { ShardConfig } from './shard.js';
import { openTenantRegistry } from './tenant-registry.js';
import { demoTenant } from './tenants.js';

/** The front's own time-out is a little longer than the actors', so that their clearer answer comes first. */
const answerSlackMs = 1000;
const readyPollMs = 20;
const stopMsMax = 1500;

const usage = `Usage: npm start

Serves the IWD engine. All settings are environment variables (docs/operations.md).
Without DATABASE_URL an embedded Postgres keeps its data in IWD_DATA_DIR.`;

if (process.argv.includes('--help')) {
  console.log(usage);
} else {
  const settings = loadSettings(process.env);
  if ('problems' in settings) {
    console.error(`The settings have faults:\n${settings.problems.map((problem) => `  - ${problem}`).join('\n')}`);
    process.exitCode = 1;
  } else await serve(settings);
}

async function serve(settings: Settings): Promise<void> {
  const log = pino({ level: settings.logLevel });
  if (log.isLevelEnabled('info')) console.log(printSettings(settings));
  const dataDir = resolve(settings.dataDir);
  const stops: (() => Promise<unknown>)[] = [];
  const stopAll = async () => {
    for (const stop of stops.reverse()) await stop().catch((error) => log.error(error, 'stopping a part failed'));
  };
  try {
    const databaseUrl = settings.databaseUrl ?? (await embeddedDatabase(dataDir, log, stops));
    await migrated(databaseUrl, log);
    const registry = await openTenantRegistry(settings, databaseUrl, dataDir, log);
    stops.push(() => registry.close());
    const people = await openPeople(settings, databaseUrl);
    stops.push(() => people.close());
    const { key, made } = await demoKey(dataDir, settings.demoApiKey);
    addSettingsKeys(registry.keys, key, settings);
    const clusterAudit = new Connection(databaseUrl, readTimeouts);
    stops.push(() => clusterAudit.close());
    const client = startShards(settings, databaseUrl, dataDir, log);
    stops.push(() => client.drain(0));
    const simulator = new Simulator({
      file: new URL('./simulation.js', import.meta.url),
      engine: client,
      limits: { itemsMax: settings.whatIfItemsMax, eventsMax: settings.whatIfEventsMax },
      attributesBytesMax: settings.attributesBytesMax,
      timeoutMs: settings.whatIfTimeoutMs,
    });
    stops.push(() => simulator.close());
    const metrics = new Registry();
    observeLag(metrics, systemRuntime, 'main');
    const server = buildServer({
      registry: metrics,
      engine: client,
      limits: client,
      simulations: simulator,
      clusterAudit: new PostgresClusterAuditLog(clusterAudit),
      tenants: registry.keys,
      people: people.options,
      tenantRegistry: await registry.live(client),
      settings: {
        itemBytesMax: settings.attributesBytesMax + itemFieldsBytesMax,
        requestTimeoutMs: settings.requestTimeoutMs,
        inFlightMax: settings.inFlightMax,
        loopDelayMsMax: settings.eventLoopLagMaxMs,
        slowMs: settings.slowRequestMs,
        metricsToken: settings.metricsToken,
        trustedProxies: settings.trustedProxies,
        databaseHosts: settings.databaseHosts,
      },
      logger: log,
    });
    await server.listen({ port: settings.port, host: settings.host });
    const address = server.server.address();
    const port = typeof address === 'object' && address !== null ? address.port : settings.port;
    drainOnSignal(log, async () => {
      // Requests that wait for a database that is away would hold the drain up: they get half of the time.
      await Promise.race([server.drain(), pause(systemRuntime, settings.drainTimeoutMs / 2)]);
      await client.drain(settings.drainTimeoutMs / 2);
      server.server.closeAllConnections();
      await server.close();
      // A Postgres that does not stop in time is found again, and attached to, by the next start.
      await Promise.race([stopAll(), pause(systemRuntime, stopMsMax)]);
    });
    await untilReady(client);
    announce(
      `http://${settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host}:${port}`,
      key,
      made,
      dataDir,
      settings,
      registry.madeClusterKey,
      people.madePassword,
    );
  } catch (error) {
    log.fatal(error, 'the server could not start');
    await stopAll();
    process.exitCode = 1;
  }
}

async function migrated(databaseUrl: string, log: Logger): Promise<void> {
  try {
    await migrate(databaseUrl, (step) => log.info(`migrating the database: ${step}`));
  } catch (error) {
    const where = redactUrls(databaseUrl);
    throw new Error(`the database ${where} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

async function embeddedDatabase(dataDir: string, log: Logger, stops: (() => Promise<unknown>)[]): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), logger: log });
  stops.push(() => postgres.stop());
  return postgres.url;
}

/** Until our own tenant is served; a database that is away is said in the log again and again by whoever misses it. */
async function untilReady(client: Client): Promise<void> {
  const there: readonly (string | undefined)[] = ['serving', 'retiring', 'passive'];
  while (!there.includes((await client.ready()).tenants[demoTenant])) await pause(systemRuntime, readyPollMs);
}

function addSettingsKeys(keys: KeyRing, demo: string, { clusterApiKey }: Settings): void {
  keys.addFixed(demo, keyIdentity({ tenantId: demoTenant, name: 'demo' }));
  if (clusterApiKey !== undefined) {
    keys.addFixed(clusterApiKey, keyIdentity({ tenantId: '', name: 'cluster', scope: 'cluster' }));
  }
}

function startShards(settings: Settings, databaseUrl: string, dataDir: string, log: Logger): Client {
  const options: ActorOptions = {
    ...defaultOptions,
    attributesBytesMax: settings.attributesBytesMax,
    mailboxCountMax: settings.mailboxMax,
    batchEventsMax: settings.commitBatchEventsMax,
    documentBytesMax: settings.documentCacheBytes,
    unprojectedBytesMax: settings.unprojectedBytesMax,
    leaseTtlMs: settings.leaseTtlMs,
    requestTimeoutMs: settings.requestTimeoutMs,
    snapshotIntervalMs: settings.snapshotIntervalMs,
    waitMsMax: settings.waitMaxMs,
  };
  const workerData: ShardConfig = {
    redisUrl: settings.redisUrl,
    registryUrl: databaseUrl,
    snapshotDir: join(dataDir, 'snapshots'),
    url: `http://${settings.host}:${settings.port}`,
    options,
    places: placesOf(settings.connectionsMax, settings.shards),
    idleMs: settings.tenantIdleMs,
  };
  return new Client({
    shardFile: new URL('./shard.js', import.meta.url),
    shardCount: settings.shards,
    // They come from the registry.
    tenants: [],
    workerData,
    quotas: {
      requestsPerSecond: settings.tenantRate,
      payloadBytes: settings.tenantPayloadBytes,
      openItems: settings.tenantOpenItems,
    },
    timeoutMs: settings.requestTimeoutMs + answerSlackMs,
    log: ({ level, tenantId, message, error }) => log[level]({ tenantId, ...(error && { error }) }, message),
  });
}

/** The first signal drains; a second one ends the process at once. */
function drainOnSignal(log: Logger, drain: () => Promise<void>): void {
  let draining = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (draining) process.exit(130);
    draining = true;
    log.info(`${signal}: draining`);
    drain().then(
      () => process.exit(0),
      (error) => {
        log.fatal(error, 'draining failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function announce(
  url: string,
  key: string,
  made: boolean,
  dataDir: string,
  settings: Settings,
  clusterKey?: string,
  password?: string,
): void {
  const shown = made ? key : `$(cat ${join(dataDir, 'demo-apikey')})`;
  const header = settings.demoApiKey === undefined ? shown : '$IWD_DEMO_APIKEY';
  console.log(`
IWD engine at ${url}/iwd/v3   (docs: ${url}/docs)
${made ? `API key of the demo tenant: ${key}   (kept in ${join(dataDir, 'demo-apikey')})\n` : ''}${clusterKey ? `API key of the cluster, for provisioning: ${clusterKey}   (kept in ${clusterKeyPath(dataDir)})\n` : ''}${password ? `First administrator: ${administrator}, password ${password}   (kept nowhere else)\n` : ''}
Try it:
  curl -s -X POST ${url}/iwd/v3/workitems -H "x-api-key: ${header}" -H "content-type: application/json" -d '{"captureId":"first","businessValue":100,"attributes":{"subject":"hello"}}'
`);
}
