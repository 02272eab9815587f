import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultOptions } from '../../actors/options.js';
import type { SnapshotManifest, SnapshotStore } from '../../actors/ports.js';
import { checksumOf, type Recovered, recover } from '../../actors/recovery.js';
import { systemRuntime } from '../../actors/runtime.js';
import { defaultCategories, defaultSchemas } from '../../engine/default-settings.js';
import { openTenantStores } from '../../stores/postgres/tenant-database.js';
import { openRedisSnapshots, type RedisSnapshots } from '../../stores/redis/snapshot-store.js';
import { Load } from '../crash/load.js';
import { randomFrom } from '../crash/load-item.js';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 8;
const tenantId = 'demo';

interface Stored {
  manifest: SnapshotManifest;
  chunks: Uint8Array[];
}

/**
 * Snapshots in Redis that are damaged, of another tenant, from the future, or of another format. Each is recovered from
 * by the code that the server recovers with, over the real stores; a few also by the server itself.
 */
export const snapshotMutated: Scenario = {
  id: 'S21',
  what: 'snapshots corrupt, foreign, from the future, of another format',
  needs: ['redis'],
  async run(trial) {
    const times = trial.pick(1000, 60);
    const restarts = trial.pick(6, 1);
    const system = await trial.system({ redis: true });
    const load = trial.start(new Load(trial.client(system, clients), 21), clients);
    await sleep(2500);
    await load.stop();
    await system.settle();
    const snapshots = openRedisSnapshots(system.redis!.url);
    await system.server.stop();
    const sound = (await snapshots.load(tenantId))!;
    const random = randomFrom(21);
    const expected = await stateFrom(system, noSnapshot);
    const trusted = await stateFrom(system, snapshots);
    let [rejected, equal, crashes] = [0, 0, 0];
    const wrong: string[] = [];
    for (let i = 0; i < times; i++) {
      const { name, change } = mutations[i % mutations.length]!;
      await snapshots.save(...asArguments(change(copyOf(sound), random)));
      try {
        const seen = await stateFrom(system, snapshots);
        if (seen.source === 'tables') rejected++;
        else wrong.push(name);
        if (seen.text === expected.text) equal++;
      } catch (error) {
        crashes++;
        wrong.push(`${name}: ${String(error)}`);
      }
    }
    const fromTables = await restartOn(system, snapshots, sound, restarts, random);
    await snapshots.close();
    trial.exactly('the sound one is used', 1, trusted.source === 'snapshot' && trusted.text === expected.text ? 1 : 0);
    trial.all('mutations rejected', rejected, times, wrong.slice(0, 3));
    trial.all('states equal to that of Postgres', equal, times);
    trial.exactly('crashes', 0, crashes, wrong.slice(0, 3));
    trial.all('starts of the server on a mutated one that went to Postgres', fromTables, restarts);
    trial.note(`${times} mutations of ${mutations.length} kinds on ${sound.manifest.itemCount} items`);
    await checkInvariants(trial, system, load.operations);
  },
};

const noSnapshot: SnapshotStore = { load: async () => undefined, save: async () => {} };

/** The memory that a recovery makes, as comparable text. */
async function stateFrom(
  system: FaultSystem,
  snapshots: SnapshotStore,
): Promise<{ source: Recovered['source']; text: string }> {
  const stores = await openTenantStores({ databaseUrl: system.databaseUrl, tenantId, snapshots });
  try {
    const [row] = await system.query('SELECT epoch, last_seq FROM iwd.tenant_lease');
    const { state, source } = await recover({
      tenantId,
      lease: { epoch: (row!.epoch as number) + 1, ownerToken: 'test', lastSeq: row!.last_seq as number },
      stores,
      runtime: systemRuntime,
      stateOptions: {
        tenantId,
        attributesBytesMax: defaultOptions.attributesBytesMax,
        documentBytesMax: defaultOptions.documentBytesMax,
        categories: defaultCategories,
        schemas: defaultSchemas,
      },
      unprojectedBytesMax: defaultOptions.unprojectedBytesMax,
      onNote: () => {},
    });
    const ids = await system.query('SELECT id FROM iwd.work_item ORDER BY id');
    const items = ids.map(({ id }) => {
      const slot = state.table.find(id as string);
      return slot < 0 ? '-' : [id, state.table.status[slot], state.table.version[slot], state.table.due[slot]].join();
    });
    return { source, text: [state.seq, state.queue.size, [...state.counts].join(), ...items].join('\n') };
  } finally {
    await stores.close();
  }
}

