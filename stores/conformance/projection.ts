import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type {
  FilterRecord,
  HistoryEntry,
  KeyRecord,
  OpenItems,
  ProjectionStore,
  SettingsRecord,
  TenantEntry,
} from '../../actors/ports.js';
import type { AuditLine, AuditPlace, AuditQuery } from '../../engine/audit-log.js';
import { filterFields } from '../../engine/filter-field.js';
import { matcherOf } from '../../engine/filter-match.js';
import { parseFilter } from '../../engine/filter-parser.js';
import {
  comparePositions,
  newestFirst,
  parseSort,
  positionOf,
  type SortKey,
  type SortPosition,
} from '../../engine/item-sort.js';
import { isRejection } from '../../engine/rejection.js';
import { type Status, statuses, type WorkItem } from '../../engine/work-item.js';
import { isOpen } from '../open-items.js';
import { sampleFilter, sampleItem, sampleNow } from './filter-sample.js';
import type { Fresh } from './lease-and-journal.js';
import { fullItem, history, idOf, item, projection } from './sample.js';

/** Lines whose times go back now and then, as clocks do; some are of the tenant, some say nobody. */
function auditSample(seq: number): AuditLine {
  return {
    seq,
    at: 1_700_000_000_000 + (seq >> 2) * 1000 - (seq % 5) * 500,
    type: seq % 3 === 0 ? 'held' : 'created',
    ...(seq % 4 !== 0 && { by: `key ${seq % 2}` }),
    ...(seq % 5 !== 0 && { from: `10.0.0.${seq % 3}` }),
    ...(seq % 7 !== 0 && { itemId: idOf(seq % 6) }),
    details: { n: seq },
  };
}

const auditQueries = fc.record(
  {
    by: fc.constantFrom('key 0', 'key 1', 'nobody'),
    from: fc.constantFrom('10.0.0.1', '10.0.0.2'),
    type: fc.constantFrom('held', 'created'),
    itemId: fc.constantFrom(idOf(1), idOf(5), 'no id'),
    since: fc.integer({ min: -3, max: 12 }).map((seconds) => 1_700_000_000_000 + seconds * 1000),
    until: fc.integer({ min: -3, max: 12 }).map((seconds) => 1_700_000_000_000 + seconds * 1000),
    limit: fc.constantFrom(1, 7, 100),
  },
  { requiredKeys: ['limit'] },
);

function auditFiltered(lines: readonly AuditLine[], query: AuditQuery): AuditLine[] {
  const { by, from, type, itemId, since, until } = query;
  return lines
    .filter((line) => by === undefined || line.by === by)
    .filter((line) => from === undefined || line.from === from)
    .filter((line) => type === undefined || line.type === type)
    .filter((line) => itemId === undefined || line.itemId === itemId)
    .filter(({ at }) => (since === undefined || at >= since) && (until === undefined || at < until))
    .sort((a, b) => b.at - a.at || b.seq - a.seq);
}

