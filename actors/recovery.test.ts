import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultCategories, defaultSchemas } from '../engine/default-settings.js';
import { snapshotFormat } from '../engine/snapshot.js';
import type { TenantState } from '../engine/state.js';
import { seeded } from '../stores/memory/faulty.js';
import { openMemoryStores } from '../stores/memory/tenant-database.js';
import { bodyOf, create, encode, next, TenantWorld } from '../tests/tenant-world.js';
import type { Lease, SnapshotManifest, SnapshotStore } from './ports.js';
import { rowsOf } from './projector.js';
import { checksumOf, type Recovered, recover } from './recovery.js';
import { systemRuntime } from './runtime.js';

type Snapshot = { manifest: SnapshotManifest; chunks: Uint8Array[] };

/** A tenant with some life behind it: open and closed items, settings, keys, a snapshot, and events after that. */
async function lived(): Promise<{ world: TenantWorld; snapshot: Snapshot }> {
  const world = await new TenantWorld({ documentBytesMax: 0 }).start();
  const schemas = { schemas: [{ ...defaultSchemas[0], businessValueWeight: 2 }] };
  bodyOf(await world.ask({ op: 'putSettings', kind: 'prioritization', body: encode(schemas) }));
  const items = Array.from({ length: 40 }, (_, n) =>
    create({ captureId: `c${n}`, businessValue: n % 7, customerSegment: `s${n % 3}` }),
  );
  const replies = await world.askAll(items);
  const ids = replies.map((reply) => bodyOf(reply).id as string);
  await world.askAll(ids.slice(0, 9).map((id) => ({ op: 'command', name: 'complete', id })));
  await world.ask({ ...next('a'), idempotencyKey: 'k1' });
  const drained = world.actor.drain(5000);
  await world.runtime.until(() => world.actor.mode === 'stopped');
  await drained;
  const snapshot = (await world.snapshots.load('t')) as Snapshot;
  world.actor = world.newActor();
  await world.start();
  await world.askAll(ids.slice(9, 15).map((id) => ({ op: 'command', name: 'hold', id })));
  await world.askAll(ids.slice(0, 3).map((id) => ({ op: 'command', name: 'restart', id })));
  await world.askAll([create({ captureId: 'late' }), next('b')]);
  await world.actor.kill();
  return { world, snapshot };
}

async function recoverWith(
  world: TenantWorld,
  snapshots: Partial<SnapshotStore>,
  notes: string[] = [],
): Promise<Recovered> {
  const { lease } = world.database;
  return recover({
    tenantId: 't',
    lease: { epoch: lease.epoch, ownerToken: lease.ownerToken, lastSeq: lease.lastSeq },
    stores: { ...openMemoryStores(world.database), snapshots: snapshots as SnapshotStore },
    runtime: { ...systemRuntime, now: () => world.runtime.now() },
    stateOptions: {
      tenantId: 't',
      attributesBytesMax: 65_536,
      documentBytesMax: 0,
      categories: defaultCategories,
      schemas: defaultSchemas,
    },
    unprojectedBytesMax: 1e9,
    onNote: (note) => notes.push(note),
  });
}

const stored = (snapshot: Snapshot | undefined): Partial<SnapshotStore> => ({ load: async () => snapshot });

function contentOf(state: TenantState, now: number): object {
  const { table } = state;
  const rows: unknown[][] = [];
  for (let slot = 0; slot < table.slotEnd; slot++) {
    if (!table.isOpen(slot)) continue;
    const texts = [table.segments.textOf(table.segment[slot]), table.agents.textOf(table.agent[slot])];
    const numbers = [table.seq[slot], table.version[slot], table.status[slot], table.businessValue[slot]];
    rows.push([table.idOf(slot), table.created[slot], table.due[slot], ...numbers, ...texts]);
  }
  return {
    rows: rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
    order: state.queue.top(now, 1000).map((slot) => table.idOf(slot)),
    counts: [...state.counts],
    seq: state.seq,
    schemas: state.orderPrioritization.documents,
  };
}

test('a snapshot and the journal after it give the same memory as the tables and the journal', async () => {
  const { world, snapshot } = await lived();
  const now = world.runtime.now();
  const fromTables = await recoverWith(world, stored(undefined));
  const fromSnapshot = await recoverWith(world, stored(snapshot));
  assert.deepEqual([fromTables.source, fromSnapshot.source], ['tables', 'snapshot']);
  assert.deepEqual(contentOf(fromSnapshot.state, now), contentOf(fromTables.state, now));
  assert.equal(fromTables.state.queue.size > 10, true);
});

test('the memory is the same wherever the follower stood when the owner died', async () => {
  const { world, snapshot } = await lived();
  const now = world.runtime.now();
  const expected = contentOf((await recoverWith(world, stored(undefined))).state, now);
  const tables = new TenantWorld();
  const written: object[] = [];
  for (const source of [undefined, snapshot]) {
    const { database } = tables;
    Object.assign(database.lease, world.database.lease);
    database.journal.splice(0, Number.POSITIVE_INFINITY, ...world.database.journal);
    Object.assign(database, { cursor: 0 });
    for (const map of [database.items, database.history, database.keys]) map.clear();
    database.settings.length = 0;
    for (const row of database.journal) {
      const { state, unprojected, cursor } = await recoverWith(tables, stored(source));
      assert.deepEqual(contentOf(state, now), expected, `cursor ${database.cursor}`);
      assert.equal(cursor, database.cursor);
      const [batch] = unprojected;
      assert.equal(batch.toSeq, row.seq + row.eventCount - 1);
      const { keys, settings, filters, entries, toSeq } = batch;
      const stores = openMemoryStores(database);
      const rows = rowsOf([batch]);
      assert.ok(await stores.projection.project({ fromSeq: cursor, toSeq, ...rows, keys, settings, filters, entries }));
    }
    for (const [id, item] of world.database.items) assert.ok(database.items.get(id)!.version >= item.version);
    written.push(structuredClone([database.items, database.history, database.keys, database.settings]));
  }
  assert.deepEqual(written[0], written[1], 'and so are the tables that it leaves behind');
});

