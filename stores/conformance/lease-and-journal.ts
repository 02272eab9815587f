import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Lease, TenantStores } from '../../actors/ports.js';
import type { Event } from '../../engine/event.js';
import { events, owner } from './sample.js';

/** Opens stores on a tenant's database. `fresh` gives an empty database, its stores and a way to open it once more. */
export interface Fresh {
  stores: TenantStores;
  open(): Promise<TenantStores>;
}

/** The contract of `LeaseStore` and `Journal`, which only make sense together. */
export function leaseAndJournalConformance(fresh: () => Promise<Fresh>): void {
  test('a new tenant has a released lease of epoch 0 and an empty journal', async () => {
    const { stores } = await fresh();
    const view = await stores.lease.view();
    assert.equal(view.epoch, 0);
    assert.equal(view.lastSeq, 0);
    assert.equal(view.released, true);
    assert.equal(view.ownerPod, null);
    assert.deepEqual(await stores.journal.read(0, 10), []);
  });

  test('of two contenders that saw the same lease, one gets it', async () => {
    const { stores, open } = await fresh();
    const other = await open();
    const seen = await stores.lease.view();
    const taken = await Promise.all([stores.lease.acquire(seen, owner('a')), other.lease.acquire(seen, owner('b'))]);
    assert.equal(taken.filter((lease) => lease !== undefined).length, 1);
    const view = await stores.lease.view();
    assert.equal(view.epoch, 1);
    assert.equal(view.released, false);
    assert.equal(view.ownerPod, taken[0] ? 'a/1' : 'b/1');
  });

  test('a lease that has shown a heartbeat since it was seen cannot be taken', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    const seen = await stores.lease.view();
    assert.equal(await stores.lease.heartbeat(lease), true);
    assert.equal(await stores.lease.acquire(seen, owner('b')), undefined);
    await stores.journal.commit(lease, events(1, 1));
    const later = await stores.lease.view();
    assert.ok(later.heartbeat > seen.heartbeat + 1, 'a commit is a heartbeat too');
  });

  test('a released lease says so, and its former holder can do nothing more with it', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    await stores.lease.release(lease);
    assert.equal((await stores.lease.view()).released, true);
    await take(stores, 'b');
    assert.equal(await stores.lease.heartbeat(lease), false);
    await stores.lease.release(lease);
    assert.equal((await stores.lease.view()).released, false, 'a stale release must not free the successor');
  });

  test('committed events are read back as they were, and move the lease', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    assert.deepEqual(await stores.journal.commit(lease, events(1, 3)), { kind: 'committed' });
    assert.deepEqual(await stores.journal.commit({ ...lease, lastSeq: 3 }, events(4, 2)), { kind: 'committed' });
    assert.equal((await stores.lease.view()).lastSeq, 5);
    const rows = await stores.journal.read(0, 10);
    assert.deepEqual(rows, [
      { seq: 1, epoch: 1, events: events(1, 3) },
      { seq: 4, epoch: 1, events: events(4, 2) },
    ]);
  });

  test('reading starts with the row that holds the event after the given one', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    for (const lastSeq of [0, 3, 6]) await stores.journal.commit({ ...lease, lastSeq }, events(lastSeq + 1, 3));
    const firsts = async (after: number, rowsMax = 10) =>
      (await stores.journal.read(after, rowsMax)).map((row) => row.seq);
    assert.deepEqual(await firsts(0), [1, 4, 7]);
    assert.deepEqual(await firsts(2), [1, 4, 7]);
    assert.deepEqual(await firsts(3), [4, 7]);
    assert.deepEqual(await firsts(4), [4, 7]);
    assert.deepEqual(await firsts(8), [7]);
    assert.deepEqual(await firsts(9), []);
    assert.deepEqual(await firsts(0, 2), [1, 4]);
  });

  test('undefined fields are absent after a round trip, null ones stay', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    const [event] = events(1, 1) as [Event & { type: 'created' }];
    const odd = { ...event, by: undefined, item: { ...event.item, reason: undefined, error: null } };
    await stores.journal.commit(lease, [odd as unknown as Event]);
    const [row] = await stores.journal.read(0, 1);
    const read = row?.events[0] as unknown as { item: Record<string, unknown> };
    assert.equal('by' in read, false);
    assert.equal('reason' in read.item, false);
    assert.equal(read.item.error, null);
  });

  test('a commit under an old epoch or a wrong token is lost and leaves no trace', async () => {
    const { stores } = await fresh();
    const old = await take(stores, 'a');
    const lease = await take(stores, 'b');
    assert.deepEqual(await stores.journal.commit(old, events(1, 1)), { kind: 'lost' });
    assert.deepEqual(await stores.journal.commit({ ...lease, ownerToken: 'guess' }, events(1, 1)), { kind: 'lost' });
    assert.deepEqual(await stores.journal.commit({ ...lease, lastSeq: 7 }, events(8, 1)), { kind: 'lost' });
    assert.equal((await stores.lease.view()).lastSeq, 0);
    assert.deepEqual(await stores.journal.read(0, 10), []);
  });

  test('a batch that is in already is committed, once', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    await stores.journal.commit(lease, events(1, 2));
    assert.deepEqual(await stores.journal.commit(lease, events(1, 2)), { kind: 'committed' });
    assert.equal((await stores.journal.read(0, 10)).length, 1);
  });

  test('a renewed lease fences the old epoch and goes on at the journal’s end, also when asked twice', async () => {
    const { stores } = await fresh();
    const lease = await take(stores, 'a');
    await stores.journal.commit(lease, events(1, 2));
    const renewed = await stores.lease.renew(lease, owner('again'));
    assert.deepEqual(renewed, { epoch: 2, ownerToken: owner('again').token, lastSeq: 2 });
    assert.deepEqual(await stores.lease.renew(lease, owner('again')), renewed);
    assert.deepEqual(await stores.journal.commit({ ...lease, lastSeq: 2 }, events(3, 1)), { kind: 'lost' });
    assert.deepEqual(await stores.journal.commit(renewed as Lease, events(3, 1)), { kind: 'committed' });
    assert.equal(await stores.lease.renew(lease, owner('stranger')), undefined);
  });

  test('an empty batch is refused, not acknowledged', async () => {
    const { stores } = await fresh();
    const outcome = await stores.journal.commit(await take(stores, 'a'), []);
    assert.equal(outcome.kind === 'refused' && !outcome.transient, true);
  });

  test('whatever the order of takeovers and commits, only the newest owner writes and the journal has no gap', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) => runSteps(fresh, steps)),
      {
        numRuns: 15,
      },
    );
  });
}