/** The contract of `ProjectionStore`. */
export function projectionConformance(fresh: () => Promise<Fresh>): void {
  test('an item comes back with every field as it was, attributes as equal JSON', async () => {
    const { projection: store } = (await fresh()).stores;
    const items = [fullItem(1), item(2)];
    assert.equal(await store.project(projection(0, 2, { items })), true);
    assert.deepEqual(comparable(await store.load([idOf(1), idOf(2), idOf(3), 'no id'])), comparable(items));
    assert.deepEqual(comparable(await store.loadByCapture([items[0]!.captureId!, 'none'])), comparable([items[0]!]));
  });

  test('a projection whose start is not the cursor changes nothing', async () => {
    const { projection: store } = (await fresh()).stores;
    assert.equal(await store.cursor(), 0);
    assert.equal(await store.project(projection(0, 5, { items: [item(1)] })), true);
    const late = projection(0, 9, { items: [item(1, { version: 2 }), item(2)], history: [history(1, 6)] });
    assert.equal(await store.project(late), false);
    assert.equal(await store.cursor(), 5);
    assert.deepEqual(comparable(await store.load([idOf(1), idOf(2)])), comparable([item(1)]));
    assert.deepEqual(await store.history(idOf(1), 0, 10), []);
  });

  test('an older version never replaces a newer one, a newer one replaces all fields', async () => {
    const { projection: store } = (await fresh()).stores;
    await store.project(projection(0, 1, { items: [{ ...fullItem(1), version: 5 }] }));
    await store.project(projection(1, 2, { items: [item(1, { version: 4 })] }));
    assert.equal((await store.load([idOf(1)]))[0]?.version, 5);
    const bare = item(1, { version: 6, status: 'completed' });
    await store.project(projection(2, 3, { items: [bare] }));
    assert.deepEqual(comparable(await store.load([idOf(1)])), comparable([bare]));
  });

  test('a deleted item leaves the tables once and for all; of its history stays what happened, not what was written', async () => {
    const { projection: store } = (await fresh()).stores;
    const written = { reason: 'Mrs. Miller called', resultCode: 'x', category: 'noise' };
    const entries = [history(1, 1, { details: written }), history(2, 2, { details: written })];
    const items = [item(1, { captureId: 'c' }), item(2)];
    await store.project(projection(0, 2, { items, history: entries }));
    const gone = history(1, 3, { type: 'deleted', version: 2 });
    const last = projection(2, 3, {
      deleted: [idOf(1), idOf(9)],
      history: [gone],
      items: [item(3, { captureId: 'c' })],
    });
    assert.equal(await store.project(projection(1, 3, { deleted: [idOf(2)] })), false);
    assert.equal(await store.project(last), true);
    assert.equal(await store.project({ ...last, items, deleted: [] }), false, 'a late one brings nothing back');
    assert.deepEqual(
      comparable(await store.load([idOf(1), idOf(2), idOf(3)])),
      comparable([item(2), item(3, { captureId: 'c' })]),
    );
    assert.deepEqual(
      (await store.loadByCapture(['c'])).map(({ id }) => id),
      [idOf(3)],
    );
    assert.deepEqual(await store.history(idOf(1), 0, 9), [{ ...entries[0], details: { category: 'noise' } }, gone]);
    assert.deepEqual(await store.history(idOf(2), 0, 9), [entries[1]]);
  });

  test('history is kept once, oldest first, in pages', async () => {
    const { projection: store } = (await fresh()).stores;
    const first = history(1, 1, { by: 'demo', details: { category: 'noise', names: ['a'] } });
    const entries = [first, history(1, 4, { type: 'assigned', version: 2, status: 'assigned' }), history(2, 2)];
    await store.project(projection(0, 4, { history: entries }));
    await store.project(projection(4, 5, { history: [history(1, 5, { version: 3 }), first] }));
    assert.deepEqual(await store.history(idOf(1), 0, 2), [entries[0], entries[1]]);
    assert.deepEqual(await store.history(idOf(1), 4, 2), [history(1, 5, { version: 3 })]);
    assert.deepEqual(await store.history('no id', 0, 2), []);
  });

  test('the audit log gives every line once, newest first, as a plain filter would', async () => {
    const { projection: store } = (await fresh()).stores;
    const lines = Array.from({ length: 40 }, (_, index) => auditSample(index + 1));
    await store.project(
      projection(0, 40, {
        history: lines.flatMap((line) =>
          line.itemId === undefined ? [] : { ...line, version: 1, status: 'queued' },
        ) as HistoryEntry[],
        entries: lines.filter((line) => line.itemId === undefined) as TenantEntry[],
      }),
    );
    await fc.assert(
      fc.asyncProperty(auditQueries, async (query) => {
        const found: AuditLine[] = [];
        for (let before: AuditPlace | undefined, pages = 0; pages < 50; pages++) {
          const page = await store.audit({ ...query, before });
          found.push(...page.lines);
          assert.ok(page.lines.length <= query.limit);
          before = page.next;
          if (before === undefined) break;
        }
        assert.deepEqual(found, auditFiltered(lines, query));
      }),
      { numRuns: 60 },
    );
  });

  test('the first record of a key stays, and old keys are forgotten a limited number at a time', async () => {
    const { projection: store } = (await fresh()).stores;
    const key = (name: string, at: number): KeyRecord => ({
      key: name,
      fingerprint: 'f',
      status: 201,
      itemId: null,
      at,
    });
    const keys = [key('a', 10), { ...key('b', 20), itemId: idOf(1) }, key('c', 30)];
    await store.project(projection(0, 1, { keys }));
    await store.project(projection(1, 2, { keys: [{ ...key('a', 99), fingerprint: 'other' }] }));
    const found = await store.findKeys(['b', 'a', 'none']);
    assert.deepEqual(
      found.sort((x, y) => (x.key < y.key ? -1 : 1)),
      [keys[0], keys[1]],
    );
    assert.equal(await store.forgetKeys(30, 1), 1);
    assert.equal(await store.forgetKeys(30, 10), 1);
    assert.equal(await store.forgetKeys(30, 10), 0);
    assert.deepEqual(await store.findKeys(['a', 'b', 'c']), [keys[2]]);
  });

  test('settings are found by version, the newest without one, per kind, and keep the order of their keys', async () => {
    const { projection: store } = (await fresh()).stores;
    const document = [{ parent: null, name: 'Noise', id: 'noise', rule: 'true' }];
    const one: SettingsRecord = { kind: 'categories', seq: 1, version: 1, at: 1, by: 'demo', document: [] };
    const two: SettingsRecord = { kind: 'categories', seq: 2, version: 2, at: 2, document };
    const other: SettingsRecord = { kind: 'prioritization', seq: 3, version: 1, at: 3, document: [] };
    await store.project(projection(0, 3, { settings: [one, two, other] }));
    assert.deepEqual(await store.settings('categories'), two);
    assert.equal(JSON.stringify((await store.settings('categories'))?.document), JSON.stringify(document));
    assert.deepEqual(await store.settings('categories', 1), one);
    assert.equal(await store.settings('categories', 3), undefined);
    assert.deepEqual(await store.settings('prioritization'), other);
  });

  test('how items stood is told as of any event, and nothing of those that came later', async () => {
    const { projection: store } = (await fresh()).stores;
    const entry = (itemId: string, seq: number, status: Status): HistoryEntry => {
      return { itemId, seq, at: seq, type: 'held', version: seq, status, details: {} };
    };
    const history = [entry(idOf(1), 1, 'queued'), entry(idOf(2), 2, 'queued'), entry(idOf(1), 3, 'held')];
    await store.project(projection(0, 3, { history }));
    const at = async (seq: number) =>
      (await store.standingAt([idOf(1), idOf(2), idOf(3), 'nobody'], seq)).sort((a, b) =>
        a.itemId < b.itemId ? -1 : 1,
      );
    assert.deepEqual(await at(1), [{ itemId: idOf(1), version: 1, status: 'queued' }]);
    assert.deepEqual(await at(3), [
      { itemId: idOf(1), version: 3, status: 'held' },
      { itemId: idOf(2), version: 2, status: 'queued' },
    ]);
  });

  test('versions of settings are listed per kind, newest first, a page at a time', async () => {
    const { projection: store } = (await fresh()).stores;
    const records = [1, 2, 3, 4].map((version): SettingsRecord => {
      const by = version === 3 ? {} : { by: `user-${version}` };
      return { kind: 'categories', seq: version, version, at: version * 1000, document: [], ...by };
    });
    const other: SettingsRecord = { kind: 'prioritization', seq: 5, version: 1, at: 3, document: [] };
    await store.project(projection(0, 5, { settings: [...records, other] }));
    const newest = await store.settingsVersions('categories', Number.MAX_SAFE_INTEGER, 2);
    assert.deepEqual(newest, [
      { version: 4, at: 4000, by: 'user-4' },
      { version: 3, at: 3000 },
    ]);
    const older = await store.settingsVersions('categories', 3, 10);
    assert.deepEqual(
      older.map(({ version }) => version),
      [2, 1],
    );
    assert.deepEqual(await store.settingsVersions('calendars', 3, 10), []);
  });

  test('what has become of each saved filter is kept once, the newest, removals too', async () => {
    const { projection: store } = (await fresh()).stores;
    const filter = {
      id: 'mine',
      name: 'Mine',
      shared: false,
      owner: 'a',
      filter: { field: 'seq', op: 'gt', value: 1 },
    };
    const saved = (seq: number, more = {}): FilterRecord => ({
      seq,
      change: ['mine', { ...filter, version: seq, ...more }],
    });
    const gone: FilterRecord = { seq: 3, change: ['overdue', null] };
    assert.deepEqual(await store.filters(), []);
    assert.equal(await store.project(projection(0, 3, { filters: [saved(1), saved(2), gone] })), true);
    assert.deepEqual(new Map(await store.filters()), new Map([saved(2).change, gone.change]));
    assert.equal(await store.project(projection(0, 9, { filters: [saved(9)] })), false);
    await store.project(projection(3, 5, { filters: [saved(4), { seq: 5, change: ['mine', null] }] }));
    assert.deepEqual(new Map(await store.filters()), new Map([['mine', null], gone.change]));
    await store.project(projection(5, 6, { filters: [saved(6, { name: 'Back' })] }));
    assert.equal(new Map(await store.filters()).get('mine')?.name, 'Back');
  });

  test('a category lists itself and what lies below it, not its namesakes', async () => {
    const { projection: store } = (await fresh()).stores;
    const paths = ['a', 'a-b', 'a/b', 'a/b/c', 'a0', 'ab', 'a/c', undefined];
    const items = paths.map((category, index) => item(index + 1, category === undefined ? {} : { category }));
    await store.project(projection(0, 8, { items }));
    const list = async (category: string) => (await store.list({ category, limit: 10 })).map((found) => found.category);
    assert.deepEqual(await list('a'), ['a/c', 'a/b/c', 'a/b', 'a']);
    assert.deepEqual(await list('a/b'), ['a/b/c', 'a/b']);
    assert.deepEqual(await list('none'), []);
  });

  test('pages by any filter give every item once, newest first, as a plain filter would', async () => {
    const { projection: store } = (await fresh()).stores;
    const items = Array.from({ length: 60 }, (_, index) => sampled(index + 1));
    await store.project(projection(0, 60, { items }));
    await fc.assert(
      fc.asyncProperty(filter, (query) => pagesAgree(store, items, query)),
      { numRuns: 40 },
    );
  });

  test('a search gives the matches of its filter in its order, page by page, and counts them', async () => {
    const { projection: store } = (await fresh()).stores;
    const items = Array.from({ length: 60 }, (_, at) => fc.sample(sampleItem(at + 1), { numRuns: 1, seed: at })[0]!);
    await store.project(projection(0, 60, { items }));
    await fc.assert(
      fc.asyncProperty(
        fc.option(sampleFilter, { nil: undefined }),
        sampleSort,
        fc.integer({ min: 7, max: 40 }),
        (...asked) => searchAgrees(store, items, ...asked),
      ),
      { numRuns: Number(process.env.FILTER_RUNS ?? 80) },
    );
  });

  test('a filter that no state can satisfy finds nothing', async () => {
    const { projection: store } = (await fresh()).stores;
    await store.project(projection(0, 1, { items: [item(1)] }));
    const filter = parseFilter({
      and: [
        { field: 'status', op: 'eq', value: 'queued' },
        { not: { field: 'status', op: 'in', value: ['queued', 'held'] } },
        { field: 'seq', op: 'ge', value: 0 },
      ],
    });
    assert.ok(!isRejection(filter));
    const found = await store.search({ filter, now: sampleNow, sort: newestFirst, limit: 3 }, 10);
    assert.deepEqual(found, { items: [], count: 0 });
    assert.deepEqual(await store.matchingIds(filter, sampleNow, 3), []);
  });

  test('a page that follows another is not upset by what changed in between', async () => {
    const { projection: store } = (await fresh()).stores;
    const items = Array.from({ length: 9 }, (_, at) => item(at + 1, { businessValue: at }));
    await store.project(projection(0, 9, { items }));
    const [sort, now] = [sorted([{ field: 'businessValue', order: 'desc' }]), sampleNow];
    const first = await store.search({ sort, now, limit: 3 }, 100);
    const after = positionOf(sort, first.items.at(-1)!);
    const moved = item(9, { businessValue: 0, version: 2 });
    await store.project(projection(9, 11, { items: [moved, item(10, { businessValue: 100 })] }));
    const second = await store.search({ sort, now, limit: 3, after }, 100);
    assert.deepEqual(
      second.items.map(({ seq }) => seq),
      [6, 5, 4],
    );
    assert.equal(second.count, 10);
  });

  test('a scan of the open items holds what load gives, in slices that are not too large', async () => {
    const { projection: store } = (await fresh()).stores;
    const items = [fullItem(1), ...Array.from({ length: 60 }, (_, index) => sampled(index + 2))];
    await store.project(projection(0, 61, { items }));
    const slices: OpenItems[] = [];
    await store.scanOpen(7, (slice) => slices.push(slice));
    const scanned = slices.flatMap(rows);
    const loaded = await store.load(items.filter(({ status }) => isOpen(status)).map(({ id }) => id));
    assert.deepEqual(byId(scanned), byId(loaded.map(scheduling)));
    assert.ok(slices.every(({ count }) => count > 0 && count <= 7));
  });

  test('a scan of the known names holds every captureId, of ended items too, and every key', async () => {
    const { projection: store } = (await fresh()).stores;
    const items = [item(1, { captureId: 'a' }), item(2), item(3, { captureId: 'ü', status: 'completed' })];
    const keys = [{ key: 'k', fingerprint: 'f', status: 201, itemId: null, at: 1 }];
    await store.project(projection(0, 3, { items, keys }));
    const known: string[] = [];
    await store.scanKnown(({ captureIds, keys: names }) => known.push(...captureIds, ...names));
    assert.deepEqual(known.sort(), ['a', 'k', 'ü']);
  });
}

