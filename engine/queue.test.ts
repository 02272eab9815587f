import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CalendarDocument } from './calendar.js';
import { CalendarOracle } from './calendar-oracle.js';
import { Calendars, type ClockSettings } from './clock.js';
import { formatDuration } from './duration.js';
import { ItemTable } from './item-table.js';
import { type OracleItem, orderAt, scoreAt, shown } from './oracle.js';
import { overrideUnits } from './overrides.js';
import { Prioritization } from './prioritization.js';
import { UniversalQueue } from './queue.js';
import type { Rebuild } from './queue-rebuild.js';
import type { SchemaDocument } from './schema.js';
import type { Override } from './work-item.js';

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const day = 24 * hour;

/** Small choices make ties, large ones the ends of the ranges that the engine takes. */
const offsets = [-7 * day, -day, -1000, -3, -1, 0, 1, 2, 7, 1000, hour, 3 * day, 80_000 * day];
const priorities = [0, 1, 1, 100, 250, 300.000001, -50, 0.3, 1 / 3, 1e9, -1e9];
const weights = [0, 1, 0.1, -0.5, 1e-6, 1e9];
const businessValues = [undefined, 0, 1, 2, 10, 10.5, -3, 1e9, -1e9, 3.3333333];
const segments = [undefined, 'gold', 'silver', 'iron', '__proto__'];
const instants = [
  start,
  start,
  start + 1,
  start + 2,
  start + 3,
  start + 10,
  start - hour,
  start + hour,
  start - 30 * day,
];
const farInstants = [0, Date.UTC(2200, 11, 31), Date.UTC(1999, 5, 1)];

/** Reads choices from generated numbers, so that a failing run shrinks to few and small choices. */
class Tape {
  private at = 0;
  private readonly numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  get over(): boolean {
    return this.at >= this.numbers.length;
  }

  below(bound: number): number {
    return (this.numbers[this.at++] ?? 0) % bound;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }
}

/** Open hours that end as another day begins, a zone with half an hour of daylight saving time, and hours that it skips. */
const calendars: CalendarDocument[] = [
  {
    id: 'office',
    timeZone: 'America/New_York',
    weekly: ['TH', 'FR', 'SA'].flatMap((name) => [
      { day: name as 'TH', from: '00:00', to: '02:30' },
      { day: name as 'TH', from: '17:00', to: '24:00' },
    ]),
    holidays: ['2026-01-02'],
  },
  { id: 'island', timeZone: 'Australia/Lord_Howe', weekly: [{ day: 'SU', from: '01:45', to: '02:15' }] },
  { id: 'spell', timeZone: 'UTC', weekly: [{ day: 'TH', from: '00:00', to: '00:01' }] },
];
const compiled = new Calendars(calendars);
const oracles = new Map(calendars.map((document) => [document.id, new CalendarOracle(document)]));
const clocks = [undefined, 'office', 'island', 'spell', 'gone'];
/** Around changes of the clocks, too. */
const clockedInstants = [
  ...['2026-03-08T06:59:59.999Z', '2026-03-08T07:00:00Z', '2026-11-01T06:30:00Z', '2026-04-04T15:00:00Z'],
  ...['2026-01-01T00:00:30Z', '2026-01-01T07:30:00Z', '2025-12-26T03:00:00Z'],
].map((text) => Date.parse(text));

interface Item extends OracleItem {
  slot: number;
  lane: number;
  category: number;
}

function drawSchema(tape: Tape, id: string, isClocked: boolean): SchemaDocument {
  const first = tape.below(offsets.length);
  const count = Math.min(1 + tape.below(5), offsets.length - first);
  const points = offsets.slice(first, first + count).map((offset) => ({
    offset: formatDuration(offset),
    priority: tape.pick(priorities),
  }));
  const document: SchemaDocument = {
    id,
    origin: tape.pick(['created', 'activation', 'due'] as const),
    mode: tape.pick(['linear', 'step'] as const),
    points,
  };
  if (tape.below(3) === 0) document.businessValueWeight = tape.pick(weights);
  if (tape.below(3) === 0) {
    document.segmentWeights = Object.fromEntries([
      ['gold', tape.pick(priorities)],
      ['__proto__', 1],
      ['silver', 1],
    ]);
  }
  return isClocked ? { ...document, ...drawClock(tape) } : document;
}

function drawClock(tape: Tape): ClockSettings {
  return { calendar: tape.pick(clocks), clockStopsWhileHeld: tape.pick([undefined, true, false]) };
}