async function take(stores: TenantStores, name: string): Promise<Lease> {
  const lease = await stores.lease.acquire(await stores.lease.view(), owner(name));
  assert.ok(lease);
  return lease;
}

const step = fc.record({
  who: fc.constantFrom('a' as const, 'b' as const),
  act: fc.constantFrom('commit', 'commit', 'commit', 'replay', 'acquire', 'renew'),
  count: fc.integer({ min: 1, max: 4 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function runSteps(fresh: () => Promise<Fresh>, steps: Step[]): Promise<void> {
  const { stores } = await fresh();
  const held: Record<string, Lease | undefined> = {};
  const model: { newest: string | undefined; lastSeq: number } = { newest: undefined, lastSeq: 0 };
  for (const { who, act, count } of steps) {
    const lease = held[who];
    if (act === 'acquire') {
      held[who] = await take(stores, who);
      model.newest = who;
    } else if (lease && act === 'renew') {
      const renewed = await stores.lease.renew(lease, owner(who));
      assert.equal(renewed !== undefined, model.newest === who, 'only the newest owner can renew');
      if (renewed) held[who] = renewed;
    } else if (lease) {
      const outcome = await stores.journal.commit(lease, events(lease.lastSeq + 1, count));
      assert.equal(outcome.kind, model.newest === who ? 'committed' : 'lost');
      if (outcome.kind !== 'committed') continue;
      if (act === 'replay') {
        assert.deepEqual(await stores.journal.commit(lease, events(lease.lastSeq + 1, count)), { kind: 'committed' });
      }
      model.lastSeq += count;
      held[who] = { ...lease, lastSeq: model.lastSeq };
    }
  }
  const read = (await stores.journal.read(0, 1000)).flatMap((row) =>
    row.events.map((event, index) => [row.seq + index, event]),
  );
  assert.deepEqual(
    read,
    events(1, model.lastSeq).map((event, index) => [index + 1, event]),
  );
}
