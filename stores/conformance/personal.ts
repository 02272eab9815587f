import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TenantEntry } from '../../actors/ports.js';
import { type Event, isFilterChanged } from '../../engine/event.js';
import type { Fresh } from './lease-and-journal.js';
import { idOf, item, owner, projection } from './sample.js';

const asks = (value: unknown) => ({ field: 'attributes.phone', op: 'eq', value });

function saved(id: string, name: string, value: unknown): Event {
  return { type: 'filterSaved', at: 1, filter: { id, name, shared: true, version: 1, filter: asks(value) } };
}

const removed = (filterId: string): Event => ({ type: 'filterRemoved', at: 1, filterId });
const created = (number: number): Event => ({
  type: 'created',
  at: 1,
  item: item(number, { customerId: 'Ann "ü"' }),
});

/** The contract of `PersonalStore` about what is no item's. */
export function personalConformance(fresh: () => Promise<Fresh>): void {
  /** Commits the batches and projects what they say of filters. */
  async function opened(batches: readonly Event[][]) {
    const { stores } = await fresh();
    const lease = (await stores.lease.acquire(await stores.lease.view(), owner('a')))!;
    const entries: TenantEntry[] = [];
    for (const batch of batches) {
      batch.forEach((event, index) => {
        const details = event.type === 'filterSaved' ? { name: event.filter.name, shared: true } : {};
        if (isFilterChanged(event)) entries.push({ seq: lease.lastSeq + index + 1, at: 1, type: event.type, details });
      });
      assert.equal((await stores.journal.commit(lease, batch)).kind, 'committed');
      lease.lastSeq = (await stores.lease.view()).lastSeq;
    }
    const gone = { seq: 1, change: ['gone', null] as [string, null] };
    const kept = { seq: 1, change: ['kept', null] as [string, null] };
    await stores.projection.project(projection(0, lease.lastSeq, { entries, filters: [gone, kept] }));
    return { stores, lease };
  }

  const batches = [
    [created(1), saved('a', 'for Ann "ü"', 'x')],
    [created(2)],
    [saved('b', 'by number', 5_550_123)],
    [created(3), removed('of.ann'), saved('c', 'plain', 'y')],
  ];

  test('rows with filters are found by a text or a number in them, page by page, other rows are not', async () => {
    const { personal } = (await opened(batches)).stores;
    const found = async (texts: string[], afterSeq = 0, rowsMax = 9) =>
      (await personal.filterRows(texts, afterSeq, rowsMax)).map(({ seq }) => seq);
    assert.deepEqual(await found(['Ann "ü"']), [1, 5], 'an item in the same row counts, one in another does not');
    assert.deepEqual(await found(['Ann "ü"', '5550123']), [1, 4, 5]);
    assert.deepEqual(await found(['Ann "ü"', '5550123'], 0, 2), [1, 4]);
    assert.deepEqual(await found(['Ann "ü"', '5550123'], 4, 2), [5]);
    assert.deepEqual([await found(['of.ann']), await found(['nobody']), await found([])], [[5], [], []]);
  });

  test('of some texts those are named that stand in such a row or in a bulk action', async () => {
    const { stores, lease } = await opened(batches);
    const progress = { state: 'running', matched: 1, next: 0, done: 0, failed: 0, failures: [] } as const;
    const action = { id: idOf(1), action: 'hold', fingerprint: 'f', createdAt: 1, ...progress } as const;
    const more = { arguments: { reason: 'Bob "b" called' }, filter: asks('High St') };
    assert.ok(await stores.bulkActions.start(lease, { ...action, ...more, failures: [] }, [idOf(3)]));
    const texts = ['nobody', '5550123', 'Bob "b"', 'of.ann', 'High St', 'Ann "ü"', '7654321'];
    assert.deepEqual(
      (await stores.personal.mentioned(texts)).sort(),
      ['5550123', 'Ann "ü"', 'Bob "b"', 'High St', 'of.ann'].sort(),
    );
    assert.deepEqual(await stores.personal.mentioned([]), []);
  });

  test('a row is rewritten only while it is the one that was read', async () => {
    const { personal, journal } = (await opened(batches)).stores;
    const [row] = await personal.filterRows(['of.ann'], 0, 1);
    const events = row!.events.map((event) => (event.type === 'filterRemoved' ? removed('[erased]') : event));
    assert.equal(await personal.rewrite(row!, personal.packed(events).bytes), true);
    assert.deepEqual((await journal.read(4, 1))[0]?.events, events);
    assert.equal(await personal.rewrite(row!, personal.packed([]).bytes), false);
    assert.deepEqual(await personal.filterRows(['of.ann'], 0, 1), []);
  });

  test('the history of filters says what it is told, and a removed filter leaves no trace', async () => {
    const { personal, projection: tables } = (await opened(batches)).stores;
    await personal.scrubFilters([{ seq: 2, details: { name: '[erased]' } }], ['gone', 'unknown']);
    await personal.scrubFilters([], []);
    const { lines } = await tables.audit({ limit: 10 });
    const details = lines.map((line) => line.details);
    assert.deepEqual(details.at(-1), { name: '[erased]', shared: true });
    assert.ok(details.some(({ name }) => name === 'plain'));
    assert.deepEqual(await tables.filters(), [['kept', null]]);
  });
}