/** Drives a queue and the plain list of its items with the same choices, and compares them. */
class Run {
  private readonly table = new ItemTable();
  private readonly tape: Tape;
  private readonly items: Item[] = [];
  private readonly queue: UniversalQueue;
  private documents: SchemaDocument[];
  private nextDocuments: SchemaDocument[] = [];
  /** What the categories say of the clock; never changes, unlike what the schemas say. */
  private readonly clocks: ClockSettings[];
  private rebuild: Rebuild | undefined;
  private now = start;
  private seq = 0;
  private readonly lanes: number;
  private readonly categories: number;
  private readonly isClocked: boolean;

  constructor(tape: Tape) {
    this.tape = tape;
    // Few lanes and categories make deep heaps, more of them many heads.
    this.lanes = 1 + tape.below(3);
    this.categories = 2 + tape.below(3);
    this.isClocked = tape.below(3) === 0;
    this.documents = this.drawDocuments();
    this.clocks = Array.from({ length: this.categories }, () => (this.isClocked ? drawClock(tape) : {}));
    const [prioritization, schemaOf] = this.ordering(this.documents);
    this.queue = new UniversalQueue(this.table, prioritization, schemaOf);
  }

  play(): void {
    while (!this.tape.over) this.act();
    this.compare();
    while (this.rebuild !== undefined) this.stepRebuild();
    this.compare();
  }

  private act(): void {
    const choice = this.tape.below(24);
    if (choice < 14) this.put();
    else if (choice < 15) this.take();
    else if (choice < 17) this.change();
    else if (choice < 18) this.pass();
    else if (choice < 19) this.startRebuild();
    else if (choice < 23) this.stepRebuild();
    else this.compare();
  }

  private drawDocuments(): SchemaDocument[] {
    return ['a', 'b', 'c'].slice(0, 1 + this.tape.below(3)).map((id) => drawSchema(this.tape, id, this.isClocked));
  }

  /** Category n has schema n - 1 of the documents; 0 and unknown ones have none. */
  private ordering(documents: SchemaDocument[]): [Prioritization, (category: number) => number] {
    const uses = this.clocks.map((clock, category) => ({ schema: documents[category - 1]?.id, ...clock }));
    const prioritization = new Prioritization(documents, compiled, uses);
    return [prioritization, (category) => prioritization.indexFor(uses[category])];
  }

  private put(): void {
    const seq = ++this.seq;
    const slot = this.table.add(`00000000-0000-7000-8000-${seq.toString(16).padStart(12, '0')}`);
    const item = this.draw(slot, seq, this.tape.below(this.lanes));
    this.items.push(item);
    this.queue.push(slot, item.lane, this.now);
  }

  private draw(slot: number, seq: number, lane: number): Item {
    const { tape, table } = this;
    const category = tape.below(this.categories);
    const near = this.isClocked ? [...instants, ...clockedInstants] : instants;
    const times = tape.below(40) === 0 && !this.isClocked ? farInstants : near;
    const created = tape.pick(times);
    const activation = tape.below(3) === 0 ? tape.pick(times) : undefined;
    const due = tape.below(2) === 0 ? tape.pick(times) : undefined;
    const businessValue = tape.pick(businessValues);
    const customerSegment = tape.pick(segments);
    table.setTimes(slot, { created, activation, due });
    table.seq[slot] = seq;
    table.businessValue[slot] = businessValue ?? 0;
    table.setSegment(slot, customerSegment);
    table.category[slot] = category;
    const override = this.drawOverride(slot);
    const stoppedMs = this.isClocked && tape.below(3) === 0 ? tape.pick([1, 1000, hour, 30 * hour]) : undefined;
    table.setStopped(slot, stoppedMs);
    return {
      slot,
      seq,
      lane,
      category,
      createdDateTime: created,
      activationDateTime: activation,
      dueDateTime: due,
      businessValue,
      customerSegment,
      override,
      stoppedMs,
    };
  }

  private drawOverride(slot: number): Override | undefined {
    const { tape, table, now } = this;
    table.overrides.delete(slot);
    if (tape.below(5) !== 0) return undefined;
    const priority = tape.pick(priorities);
    const until = tape.below(2) === 0 ? undefined : now + tape.pick([1, 2, 3, 1000, hour, 30 * day, -1, 0]);
    table.overrides.set(slot, overrideUnits({ priority }), until ?? Number.NaN);
    return { priority, until };
  }

  private take(): void {
    if (this.items.length === 0) return;
    const [item] = this.items.splice(this.tape.below(this.items.length), 1);
    // The actor writes an item's columns before it takes the item out; the order must not read them any more.
    this.draw(item.slot, item.seq, item.lane);
    this.queue.remove(item.slot);
    this.table.remove(item.slot);
  }