/** @returns how many of the starts took their memory from the tables. */
async function restartOn(
  system: FaultSystem,
  snapshots: RedisSnapshots,
  sound: Stored,
  times: number,
  random: () => number,
): Promise<number> {
  let fromTables = 0;
  for (let i = 0; i < times; i++) {
    await system.server.kill();
    await snapshots.save(...asArguments(mutations[i]!.change(copyOf(sound), random)));
    system.beginServer();
    await system.server.ready();
    fromTables += await system.metric('iwd_recoveries_total', 'source="tables"');
  }
  return fromTables;
}

function asArguments({ manifest, chunks }: Stored): [SnapshotManifest, Uint8Array[]] {
  return [manifest, chunks];
}

function copyOf({ manifest, chunks }: Stored): Stored {
  return { manifest: { ...manifest }, chunks: chunks.map((chunk) => new Uint8Array(chunk)) };
}

type Change = (stored: Stored, random: () => number) => Stored;

/** Makes the checksum right again: only the rest of the manifest may give it away. */
const resealed = ({ manifest, chunks }: Stored): Stored => ({
  manifest: { ...manifest, sha256: checksumOf(chunks) },
  chunks,
});

const manifestWith =
  (change: (manifest: SnapshotManifest, random: () => number) => Partial<SnapshotManifest>): Change =>
  ({ manifest, chunks }, random) => ({ manifest: { ...manifest, ...change(manifest, random) }, chunks });

const mutations: readonly { name: string; change: Change }[] = [
  {
    name: 'one bit of a chunk',
    change: (stored, random) => {
      const chunk = stored.chunks[Math.floor(random() * stored.chunks.length)]!;
      const at = Math.floor(random() * chunk.length);
      chunk[at] = chunk[at]! ^ (1 << Math.floor(random() * 8));
      return stored;
    },
  },
  {
    name: 'a chunk cut short',
    change: ({ manifest, chunks }, random) => {
      const last = chunks.at(-1)!;
      return { manifest, chunks: [...chunks.slice(0, -1), last.slice(0, Math.floor(random() * last.length))] };
    },
  },
  { name: 'a chunk missing', change: ({ manifest, chunks }) => resealed({ manifest, chunks: chunks.slice(1) }) },
  {
    name: 'noise under a right checksum',
    change: ({ manifest, chunks }, random) =>
      resealed({ manifest, chunks: chunks.map((chunk) => chunk.map(() => Math.floor(random() * 256))) }),
  },
  { name: 'another tenant', change: manifestWith(() => ({ tenantId: randomUUID() })) },
  { name: 'an older format', change: manifestWith(({ format }) => ({ format: format - 1 })) },
  {
    name: 'a newer format',
    change: manifestWith(({ format }, random) => ({ format: format + 1 + Math.floor(random() * 9) })),
  },
  {
    name: 'ahead of the journal',
    change: manifestWith(({ endSeq }, random) => ({ endSeq: endSeq + 1_000_000 + Math.floor(random() * 1000) })),
  },
  {
    name: 'a future epoch',
    change: manifestWith(({ epoch }, random) => ({ epoch: epoch + 1000 + Math.floor(random() * 9) })),
  },
  { name: 'ends before it begins', change: manifestWith(({ seq }) => ({ endSeq: seq - 1 })) },
  { name: 'numbers that are none', change: manifestWith(() => ({ seq: Number.NaN, endSeq: Number.NaN })) },
  { name: 'a checksum of something else', change: manifestWith(() => ({ sha256: checksumOf([new Uint8Array(1)]) })) },
];