test('a follower that is far behind is brought along while the journal is read, within its bytes', async () => {
  const { world } = await lived();
  const { database } = world;
  const expected = contentOf((await recoverWith(world, stored(undefined))).state, world.runtime.now());
  Object.assign(database, { cursor: 0 });
  for (const map of [database.items, database.history, database.keys]) map.clear();
  database.settings.length = 0;
  const stores = openMemoryStores(database);
  const { lease } = database;
  const recovered = await recover({
    tenantId: 't',
    lease: lease as Lease,
    stores: { ...stores, snapshots: stored(undefined) as SnapshotStore },
    runtime: { ...systemRuntime, now: () => world.runtime.now() },
    stateOptions: {
      tenantId: 't',
      attributesBytesMax: 1,
      documentBytesMax: 0,
      categories: defaultCategories,
      schemas: defaultSchemas,
    },
    unprojectedBytesMax: 1000,
    onNote: () => {},
  });
  assert.equal(database.cursor, lease.lastSeq);
  assert.deepEqual(recovered.unprojected, []);
  assert.equal(recovered.state.documents.pendingCount, 0);
  assert.deepEqual(contentOf(recovered.state, world.runtime.now()), expected);
});

test('a foreign, future, old, truncated or diverged snapshot is refused with the reason, and costs nothing but time', async () => {
  const { world, snapshot } = await lived();
  const { lease } = world.database;
  const now = world.runtime.now();
  const expected = contentOf((await recoverWith(world, stored(undefined))).state, now);
  const faults: [Partial<SnapshotManifest>, RegExp][] = [
    [{ tenantId: 'other' }, /another tenant/],
    [{ format: snapshotFormat - 1 }, /format/],
    [{ format: snapshotFormat + 1 }, /format/],
    [{ endSeq: lease.lastSeq + 1 }, /ahead of the journal/],
    [{ seq: snapshot.manifest.endSeq + 1 }, /numbers/],
    [{ seq: -1 }, /numbers/],
    [{ seq: Number.NaN }, /numbers/],
    [{ epoch: lease.epoch + 1 }, /epoch/],
    [{ epoch: 0 }, /another history/],
    [{ chunkCount: snapshot.manifest.chunkCount + 1 }, /chunks/],
    [{ sha256: 'f'.repeat(64) }, /checksum/],
  ];
  for (const [change, reason] of faults) {
    const notes: string[] = [];
    const damaged = { manifest: { ...snapshot.manifest, ...change }, chunks: snapshot.chunks };
    const { state, source } = await recoverWith(world, stored(damaged), notes);
    assert.equal(source, 'tables', JSON.stringify(change));
    assert.match(notes.join(), reason);
    assert.deepEqual(contentOf(state, now), expected);
  }
  const failing = { load: async () => Promise.reject(new Error('no snapshots today')) };
  assert.equal((await recoverWith(world, failing)).source, 'tables');
});

test('1,000 damaged snapshots: none crashes, none changes what the memory says', async () => {
  const { world, snapshot } = await lived();
  const now = world.runtime.now();
  const expected = contentOf((await recoverWith(world, stored(undefined))).state, now);
  const random = seeded(20_260_101);
  let refused = 0;
  for (let n = 0; n < 1000; n++) {
    const chunks = snapshot.chunks.map((chunk) => new Uint8Array(chunk));
    damage(chunks, random);
    const manifest = { ...snapshot.manifest };
    // Half of them with a checksum that is right: damage from before it was taken, which must not crash either.
    if (n % 2 === 1) Object.assign(manifest, { sha256: checksumOf(chunks), chunkCount: chunks.length });
    const { state, source } = await recoverWith(world, stored({ manifest, chunks }));
    if (source === 'tables') {
      refused++;
      if (n % 20 === 0) assert.deepEqual(contentOf(state, now), expected);
    } else assert.equal(n % 2, 1, 'the checksum finds every damage of the bytes');
  }
  assert.ok(refused >= 500);
});

function damage(chunks: Uint8Array[], random: () => number): void {
  const below = (bound: number) => Math.floor(random() * bound);
  const at = below(chunks.length);
  const chunk = chunks[at];
  const byte = below(chunk.length);
  switch (below(4)) {
    case 0:
      chunk[byte] ^= 1 << below(8);
      break;
    case 1:
      chunks[at] = chunk.subarray(0, byte);
      break;
    case 2:
      chunks.splice(at, 1);
      break;
    default:
      chunk.fill(below(256), byte, Math.min(byte + 1 + below(64), chunk.length));
      chunk[byte] ^= 0xff;
  }
}