  private change(): void {
    if (this.items.length === 0) return;
    const at = this.tape.below(this.items.length);
    const { slot, seq, lane } = this.items[at];
    this.items[at] = this.draw(slot, seq, lane);
    this.queue.rekey(slot, this.now);
  }

  private pass(): void {
    const crossing = this.queue.nextCrossing();
    const choices = [1, 2, 1000, hour, day, 30 * day, 0, -5].map((ms) => this.now + ms);
    if (this.isClocked) choices.push(...clockedInstants);
    if (Number.isFinite(crossing)) choices.push(crossing, crossing - 1, crossing + 1);
    const t = this.tape.pick(choices);
    while (!this.queue.advance(t, 1));
    this.now = Math.max(this.now, t);
  }

  private startRebuild(): void {
    this.nextDocuments = this.drawDocuments();
    this.rebuild = this.queue.rebuild(...this.ordering(this.nextDocuments));
  }

  private stepRebuild(): void {
    if (!this.rebuild?.step(1 + this.tape.below(6), this.now)) return;
    this.documents = this.nextDocuments;
    this.rebuild = undefined;
  }

  private compare(): void {
    const { queue, items, documents, now, tape } = this;
    const named = items.map((item) => ({
      ...item,
      ...this.clocks[item.category],
      schema: documents[item.category - 1]?.id,
    }));
    const expected = orderAt(named, documents, now, oracles);
    const slots = expected.map((item) => item.slot);
    assert.equal(queue.size, items.length);
    assert.deepEqual(queue.top(now, items.length + 1), slots);
    assert.equal(queue.best(now), slots[0] ?? -1);
    for (const lanes of [[0], [2, 1], [7]]) {
      const first = expected.find((item) => lanes.includes(item.lane));
      assert.equal(queue.best(now, lanes), first?.slot ?? -1);
    }
    if (expected.length === 0) return;
    const at = tape.below(expected.length);
    assert.equal(queue.rank(slots[at], now, 1000), at);
    assert.equal(queue.rank(slots[at], now, 3), Math.min(at, 3));
    assert.equal(queue.priorityAt(slots[at], now), shown(scoreAt(expected[at], documents, now, oracles)));
  }
}

test('for random schemas, calendars, items, changes, rebuilds and times the order is that of a sort by the definition', () => {
  const tapes = fc.array(fc.nat(9999), { minLength: 20, maxLength: 900, size: 'max' });
  fc.assert(
    fc.property(tapes, (numbers) => new Run(new Tape(numbers)).play()),
    { numRuns: 10_000 },
  );
});

test('items whose scores on lines differ by less than a double can tell are still in exact order', () => {
  const unit = fc.integer({ min: -1, max: 1 });
  const item = fc.record({
    older: fc.nat(3 * 365 * day),
    off: unit,
    due: fc.boolean(),
    lane: fc.nat(1),
    line: fc.nat(1),
  });
  const scene = fc.record({
    spanMs: fc.integer({ min: 1, max: 30_000 * day }),
    rise: fc.integer({ min: -500_000_000, max: 500_000_000 }),
    items: fc.array(item, { minLength: 2, maxLength: 14 }),
    after: fc.nat(day),
  });
  fc.assert(
    fc.property(scene, ({ spanMs, rise, items, after }) => {
      // The item's own value makes up for its age, give or take a millionth: all scores nearly meet at every instant.
      const slope = (rise * 1_000_000) / spanMs;
      const documents: SchemaDocument[] = ['a', 'b'].map((id, at) => ({
        id,
        origin: 'created',
        mode: 'linear',
        points: [
          { offset: '-P4000D', priority: 0 },
          { offset: formatDuration(-4000 * day + spanMs * (at + 1)), priority: rise * (at + 1) },
        ],
        businessValueWeight: 1,
      }));
      const table = new ItemTable();
      const queue = new UniversalQueue(table, new Prioritization(documents), (category) => category);
      const listed = items.map(({ older, off, due, lane, line }, at) => {
        const slot = table.add(`00000000-0000-7000-8000-${at.toString(16).padStart(12, '0')}`);
        const businessValue = Math.max(-1e9, Math.min(1e9, (off - Math.round(slope * older)) / 1_000_000));
        const created = start - older;
        table.setTimes(slot, { created, due: due ? start : undefined });
        table.seq[slot] = at;
        table.businessValue[slot] = businessValue;
        table.category[slot] = line + 1;
        queue.push(slot, lane, start);
        const dueDateTime = due ? start : undefined;
        return { slot, seq: at, createdDateTime: created, dueDateTime, businessValue, schema: documents[line].id };
      });
      for (const t of [start, start + after]) {
        const expected = orderAt(listed, documents, t).map(({ slot }) => slot);
        assert.deepEqual(queue.top(t, items.length), expected);
        assert.equal(queue.rank(expected[1], t, 99), 1);
      }
    }),
    { numRuns: 4000 },
  );
});

