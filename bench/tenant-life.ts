import type { SnapshotStore } from '../actors/ports.js';
import { openFileSnapshots } from '../stores/file/snapshot-store.js';
import { openRedisSnapshots } from '../stores/redis/snapshot-store.js';
import { BenchTenant, noSnapshots } from './tenant.js';

/** One life of a tenant's actor: it recovers, perhaps fills itself, perhaps leaves a snapshot. */
export interface LifeSpec {
  tenantId: string;
  databaseUrl: string;
  /** Absent: there is none and none is left. */
  snapshots: { dir: string } | { redisUrl: string } | undefined;
  /** Items to add once it serves. */
  fill: number;
  drain: boolean;
}

export interface LifeResult {
  ms: number;
  source: string;
  openItems: number;
  residentBytes: number;
  /** Beyond what the process had before. */
  heapBytes: number;
  arrayBytes: number;
}

async function openSnapshots(spec: LifeSpec['snapshots']): Promise<SnapshotStore> {
  if (spec === undefined) return noSnapshots;
  return 'dir' in spec ? openFileSnapshots(spec.dir) : openRedisSnapshots(spec.redisUrl);
}

function memory(): NodeJS.MemoryUsage {
  // Array buffers are swept in the background: the second collection waits for the first one's sweep.
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage();
}

async function live(spec: LifeSpec): Promise<LifeResult> {
  const before = memory();
  const tenant = new BenchTenant(spec.tenantId, spec.databaseUrl, await openSnapshots(spec.snapshots));
  const started = await tenant.start();
  // Before the collection: what the process took from the machine.
  const residentBytes = process.memoryUsage().rss;
  const after = memory();
  if (spec.fill > 0) await tenant.fill(spec.fill);
  await tenant.projected();
  if (spec.drain) await tenant.drain();
  return {
    ...started,
    residentBytes,
    heapBytes: after.heapUsed - before.heapUsed,
    arrayBytes: after.arrayBuffers - before.arrayBuffers,
  };
}

/** Forked, one spec in, one result out. Without draining it ends as a crash would: its lease names a dead process. */
process.once('message', (spec: LifeSpec) => {
  live(spec).then(
    (result) => process.send!(result, () => process.exit(0)),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
