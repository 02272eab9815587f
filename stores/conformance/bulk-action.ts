import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BulkAction } from '../../actors/ports/bulk-action-store.js';
import type { Fresh } from './lease-and-journal.js';
import { idOf, owner } from './sample.js';

function action(number: number, more: Partial<BulkAction> = {}): BulkAction {
  return {
    ...{ id: idOf(number), action: 'hold', arguments: { reason: 'ü "\\' }, fingerprint: 'f', state: 'running' },
    ...{ matched: 3, next: 0, done: 0, failed: 0, failures: [], createdAt: 1_700_000_000_001 + number },
    ...more,
  };
}

const progress = (number: number, next: number, more: Partial<BulkAction> = {}) =>
  action(number, {
    next,
    done: next - 1,
    failed: 1,
    failures: [{ id: idOf(9), code: 'not-found', detail: 'ü' }],
    ...more,
  });

/** The contract of `BulkActionStore`. */
export function bulkActionConformance(fresh: () => Promise<Fresh>): void {
  const opened = async () => {
    const { stores } = await fresh();
    const lease = (await stores.lease.acquire(await stores.lease.view(), owner('a')))!;
    return { store: stores.bulkActions, leases: stores.lease, lease };
  };
  const ids = [idOf(3), idOf(1), idOf(2)];

  test('a bulk action comes back as it was, with its items in order, until it is finished', async () => {
    const { store, lease } = await opened();
    const full = action(1, { filter: { field: 'status', op: 'eq', value: 'held' }, by: 'crm', from: '::1', key: 'k' });
    assert.deepEqual(await store.start(lease, full, ids), full);
    assert.deepEqual([await store.find(full.id), await store.findByKey('k')], [full, full]);
    assert.deepEqual(await store.ids(full.id), ids);
    const done = progress(1, 3, { state: 'done', finishedAt: 1_700_000_000_999 });
    await store.advance(done);
    assert.deepEqual(await store.find(full.id), { ...full, ...done, ...pick(full) });
    assert.deepEqual([await store.ids(full.id), await store.running()], [[], []]);
    assert.equal(await store.find(idOf(7)), undefined);
    assert.deepEqual(await store.ids(idOf(7)), []);
  });

  test('an owner whose lease is taken starts nothing; the same id or key is one action', async () => {
    const { store, leases, lease } = await opened();
    const first = action(1, { key: 'k' });
    await store.start(lease, first, ids);
    assert.deepEqual(await store.start(lease, { ...first, matched: 9 }, []), first);
    assert.deepEqual(await store.start(lease, action(2, { key: 'k' }), ids), first);
    const taken = (await leases.acquire(await leases.view(), owner('b')))!;
    assert.equal(await store.start(lease, action(3), ids), undefined);
    assert.deepEqual(await store.start(taken, action(3), ids), action(3));
    assert.deepEqual(await store.running(), [first, action(3)]);
  });

  test('progress never goes back, and what is cancelled stays so', async () => {
    const { store, lease } = await opened();
    await store.start(lease, action(1), ids);
    await store.advance(progress(1, 2));
    await store.advance(progress(1, 1));
    assert.equal((await store.find(idOf(1)))?.next, 2);
    assert.equal((await store.cancel(idOf(1), 5))?.state, 'cancelled');
    await store.advance(progress(1, 3, { state: 'done', finishedAt: 9 }));
    const { state, next, finishedAt } = (await store.find(idOf(1)))!;
    assert.deepEqual([state, next, finishedAt], ['cancelled', 3, 5]);
    await store.start(lease, action(2), ids);
    await store.advance(progress(2, 3));
    await store.advance(progress(2, 3, { state: 'done', finishedAt: 7 }));
    assert.equal((await store.cancel(idOf(2), 8))?.state, 'done');
    assert.equal(await store.cancel(idOf(3), 8), undefined);
  });

  test('actions are found by a text in filter or arguments, or by id, and lose what is erased with their key', async () => {
    const { store, lease } = await opened();
    const asking = action(1, { key: 'k', arguments: {}, filter: { field: 'customerId', op: 'eq', value: 'Ann "ü"' } });
    const saying = action(2, { arguments: { reason: 'Ann "ü" called' } });
    for (const one of [asking, saying, action(3, { arguments: {} })]) await store.start(lease, one, ids);
    const found = async (texts: string[], some: string[], limit = 9, after?: string) =>
      (await store.telling(texts, some, limit, after)).map(({ id }) => id);
    assert.deepEqual(await found(['Ann "ü"'], []), [idOf(1), idOf(2)]);
    assert.deepEqual(await found(['Ann "ü"'], [idOf(3)], 2), [idOf(1), idOf(2)]);
    assert.deepEqual(await found(['Ann "ü"'], [idOf(3)], 2, idOf(2)), [idOf(3)]);
    assert.deepEqual(await found([], []), []);
    const left = { id: idOf(1), arguments: { reason: 'x' }, filter: { field: 'a' }, fingerprint: '0' };
    await store.erase(left);
    const { key: _key, ...rest } = asking;
    assert.deepEqual(await store.find(idOf(1)), { ...rest, ...left });
    assert.equal(await store.findByKey('k'), undefined);
  });

  test('bulk actions are listed newest first, in pages, and forgotten some at a time when they are old', async () => {
    const { store, lease } = await opened();
    for (const number of [1, 2, 3, 4]) await store.start(lease, action(number), ids);
    const listed = async (limit: number, before?: string) => (await store.list(limit, before)).map(({ id }) => id);
    assert.deepEqual(await listed(3), [idOf(4), idOf(3), idOf(2)]);
    assert.deepEqual(await listed(3, idOf(2)), [idOf(1)]);
    for (const number of [1, 2, 3]) await store.cancel(idOf(number), number * 1000);
    await store.forget(3000, 1);
    assert.deepEqual(await listed(9), [idOf(4), idOf(3), idOf(2)]);
    await store.forget(3000, 9);
    assert.deepEqual(await listed(9), [idOf(4), idOf(3)]);
  });
}

/** What progress does not change. */
function pick({ filter, by, from, key }: BulkAction): Partial<BulkAction> {
  return { filter, by, from, key };
}