const sampleSort = fc
  .array(
    fc.record({
      field: fc.oneof(
        fc.constantFrom(
          ...[...filterFields].filter(([, kind]) => kind !== 'flag' && kind !== 'attribute').map(([name]) => name),
        ),
        fc.constantFrom('attributes.region', 'attributes.0.ключ', 'seq', 'customerSegment', 'dueDateTime', 'status'),
      ),
      order: fc.constantFrom('asc', 'desc'),
    }),
    { maxLength: 3 },
  )
  .map((keys) => (keys.length === 0 ? newestFirst : sorted(keys)));

function sorted(json: unknown): readonly SortKey[] {
  const read = parseSort(json, '');
  assert.ok('sort' in read, JSON.stringify(read));
  return read.sort;
}

/** All pages together against a naive answer: filter, then sort, then count. */
async function searchAgrees(
  store: ProjectionStore,
  items: WorkItem[],
  json: object | undefined,
  sort: readonly SortKey[],
  limit: number,
): Promise<void> {
  const filter = json === undefined ? undefined : parseFilter(json);
  assert.ok(!isRejection(filter));
  const matching = items.filter(filter === undefined ? () => true : matcherOf(filter, sampleNow));
  const expected = matching
    .map((one) => ({ seq: one.seq, position: positionOf(sort, one) }))
    .sort((a, b) => comparePositions(sort, a.position, b.position));
  const seqs: number[] = [];
  let after: SortPosition | undefined;
  do {
    const { items: page, count } = await store.search({ filter, now: sampleNow, sort, limit, after }, 30);
    assert.equal(count, Math.min(matching.length, 30));
    assert.ok(page.length <= limit);
    seqs.push(...page.map(({ seq }) => seq));
    after = page.length < limit ? undefined : positionOf(sort, page.at(-1)!);
  } while (after !== undefined);
  assert.deepEqual(
    seqs,
    expected.map(({ seq }) => seq),
  );
  if (filter === undefined) return;
  const ids = matching.map(({ id }) => id).slice(0, limit);
  assert.deepEqual(await store.matchingIds(filter, sampleNow, limit), ids);
}