const steps: SchemaDocument = {
  id: 'steps',
  origin: 'created',
  mode: 'step',
  points: [
    { offset: 'PT0S', priority: 1 },
    { offset: 'PT1H', priority: 2 },
  ],
  businessValueWeight: 1,
};

/** A queue under `steps` and `count` open items created at the start, of growing business value, not queued yet. */
function prepared(count: number): { table: ItemTable; queue: UniversalQueue; slots: number[] } {
  const table = new ItemTable();
  const queue = new UniversalQueue(table, new Prioritization([steps]), () => 1);
  const slots = Array.from({ length: count }, (_, at) => {
    const slot = table.addWords(0, 0, 0, at);
    table.setTimes(slot, { created: start });
    table.seq[slot] = at + 1;
    table.businessValue[slot] = at / 1_000_000;
    return slot;
  });
  return { table, queue, slots };
}

test('items that all cross at once are moved a bounded number a call', () => {
  const { queue, slots } = prepared(10_000);
  queue.pushAll(slots, 0, start);
  assert.equal(queue.nextCrossing(), start + hour);
  let calls = 1;
  while (!queue.advance(start + hour, 300)) calls++;
  assert.equal(calls, Math.ceil(10_000 / 300));
  assert.equal(queue.nextCrossing(), Number.POSITIVE_INFINITY);
  assert.deepEqual(queue.top(start + hour, 10_000), slots.toReversed());
});

test('items put in all at once are in the same order as items pushed one by one, beside those already there', () => {
  const { queue, slots } = prepared(1000);
  for (const slot of slots.slice(0, 100)) queue.push(slot, 0, start);
  queue.pushAll(slots.slice(100), 0, start);
  assert.deepEqual(queue.top(start, 1000), slots.toReversed());
  assert.equal(queue.rank(slots[0], start, 5000), 999);
});

test('best, top and rank are exact even when nobody has advanced the queue, and time never goes back', () => {
  const { table, queue, slots } = prepared(3);
  table.setTimes(slots[0], { created: start - hour });
  for (const slot of slots) queue.push(slot, 0, start - hour);
  assert.equal(queue.best(start - 1), slots[2]);
  assert.equal(queue.best(start), slots[0]);
  assert.equal(queue.best(start - 1), slots[0]);
  assert.equal(queue.rank(slots[2], start - 1, 9), 1);
});

test('a second rebuild takes the place of the first, which says that it is done and changes nothing', () => {
  const { table, queue, slots } = prepared(500);
  queue.pushAll(slots, 0, start);
  const first = queue.rebuild(new Prioritization([{ ...steps, businessValueWeight: 5 }]), () => 1);
  first.step(100, start);
  const turned = new Prioritization([{ ...steps, businessValueWeight: -1 }]);
  const second = queue.rebuild(turned, () => 1);
  assert.equal(first.step(1_000_000, start), true);
  assert.equal(queue.best(start), slots[499]);
  while (!second.step(50, start)) assert.equal(queue.best(start), slots[499]);
  assert.deepEqual(queue.top(start, 500), slots);
  assert.equal(queue.prioritization, turned);
  assert.equal(table.segments.size, 0);
});

test('the queue grows with its table, ahead of need, and keeps its order', () => {
  const { table, queue } = prepared(0);
  const count = 200_000;
  for (let at = 0; at < count; at++) {
    const slot = table.addWords(1, 0, 0, at);
    table.setTimes(slot, { created: start });
    table.seq[slot] = at + 1;
    table.businessValue[slot] = (at * 7919) % 200_003;
    queue.push(slot, 0, start);
    if (!table.growStep()) queue.growStep();
  }
  const values = queue.top(start, 1000).map((slot) => table.businessValue[slot]);
  assert.deepEqual(
    values,
    Array.from(table.businessValue.slice(0, count))
      .sort((a, b) => b - a)
      .slice(0, 1000),
  );
  const full = queue.bytes;
  for (let slot = 0; slot < count - 100; slot++) queue.remove(slot);
  assert.ok(queue.bytes < full / 2, 'what it no longer needs is given back');
  assert.equal(queue.top(start, 1000).length, 100);
});
