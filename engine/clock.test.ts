import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CalendarDocument } from './calendar.js';
import { CalendarOracle } from './calendar-oracle.js';
import type { CategoryDocument } from './category.js';
import type { ItemCommandName } from './command.js';
import { decide } from './decide.js';
import { parseDraft } from './draft.js';
import { isRejection } from './rejection.js';
import type { SchemaDocument } from './schema.js';
import { TenantState } from './state.js';
import type { Draft, Instant, WorkItem } from './work-item.js';

const minute = 60_000;
const hour = 60 * minute;
const office: CalendarDocument = {
  id: 'office',
  timeZone: 'America/New_York',
  weekly: (['MO', 'TU', 'WE', 'TH', 'FR'] as const).map((day) => ({ day, from: '09:00', to: '17:00' })),
  holidays: ['2026-03-09'],
};
const nights: CalendarDocument = {
  id: 'nights',
  timeZone: 'America/New_York',
  weekly: (['SA', 'SU', 'MO'] as const).flatMap((day) => [
    { day, from: '00:30', to: '02:30' },
    { day, from: '20:00', to: '24:00' },
  ]),
};
/** A point a second, for eleven days. */
const seconds: SchemaDocument = {
  id: 'seconds',
  origin: 'created',
  mode: 'linear',
  points: [
    { offset: 'PT0S', priority: 0 },
    { offset: 'PT1000000S', priority: 1_000_000 },
  ],
};
/** Friday, a quarter of an hour before the weekend on which the clocks are put forward. */
const friday = Date.parse('2026-03-06T21:45:00Z');

/** One item in one category, whose commands are decided and applied at once. */
class OneItem {
  readonly state: TenantState;
  readonly id: string;

  constructor(category: Partial<CategoryDocument>, at: Instant, value: object = {}, schema = seconds) {
    const categories = [{ id: 'a', parent: null, name: 'A', rule: 'true', schema: schema.id, ...category }];
    const options = { tenantId: 't', attributesBytesMax: 65_536, documentBytesMax: 1e9 };
    this.state = new TenantState({ ...options, schemas: [schema], categories, calendars: [office, nights] });
    const draft = parseDraft(value, { now: at }) as Draft;
    this.id = '00000000-0000-7000-8000-000000000001';
    this.#decide({ type: 'create', draft, mode: 'create' }, at);
  }

  get item(): WorkItem {
    return this.state.mustDocument(this.id);
  }

  do(type: ItemCommandName, at: Instant): void {
    this.#decide({ type, id: this.id, agentId: 'agent' }, at);
  }

  moveTo(category: string, at: Instant): void {
    this.#decide({ type: 'move', id: this.id, category }, at);
  }

  patch(patch: Record<string, unknown>, at: Instant): void {
    this.#decide({ type: 'update', id: this.id, patch }, at);
  }

  /** Points, as the item's answer shows them and, while it is in the queue, as the queue orders it. */
  priorityAt(t: Instant): number {
    const { state, item } = this;
    const shown = state.orderPrioritization.priorityAt(state.schemaIndexOf(item.category), item, t);
    if (item.status === 'queued') assert.equal(state.queue.priorityAt(state.table.find(item.id), t), shown);
    return shown;
  }

  #decide(command: Parameters<typeof decide>[1], at: Instant): void {
    const decision = decide(this.state, command, at, () => this.id);
    assert.ok(!isRejection(decision), JSON.stringify(decision));
    for (const event of decision.events) this.state.apply(event);
  }
}

test('priority runs while the calendar is open and stands still over the weekend and the holiday', () => {
  const one = new OneItem({ calendar: 'office' }, friday);
  assert.equal(one.priorityAt(friday + 10 * minute), 600);
  const tuesday = Date.parse('2026-03-10T13:00:00Z');
  for (const t of [friday + 15 * minute, friday + 30 * hour, tuesday - 1, tuesday])
    assert.equal(one.priorityAt(t), 900);
  assert.equal(one.priorityAt(tuesday + hour), 4500);
});

test('a category’s word on the clock comes before its schema’s, and a parent’s comes down', () => {
  const schema = { ...seconds, calendar: 'office', clockStopsWhileHeld: true };
  assert.equal(new OneItem({}, friday, {}, schema).priorityAt(friday + hour), 900);
  assert.equal(new OneItem({ calendar: 'nights' }, friday, {}, schema).priorityAt(friday + hour), 0);
  const categories: CategoryDocument[] = [
    { id: 'a', parent: null, name: 'A', rule: 'true', calendar: 'nights' },
    { id: 'b', parent: 'a', name: 'B', schema: 'seconds' },
  ];
  const options = { tenantId: 't', attributesBytesMax: 1, documentBytesMax: 1, calendars: [office, nights] };
  const state = new TenantState({ ...options, schemas: [schema], categories });
  const { clock } = state.prioritization.schemas[state.schemaIndexOf('a/b')];
  assert.deepEqual([clock.calendar?.document.id, clock.stopsWhileHeld], ['nights', true]);
});

test('a calendar that is no longer there leaves the clock of the world', () => {
  const one = new OneItem({ calendar: 'office' }, friday);
  one.state.apply({ type: 'calendarsReplaced', at: friday, version: 1, calendars: [] });
  while (!one.state.stepRebuild(1000, friday));
  assert.equal(one.priorityAt(friday + 10 * hour), 36_000);
});

