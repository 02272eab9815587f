import { randomUUID } from 'node:crypto';
import { workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import type { ActorOptions } from '../actors/options.js';
import type { SnapshotStore } from '../actors/ports.js';
import { runShard } from '../actors/shard.js';
import { TenantActor } from '../actors/tenant-actor.js';
import type { ShardTask } from '../actors/wire.js';
import { defaultCategories, defaultFilters, defaultSchemas } from '../engine/default-settings.js';
import { loadTimeZones } from '../engine/time-zone.js';
import { openFileSnapshots } from '../stores/file/snapshot-store.js';
import { DatabaseMetrics } from '../stores/postgres/database-metrics.js';
import { MigratedDatabases } from '../stores/postgres/migrated-databases.js';
import { Reader } from '../stores/postgres/reader.js';
import { SessionPool } from '../stores/postgres/session-pool.js';
import { openTenantStores } from '../stores/postgres/tenant-database.js';
import { RedisMetrics } from '../stores/redis/redis-metrics.js';
import { openRedisSnapshots } from '../stores/redis/snapshot-store.js';
import { isGone, ownPod } from './owner.js';
import type { Places } from './places.js';

/** What the server tells its shard threads alike. Plain data. */
export interface ShardConfig {
  redisUrl: string | undefined;
  /** The database with the ledger of erasures. */
  registryUrl: string;
  snapshotDir: string;
  url: string;
  options: ActorOptions;
  places: Places;
  /** After this long without a request or an event a tenant leaves memory. */
  idleMs: number;
}

/** The task that a shard's thread runs for ever; resolves when the shard has drained. */
export default async function shard(task: ShardTask): Promise<void> {
  const config = workerData as ShardConfig;
  loadTimeZones();
  const storeMetrics = new Registry();
  const redisMetrics = new RedisMetrics(storeMetrics);
  const redis = config.redisUrl === undefined ? undefined : openRedisSnapshots(config.redisUrl, redisMetrics);
  const snapshots: SnapshotStore = redis ?? (await openFileSnapshots(config.snapshotDir));
  const { active, reads } = config.places;
  const sessions = new SessionPool({ perServer: reads }, new DatabaseMetrics(storeMetrics));
  const registry = new Reader(config.registryUrl, sessions);
  const migrations = new MigratedDatabases();
  await runShard({
    ...task,
    storeMetrics,
    activeMax: active,
    idleMs: config.idleMs,
    actorOf: ({ id: tenantId, databaseUrl, quotas }, context) =>
      new TenantActor({
        ...context,
        tenantId,
        quotas,
        openStores: async () => {
          await migrations.ensure(databaseUrl, (step) => context.log('info', `migrating the database: ${step}`));
          return openTenantStores({ databaseUrl, tenantId, snapshots, sessions, registry });
        },
        options: config.options,
        stateOptions: {
          tenantId,
          attributesBytesMax: config.options.attributesBytesMax,
          documentBytesMax: config.options.documentBytesMax,
          categories: defaultCategories,
          schemas: defaultSchemas,
          filters: defaultFilters,
        },
        owner: () => ({ token: randomUUID(), pod: ownPod, url: config.url }),
        isGone,
      }),
  });
  task.port.close();
  await sessions.close();
  await redis?.close();
}
