import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileCategories } from '../category-tree.js';
import { decide } from '../decide.js';
import { parseDraft } from '../draft.js';
import { orderAt } from '../oracle.js';
import { isRejection } from '../rejection.js';
import type { SchemaDocument } from '../schema.js';
import { contentsOf, type SettingsBundle } from '../settings-check.js';
import { TenantState } from '../state.js';
import { StateCopier, StateCopy } from '../state-copy.js';
import type { WorkItem } from '../work-item.js';
import { simulateLive } from './live.js';

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const hour = 60 * minute;

const schemas = (numbers: readonly number[]): SchemaDocument[] =>
  ['s1', 's2'].map((id, index) => ({
    id,
    origin: (['created', 'due'] as const)[(numbers[index] ?? 0) % 2],
    mode: (['step', 'linear'] as const)[(numbers[index + 2] ?? 0) % 2],
    points: ['-PT1H', 'PT0S', 'PT1H', 'PT5H'].map((offset, at) => ({
      offset,
      priority: (numbers[index + at] ?? 0) % 50,
    })),
    businessValueWeight: ((numbers[index + 1] ?? 0) % 3) - 1,
  }));
const categories = (numbers: readonly number[]) => [
  {
    id: 'a',
    parent: null,
    name: 'A',
    rule: `item.attributes.kind < ${(numbers[0] ?? 0) % 4}.0`,
    schema: 's1',
    sla: 'PT3H',
  },
  { id: 'b', parent: null, name: 'B', rule: 'item.attributes.kind > 1.0', schema: ['s1', 's2'][(numbers[1] ?? 0) % 2] },
];

const optionsOf = (numbers: readonly number[]) => ({
  tenantId: 't',
  attributesBytesMax: 1000,
  documentBytesMax: 1_000_000,
  categories: categories(numbers),
  schemas: schemas(numbers),
});

/** A tenant with items in many states, the same for the same numbers. */
function tenant(settings: readonly number[], items: readonly number[]): TenantState {
  const state = new TenantState(optionsOf(settings));
  let now = start;
  for (const [n, choice] of items.entries()) {
    now += (choice % 7) * minute;
    const ahead = (odds: number, by: number) => (choice % odds === 0 ? { at: now + by * minute } : {}).at;
    const draft = parseDraft(
      JSON.parse(
        JSON.stringify({
          businessValue: choice % 30,
          activationDateTime: isoOf(ahead(5, choice % 400)),
          dueDateTime: isoOf(ahead(3, (choice % 30_000) / 100)),
          expirationDateTime: isoOf(ahead(11, 20 + (choice % 100))),
          attributes: { kind: choice % 4 },
        }),
      ),
      { now, attributesBytesMax: 1000, tenantId: 't' },
    );
    assert.ok(!isRejection(draft), JSON.stringify(draft));
    run(state, { type: 'create', draft, mode: 'create' }, now, n);
    if (choice % 13 === 0) run(state, { type: 'hold', id: idOf(n) }, now, n);
    if (choice % 17 === 0) run(state, { type: 'assign', id: idOf(n), agentId: 'x' }, now, n);
  }
  return state;
}

const isoOf = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());
const idOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

function run(state: TenantState, command: Parameters<typeof decide>[1], now: number, n: number): void {
  const decision = decide(state, command, now, () => idOf(n));
  if (!isRejection(decision)) for (const event of decision.events) state.apply(event);
}

function copyOf(state: TenantState): StateCopy {
  const copier = new StateCopier(state);
  const copy = new StateCopy();
  while (!copy.isWhole) copy.add(copier.slice()!);
  return copy;
}