test('new hours of a calendar reorder the queue as a new schema does', () => {
  const one = new OneItem({ calendar: 'office' }, friday);
  const longer = { ...office, weekly: [...office.weekly, { day: 'SA' as const, from: '00:00', to: '01:00' }] };
  one.state.apply({ type: 'calendarsReplaced', at: friday, version: 1, calendars: [longer] });
  while (!one.state.stepRebuild(1000, friday));
  assert.equal(one.priorityAt(friday + 24 * hour), 4500);
});

test('a due time that the category gives lies in business time, from creation or activation', () => {
  const category = { calendar: 'office', defaults: { dueAfter: 'PT8H' } };
  const due = Date.parse('2026-03-10T20:45:00Z');
  assert.equal(new OneItem(category, friday).item.dueDateTime, due);
  const activationDateTime = '2026-03-07T12:00:00Z';
  assert.equal(new OneItem(category, friday, { activationDateTime }).item.dueDateTime, due + 15 * minute);
  const never = { ...category, defaults: { dueAfter: 'P36500D' } };
  assert.equal(new OneItem(never, friday).item.dueDateTime, undefined, 'not within the engine’s years');
});

test('a hold moves the due time that the category has given, and none that the source has', () => {
  const category = { calendar: 'office', clockStopsWhileHeld: true, defaults: { dueAfter: 'PT1H' } };
  const monday = Date.parse('2026-03-16T13:00:00Z');
  const held = (one: OneItem) => {
    one.do('hold', monday + 10 * minute);
    one.do('resume', monday + 40 * minute);
    return one.item;
  };
  assert.equal(held(new OneItem(category, monday)).dueDateTime, monday + 90 * minute);
  const dueDateTime = new Date(monday + hour).toISOString();
  assert.equal(held(new OneItem(category, monday, { dueDateTime })).dueDateTime, monday + hour);
  const patched = new OneItem(category, monday);
  patched.patch({ dueDateTime: new Date(monday + 2 * hour).toISOString() }, monday);
  assert.equal(held(patched).dueDateTime, monday + 2 * hour, 'a patch has given it');
  const touched = new OneItem(category, monday);
  touched.patch({ businessValue: 3 }, monday);
  assert.equal(held(touched).dueDateTime, monday + 90 * minute, 'another patch leaves it the category’s');
});

test('an item that is moved to a category gets its due time in the category’s business time', () => {
  const one = new OneItem({}, friday);
  const moved = { id: 'm', parent: null, name: 'M', calendar: 'office', defaults: { dueAfter: 'PT8H' } };
  const categories = [...one.state.settings.categories.document, moved];
  one.state.apply({ type: 'categoriesReplaced', at: friday, version: 1, categories });
  one.moveTo('m', friday + hour);
  assert.equal(one.item.dueDateTime, Date.parse('2026-03-10T20:45:00Z'));
});

test('a clock that nobody stops goes on during a hold', () => {
  const one = new OneItem({ defaults: { dueAfter: 'PT1H' } }, friday);
  one.do('hold', friday);
  assert.equal(one.priorityAt(friday + hour), 3600);
  one.do('resume', friday + 2 * hour);
  assert.deepEqual([one.item.dueDateTime, one.item.stoppedMs], [friday + hour, undefined]);
});

test('whatever holds there were, age and due time count what a naive walk counts without them', () => {
  const step = fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 3 * hour }), fc.integer({ min: 0, max: 60 * hour })),
    action: fc.constantFrom('toggle', 'toggle', 'toggle', 'restart', 'patch', 'wait'),
  });
  const oracles = new Map([office, nights].map((calendar) => [calendar.id, new CalendarOracle(calendar)]));
  const start = fc.integer({ min: friday - 200 * hour, max: friday + 100 * hour });
  const calendar = fc.constantFrom(undefined, 'office', 'nights');
  fc.assert(
    fc.property(calendar, start, fc.array(step, { maxLength: 12 }), (calendar, created, steps) => {
      const counted = (from: Instant, to: Instant) =>
        calendar === undefined ? to - from : oracles.get(calendar)!.between(from, to);
      const one = new OneItem({ calendar, clockStopsWhileHeld: true, defaults: { dueAfter: 'PT20H' } }, created);
      const holds: { from: Instant; to?: Instant }[] = [];
      const ageAt = (t: Instant) =>
        counted(created, t) - holds.reduce((ms, { from, to = t }) => ms + counted(from, Math.min(to, t)), 0);
      let now = created;
      for (const { afterMs, action } of steps) {
        now += afterMs;
        const { status } = one.item;
        const last = holds.at(-1);
        if (action === 'patch') one.patch({ businessValue: now % 10 }, now);
        if (action === 'toggle' && status === 'queued') {
          one.do('hold', now);
          holds.push({ from: now });
        } else if ((action === 'toggle' && status === 'held') || action === 'restart') {
          one.do(action === 'restart' ? 'restart' : 'resume', now);
          if (last !== undefined) last.to ??= now;
        }
        // The curve ends there.
        assert.equal(one.priorityAt(now), Math.min(ageAt(now) / 1000, 1_000_000));
        if (one.item.status === 'held') continue;
        const due = one.item.dueDateTime!;
        const stopped = holds.reduce((ms, { from, to }) => ms + counted(from, to!), 0);
        assert.equal(counted(created, due) - stopped, 20 * hour);
        assert.equal(counted(created, due - 1) - stopped, 20 * hour - 1);
      }
    }),
    { numRuns: 1000 },
  );
});