const filter = fc.record({
  statuses: fc.option(fc.subarray([...statuses], { minLength: 1 }), { nil: undefined }),
  category: fc.constantFrom(undefined, 'x', 'x/y', 'z'),
  limit: fc.integer({ min: 1, max: 13 }),
});
type Filter = typeof filter extends fc.Arbitrary<infer T> ? T : never;

function sampled(number: number): WorkItem {
  return item(number, {
    status: statuses[(number * 7) % statuses.length]!,
    ...(number % 4 !== 0 && { category: ['x', 'x/y', 'z'][number % 3]! }),
    ...(number % 6 === 0 && { override: number % 12 === 0 ? { priority: -number } : { priority: 0.1, until: number } }),
    ...(number % 5 === 0 && {
      captureId: `c${number}`,
      dueDateTime: number,
      businessValue: number / 3,
      stoppedMs: number,
    }),
  });
}

async function pagesAgree(store: ProjectionStore, items: WorkItem[], query: Filter): Promise<void> {
  const { category } = query;
  const expected = items.filter(
    (one) =>
      (query.statuses?.includes(one.status) ?? true) &&
      (category === undefined || one.category === category || one.category?.startsWith(`${category}/`)),
  );
  const found: WorkItem[] = [];
  for (let beforeSeq: number | undefined; ; beforeSeq = found.at(-1)!.seq) {
    const page = await store.list({
      limit: query.limit,
      ...(query.statuses && { statuses: query.statuses }),
      ...(category !== undefined && { category }),
      ...(beforeSeq !== undefined && { beforeSeq }),
    });
    assert.ok(page.length <= query.limit);
    if (page.length === 0) break;
    found.push(...page);
  }
  assert.deepEqual(
    found.map(({ seq }) => seq),
    expected.map(({ seq }) => seq).reverse(),
  );
}