/** What the tenant's own clock does: activations and expirations that are due happen. */
function letDueHappen(state: TenantState, now: number): void {
  const { table } = state;
  const due = (column: Float64Array) => {
    const ids = [];
    for (let slot = 0; slot < table.slotEnd; slot++)
      if (table.isOpen(slot) && column[slot] <= now) ids.push(table.idOf(slot));
    return ids;
  };
  for (const id of due(table.expiration)) run(state, { type: 'expire', id }, now, 0);
  for (const id of due(table.activation)) run(state, { type: 'activateDue', id }, now, 0);
}

/** What clients do: a PUT for each kind, and the order that follows. */
function putInForce(state: TenantState, bundle: SettingsBundle, at: number): void {
  for (const content of contentsOf(bundle)) run(state, { type: 'replaceSettings', content }, at, 0);
  while (!state.stepRebuild(1000, at));
}

const numbers = fc.array(fc.nat(1000), { minLength: 6, maxLength: 6 });
const scenario = fc.record({
  settings: numbers,
  draft: numbers,
  items: fc.array(fc.nat(100_000), { minLength: 1, maxLength: 60 }),
  later: fc.integer({ min: 0, max: 300 }),
  parts: fc.constantFrom('prioritization', 'categories', 'both'),
  reclassify: fc.boolean(),
});

type Line = { id: string; before: { rank: number | null }; after: { rank: number | null; category: string | null } };
interface Answer {
  top: { before: Line[]; after: Line[] };
  moved: Record<string, number>;
  reclassified?: { changed: number; examined: number; waiting: number };
  sla: { missed: { before: number; after: number }; newlyMissed: { count: number }; saved: { count: number } };
}

test('the foretold order is the one that publishing the same draft makes, on 400 random tenants and drafts', async () => {
  const property = fc.asyncProperty(scenario, async ({ settings, draft, items, later, parts, reclassify }) => {
    const live = tenant(settings, items);
    const at = start + items.length * 7 * minute + later * minute;
    const bundle = {
      ...(parts !== 'categories' && { prioritization: schemas(draft) }),
      ...(parts !== 'prioritization' && { categories: categories(draft) }),
    };
    const documents = new Map(items.map((_, n) => [idOf(n), live.documents.get(idOf(n)) as WorkItem]));
    const question = { windowMs: hour, top: 100, reclassify };
    const answer = (await simulateLive(
      { copy: copyOf(live), options: optionsOf(settings), question, bundle, at, ratePerHour: 30, itemsMax: 1000 },
      async (ids) => ids.map((id) => documents.get(id) as WorkItem),
      () => {},
    )) as unknown as Answer;

    // Truth: a second tenant with the same past, to which all of it happens.
    const real = tenant(settings, items);
    letDueHappen(real, at);
    const before = real.queue.top(at, 1000).map((slot) => real.table.idOf(slot));
    assert.deepEqual(
      answer.top.before.map(({ id }) => id),
      before,
    );
    putInForce(real, bundle, at);
    const waiting = ['queued', 'scheduled', 'errorheld'];
    if (reclassify && bundle.categories !== undefined) {
      for (const [n] of items.entries()) {
        const { status } = real.mustDocument(idOf(n));
        if (waiting.includes(status)) run(real, { type: 'restart', id: idOf(n) }, at, n);
      }
    }
    const after = real.queue.top(at, 1000);
    assert.deepEqual(
      answer.top.after.map(({ id }) => id),
      after.map((slot) => real.table.idOf(slot)),
    );
    assert.deepEqual(
      answer.top.after.map((line) => line.after.category),
      after.map((slot) => real.table.categories.textOf(real.table.category[slot]) || null),
    );
  });
  await fc.assert(property, { numRuns: 400 });
});

/** Hands out one item every two minutes, always the first of the slow oracle's order; which deadlines pass before. */
function naiveMisses(state: TenantState, at: number, until: number, all: readonly SchemaDocument[]): Set<string> {
  const { table } = state;
  const schemas = new Set(all.map(({ id }) => id));
  const slas = compileCategories({ categories: state.settings.categories.document }, schemas, new Set());
  assert.ok('tree' in slas);
  const items = [...Array(table.slotEnd).keys()]
    .filter((slot) => table.isOpen(slot))
    .map((slot) => ({ slot, item: state.mustDocument(table.idOf(slot)) }))
    .filter(({ item }) => item.status === 'queued' || item.status === 'scheduled')
    .map(({ item }) => {
      const { schema, slaMs } = item.category === undefined ? {} : slas.tree.resolve(item.category);
      const deadline = slaMs === undefined ? item.dueDateTime : item.createdDateTime + slaMs;
      return { ...item, schema, deadline, turn: Number.POSITIVE_INFINITY };
    });
  let left = items;
  for (let t = at + 2 * minute; t <= until; t += 2 * minute) {
    left = left.filter(({ expirationDateTime }) => !(expirationDateTime !== undefined && expirationDateTime <= t));
    const ready = left.filter(
      ({ status, activationDateTime }) => status === 'queued' || (activationDateTime as number) <= t,
    );
    // While nobody is ready no turn is lost: the next one is when somebody comes.
    const [best] = orderAt(ready, all, t);
    if (best === undefined) continue;
    best.turn = t;
    left = left.filter((item) => item !== best);
  }
  return new Set(
    items
      .filter(({ deadline, turn }) => deadline !== undefined && deadline <= until && turn > deadline)
      .map(({ id }) => id),
  );
}

test('who misses the SLA is what handing out item by item in the order of the plain definition says', async () => {
  const property = fc.asyncProperty(scenario, async ({ settings, draft, items }) => {
    // Nothing is scheduled here: when a turn falls between two activations is a matter of its own.
    const live = tenant(
      settings,
      items.map((choice) => (choice % 5 === 0 ? choice + 1 : choice)),
    );
    const at = start + items.length * 7 * minute;
    const until = at + 2 * hour;
    const question = { windowMs: 2 * hour, top: 100, reclassify: false };
    const bundle = { prioritization: schemas(draft) };
    const copy = copyOf(live);
    const answer = (await simulateLive(
      { copy, options: optionsOf(settings), question, bundle, at, ratePerHour: 30, itemsMax: 1000 },
      async () => [],
      () => {},
    )) as unknown as Answer;
    letDueHappen(live, at);
    const before = naiveMisses(live, at, until, schemas(settings));
    putInForce(live, bundle, at);
    const after = naiveMisses(live, at, until, schemas(draft));
    assert.deepEqual(answer.sla.missed, { before: before.size, after: after.size });
    assert.equal(answer.sla.newlyMissed.count, [...after].filter((id) => !before.has(id)).length);
    assert.equal(answer.sla.saved.count, [...before].filter((id) => !after.has(id)).length);
  });
  await fc.assert(property, { numRuns: 150 });
});

test('items beyond the bound are not classified, and the answer says how many were', async () => {
  const settings = [3, 0, 0, 0, 0, 0];
  const live = tenant(
    settings,
    Array.from({ length: 30 }, (_, n) => n * 4 + 2),
  );
  const documents = new Map(Array.from({ length: 30 }, (_, n) => [idOf(n), live.documents.get(idOf(n)) as WorkItem]));
  const loads: number[] = [];
  const answer = (await simulateLive(
    {
      copy: copyOf(live),
      options: optionsOf(settings),
      question: { windowMs: hour, top: 5, reclassify: true },
      bundle: { categories: categories([0, 1, 0, 0, 0, 0]) },
      at: start + 300 * minute,
      ratePerHour: undefined,
      itemsMax: 10,
    },
    async (ids) => {
      loads.push(ids.length);
      return ids.map((id) => documents.get(id) as WorkItem);
    },
    () => {},
  )) as unknown as Omit<Answer, 'sla'> & { sla: { missed: null } };
  assert.deepEqual(loads, [10]);
  assert.equal(answer.reclassified?.examined, 10);
  assert.equal(answer.sla.missed, null, 'nobody knows the rate');
});