function comparable(items: WorkItem[]): object[] {
  return byId(items).map((one) => ({ ...one, attributes: JSON.parse(one.attributes) as unknown }));
}

function byId<T extends { id: string }>(list: T[]): T[] {
  return [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function scheduling(one: WorkItem) {
  return {
    id: one.id,
    status: one.status,
    category: one.category ?? null,
    customerSegment: one.customerSegment ?? null,
    assignedTo: one.assignedTo ?? null,
    created: one.createdDateTime,
    activation: one.activationDateTime ?? Number.NaN,
    due: one.dueDateTime ?? Number.NaN,
    expiration: one.expirationDateTime ?? Number.NaN,
    businessValue: one.businessValue ?? Number.NaN,
    overridePriority: one.override?.priority ?? Number.NaN,
    overrideUntil: one.override?.until ?? Number.NaN,
    stoppedMs: one.stoppedMs ?? Number.NaN,
    seq: one.seq,
    version: one.version,
  };
}

function rows(slice: OpenItems): ReturnType<typeof scheduling>[] {
  return Array.from({ length: slice.count }, (_, row) => ({
    id: slice.id[row]!,
    status: slice.status[row]!,
    category: slice.category[row]!,
    customerSegment: slice.customerSegment[row]!,
    assignedTo: slice.assignedTo[row]!,
    created: slice.created[row]!,
    activation: slice.activation[row]!,
    due: slice.due[row]!,
    expiration: slice.expiration[row]!,
    businessValue: slice.businessValue[row]!,
    overridePriority: slice.overridePriority[row]!,
    overrideUntil: slice.overrideUntil[row]!,
    stoppedMs: slice.stoppedMs[row]!,
    seq: slice.seq[row]!,
    version: slice.version[row]!,
  }));
}
