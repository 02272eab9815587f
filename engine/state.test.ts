import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CalendarDocument } from './calendar.js';
import { CalendarOracle } from './calendar-oracle.js';
import type { CategoryDocument } from './category.js';
import { type Command, itemCommands } from './command.js';
import { decide } from './decide.js';
import { parseDraft } from './draft.js';
import type { Event } from './event.js';
import { isFinal } from './life-cycle.js';
import { needsOf } from './needs.js';
import { type OracleItem, orderAt, scoreAt, shown } from './oracle.js';
import { isRejection } from './rejection.js';
import type { SchemaDocument } from './schema.js';
import type { SettingsContent } from './settings.js';
import { SnapshotReader, SnapshotWriter } from './snapshot.js';
import { TenantState } from './state.js';
import { type Instant, type Status, statuses, type WorkItem } from './work-item.js';

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const offsets = ['-PT1H', 'PT0S', 'PT0.001S', 'PT1S', 'PT1H', 'P1D'];
const priorities = [0, 1, 100, 250, -50, 1 / 3];
const afterNow = [-hour, -1, 0, 1, 2, 1000, hour, 24 * hour];
const never = new Set<string>();

/** Reads choices from generated numbers, so that a failing run shrinks to few and small choices. */
class Tape {
  #at = 0;
  readonly #numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  get over(): boolean {
    return this.#at >= this.#numbers.length;
  }

  below(bound: number): number {
    return (this.#numbers[this.#at++] ?? 0) % bound;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  maybe<T>(choices: readonly T[]): T | undefined {
    return this.below(3) === 0 ? this.pick(choices) : undefined;
  }
}

interface Settings {
  schemas: SchemaDocument[];
  categories: CategoryDocument[];
  calendars: CalendarDocument[];
}

const spells: CalendarDocument = {
  id: 'spells',
  timeZone: 'America/New_York',
  weekly: [
    { day: 'WE', from: '19:00', to: '19:01' },
    { day: 'WE', from: '19:30', to: '24:00' },
  ],
};
const island: CalendarDocument = {
  id: 'spells',
  timeZone: 'Australia/Lord_Howe',
  weekly: [{ day: 'TH', from: '00:00', to: '24:00' }],
};
const calendarChoices: CalendarDocument[][] = [[], [spells], [island]];
const oracles = new Map(
  calendarChoices.map((calendars) => [
    calendars,
    new Map(calendars.map((calendar) => [calendar.id, new CalendarOracle(calendar)])),
  ]),
);

function drawClock(tape: Tape): Pick<CategoryDocument, 'calendar' | 'clockStopsWhileHeld'> {
  if (tape.below(2) === 0) return {};
  return JSON.parse(
    JSON.stringify({ calendar: tape.maybe(['spells']), clockStopsWhileHeld: tape.maybe([true, false]) }),
  );
}

function drawSchemas(tape: Tape): SchemaDocument[] {
  return ['s1', 's2', 's3'].slice(0, 1 + tape.below(3)).map((id) => {
    const first = tape.below(offsets.length);
    const points = offsets.slice(first, first + 1 + tape.below(3));
    return {
      id,
      origin: tape.pick(['created', 'activation', 'due'] as const),
      mode: tape.pick(['step', 'linear'] as const),
      points: points.map((offset) => ({ offset, priority: tape.pick(priorities) })),
      businessValueWeight: tape.pick([0, 1, 0.1]),
      segmentWeights: { gold: tape.pick(priorities) },
      ...drawClock(tape),
    };
  });
}

function drawCategories(tape: Tape): CategoryDocument[] {
  const schema = () => tape.pick([undefined, 's1', 's2', 's3']);
  const rule = (kind: string) =>
    tape.below(8) === 0 ? 'item.attributes.missing == 1' : `item.attributes.kind == '${kind}'`;
  const categories: CategoryDocument[] = [
    { id: 'a', parent: null, name: 'A', rule: rule('a'), schema: schema(), ...drawClock(tape) },
    { id: 'deep', parent: 'a', name: 'Deep', rule: 'item.businessValue > 1.0', schema: schema(), ...drawClock(tape) },
    {
      id: 'b',
      parent: null,
      name: 'B',
      rule: rule('b'),
      schema: schema(),
      defaults: { dueAfter: 'PT1H' },
      ...drawClock(tape),
    },
    { id: 'c', parent: null, name: 'C', schema: schema(), ...drawClock(tape) },
  ];
  const clean = categories.map((category) => JSON.parse(JSON.stringify(category)) as CategoryDocument);
  // Sometimes the child, or all but the first, are gone.
  return tape.pick([clean, clean, clean.filter(({ id }) => id !== 'deep'), clean.slice(0, 1)]);
}

type Word = 'schema' | 'calendar' | 'clockStopsWhileHeld';

/** What the category's path leads to: its own word, or the nearest one above, of what still exists. */
function wordOf<W extends Word>(
  word: W,
  path: string | undefined,
  categories: readonly CategoryDocument[],
): CategoryDocument[W] | undefined {
  for (const id of path?.split('/').reverse() ?? []) {
    let category = categories.find((one) => one.id === id);
    if (category === undefined) continue;
    while (category !== undefined && category[word] === undefined) {
      const { parent }: CategoryDocument = category;
      category = categories.find((one) => one.id === parent);
    }
    return category?.[word];
  }
  return undefined;
}

/** Drives a state and a plain list of its items with the same events, and compares them. */
class Run {
  readonly tape: Tape;
  readonly state: TenantState;
  readonly items = new Map<string, WorkItem>();
  readonly deleted = new Set<string>();
  readonly events: Event[] = [];
  /** The list of items after each event, as the tables would have it then. */
  readonly tables: Map<string, WorkItem>[] = [new Map()];
  readonly first: Settings;
  published: Settings;
  inForce: Settings;
  now = start;
  #ids = 0;
  #snapshot: { writer: SnapshotWriter; seq: number; endSeq?: number } | undefined;

  constructor(tape: Tape) {
    this.tape = tape;
    const calendars = tape.pick(calendarChoices);
    this.first = { schemas: drawSchemas(tape), categories: drawCategories(tape), calendars };
    this.published = this.first;
    this.inForce = this.first;
    this.state = newState(this.first);
  }

  play(): void {
    while (!this.tape.over) {
      this.act();
      this.letPass();
      this.compare();
    }
    this.checkReplays();
  }

  private act(): void {
    const choice = this.tape.below(21);
    if (choice < 6) this.create();
    else if (choice < 8) this.decide({ type: 'next', agentId: 'agent' });
    else if (choice < 13) this.move();
    else if (choice < 14) this.update();
    else if (choice < 15) this.publish();
    else if (choice < 16) this.stepRebuild();
    else if (choice < 19) this.now += Math.max(0, this.tape.pick(afterNow));
    else if (choice < 20) this.snapshotSlice();
    else this.erase();
  }

  private create(): void {
    const { tape, now } = this;
    const time = () => {
      const after = tape.maybe(afterNow);
      return after === undefined ? undefined : new Date(now + after).toISOString();
    };
    const value = {
      captureId: tape.maybe(['c1', 'c2', 'c3', 'c4']),
      category: tape.below(5) === 0 ? tape.pick(['a', 'a/deep', 'c', 'gone']) : undefined,
      businessValue: tape.maybe([0, 1, 2, 10]),
      customerSegment: tape.maybe(['gold', 'iron']),
      createdDateTime: tape.below(3) === 0 ? new Date(now - tape.pick([0, 1, 1000, hour])).toISOString() : undefined,
      activationDateTime: time(),
      dueDateTime: time(),
      expirationDateTime: time(),
      sourceVersion: tape.maybe([1, 2, 3]),
      customerId: tape.maybe(['p1', 'p2']),
      attributes: { kind: tape.pick(['a', 'a', 'b', 'x']) },
    };
    const draft = parseDraft(JSON.parse(JSON.stringify(value)), { now });
    if (isRejection(draft)) return;
    this.decide({ type: 'create', draft, mode: tape.pick(['create', 'upsert']), key: this.key() });
  }

  private key(): { key: string; fingerprint: string } | undefined {
    const key = this.tape.maybe(['k1', 'k2']);
    return key === undefined ? undefined : { key, fingerprint: this.tape.pick(['f', 'f', 'g']) };
  }

  private anyId(): string {
    return this.tape.pick([...this.items.keys(), '00000000-0000-7000-8000-ffffffffffff', ...this.deleted]);
  }

  private move(): void {
    const type = this.tape.pick(itemCommands);
    const ifMatch = this.tape.below(6) === 0 ? 1 : undefined;
    const { tape, now } = this;
    const after = tape.maybe([1, 2, 1000, hour, 24 * hour]);
    this.decide({
      type,
      id: this.anyId(),
      ifMatch,
      reason: tape.maybe(['why']),
      agentId: 'agent',
      priority: tape.pick([5000, 100, 0, -50, 1 / 3, null]),
      until: after === undefined ? undefined : now + after,
      category: tape.pick(['a', 'a/deep', 'b', 'c', 'gone']),
    });
  }

  /** Whatever is erased, the queue's order is what it was. */
  private erase(): void {
    const before = this.expectedOrder().map(({ id }) => id);
    this.decide({ type: 'erase', id: this.anyId(), personal: { keys: ['customerId'], paths: ['kind', 'name'] } });
    assert.deepEqual(
      this.expectedOrder().map(({ id }) => id),
      before,
    );
  }

  private update(): void {
    const { tape, now } = this;
    const time = (after: number) => new Date(now + after).toISOString();
    const patch = tape.pick([
      { businessValue: 7 },
      { attributes: { kind: 'b' } },
      { attributes: { kind: null } },
      { category: 'c' },
      { category: null },
      { activationDateTime: time(tape.pick(afterNow)) },
      { activationDateTime: null, dueDateTime: null },
      { expirationDateTime: time(tape.pick(afterNow)), customerSegment: 'gold' },
    ]);
    this.decide({ type: 'update', id: this.anyId(), patch });
  }

  private publish(): void {
    const { tape } = this;
    const content: SettingsContent[] = [
      { kind: 'prioritization', document: drawSchemas(tape) },
      { kind: 'categories', document: drawCategories(tape) },
      { kind: 'calendars', document: tape.pick(calendarChoices) },
    ];
    this.decide({ type: 'replaceSettings', content: tape.pick(content) });
  }

  private stepRebuild(): void {
    this.state.stepRebuild(1 + this.tape.below(5), this.now);
    if (this.state.rebuild === undefined) this.inForce = this.published;
  }

  private snapshotSlice(): void {
    this.#snapshot ??= { writer: new SnapshotWriter(this.state, 3), seq: this.state.seq };
    if (this.#snapshot.endSeq === undefined && this.#snapshot.writer.slice()) this.#snapshot.endSeq = this.state.seq;
  }

  private decide(command: Command): void {
    const { state, now } = this;
    const before = state.seq;
    const best = command.type === 'next' ? this.expectedOrder()[0] : undefined;
    const absent = needsOf(state, command, never, now);
    assert.ok(absent === undefined || absent.ids.length <= 1, 'everything that exists is in memory');
    const decision = decide(
      state,
      command,
      now,
      () => `00000000-0000-7000-8000-${(++this.#ids * 7919).toString(16).padStart(12, '0')}`,
    );
    assert.equal(state.seq, before, 'deciding changes nothing');
    if (isRejection(decision)) return;
    if (command.type === 'next' && !decision.replayed)
      assert.equal(decision.itemId, best?.id, 'next is the first in order');
    for (const event of decision.events) this.apply(event);
  }

  private apply(event: Event): void {
    const stored = JSON.parse(JSON.stringify(event)) as Event;
    this.events.push(stored);
    this.state.apply(event);
    this.model(stored);
    this.tables.push(new Map(this.items));
  }

  /** What the event does to the plain list, written down a second time. */
  private model(event: Event): void {
    switch (event.type) {
      case 'created':
      case 'updated':
        this.items.set(event.item.id, event.item);
        break;
      case 'categoriesReplaced':
        this.published = { ...this.published, categories: event.categories };
        break;
      case 'prioritizationReplaced':
        this.published = { ...this.published, schemas: event.schemas };
        break;
      case 'calendarsReplaced': {
        const text = JSON.stringify(event.calendars);
        const calendars = calendarChoices.find((choice) => JSON.stringify(choice) === text)!;
        this.published = { ...this.published, calendars };
        break;
      }
      case 'filterSaved':
      case 'filterRemoved':
      case 'erasureAnnounced':
      case 'subjectErased':
      case 'subjectExported':
      case 'bulkActionStarted':
        break;
      case 'deleted':
        this.items.delete(event.id);
        this.deleted.add(event.id);
        break;
      default: {
        const { id, version, status, at, set } = event;
        const merged = { ...this.items.get(id), ...set, version, status, updatedDateTime: at };
        const kept = Object.entries(merged).filter(([, value]) => value !== null);
        this.items.set(id, Object.fromEntries(kept) as unknown as WorkItem);
      }
    }
  }

  /** The engine's timer, as the actor runs it: what the deadlines name is decided. */
  private letPass(): void {
    const { state, now } = this;
    while (state.deadlines.earliest <= now) {
      const slot = state.deadlines.pop();
      if (!state.table.isOpen(slot)) continue;
      const id = state.table.idOf(slot);
      for (const type of ['expire', 'activateDue'] as const) {
        const item = this.items.get(id)!;
        const at = type === 'expire' ? item.expirationDateTime : item.activationDateTime;
        if (at !== undefined && at <= now && (type === 'expire' || item.status === 'scheduled'))
          this.decide({ type, id });
      }
    }
    while (!state.queue.advance(now, 1));
  }

  private compare(): void {
    const { state, items, now } = this;
    for (const item of items.values()) assertSound(item, now);
    const counts = statuses.map(
      (status) => [...items.values()].filter((item) => item.status === status && !isFinal(status)).length,
    );
    assert.deepEqual([...state.counts], counts);
    assert.equal(
      state.table.size,
      counts.reduce((sum, count) => sum + count),
    );
    const expected = this.expectedOrder();
    const ids = state.queue.top(now, items.size + 1).map((slot) => state.table.idOf(slot));
    assert.deepEqual(
      ids,
      expected.map(({ id }) => id),
    );
    for (const item of items.values()) assert.deepEqual(plain(state.documents.get(item.id)), item);
    for (const id of this.deleted) assert.equal(state.documents.get(id) ?? state.table.find(id), -1, 'deleted');
    if (expected.length === 0) return;
    const one = this.tape.pick(expected);
    const priority = shown(scoreAt(one, this.inForce.schemas, now, oracles.get(this.inForce.calendars)));
    assert.equal(state.queue.priorityAt(state.table.find(one.id), now), priority);
    assert.equal(state.orderPrioritization.priorityAt(state.schemaIndexOf(one.category), one, now), priority);
  }

  private expectedOrder(): (WorkItem & OracleItem)[] {
    const { schemas, categories, calendars } = this.inForce;
    const queued = [...this.items.values()].filter(({ status }) => status === 'queued');
    const named = queued.map((item) => ({
      ...item,
      schema: wordOf('schema', item.category, categories),
      calendar: wordOf('calendar', item.category, categories),
      clockStopsWhileHeld: wordOf('clockStopsWhileHeld', item.category, categories),
    }));
    return orderAt(named, schemas, this.now, oracles.get(calendars));
  }

  private checkReplays(): void {
    finishRebuild(this.state, this.now);
    const expected = contentOf(this.state, this.now);
    const whole = newState(this.first);
    for (const event of this.events) whole.apply(event);
    finishRebuild(whole, this.now);
    assert.deepEqual(contentOf(whole, this.now), expected, 'all events over nothing');
    for (const item of this.items.values()) assert.deepEqual(plain(whole.documents.get(item.id)), item);
    if (this.#snapshot !== undefined) this.checkSnapshot(expected);
  }

  /** From a snapshot that was taken while things changed, with the tables at any point: as `recovery.ts` goes about it. */
  private checkSnapshot(expected: object): void {
    const { writer, seq } = this.#snapshot!;
    while (this.#snapshot!.endSeq === undefined) this.snapshotSlice();
    const cursor = this.tape.below(this.events.length + 1);
    const table = this.tables[cursor];
    const state = newState(this.first);
    const reader = new SnapshotReader(state);
    for (const chunk of writer.chunks) reader.read(chunk);
    reader.end(this.now);
    state.seq = Math.min(seq, cursor);
    for (const event of this.events.slice(state.seq)) {
      const row = 'id' in event && !state.documents.has(event.id) ? table.get(event.id) : undefined;
      if (row !== undefined) state.documents.offer(row);
      state.apply(event, cursor);
    }
    finishRebuild(state, this.now);
    assert.deepEqual(contentOf(state, this.now), expected, `snapshot of ${seq}, tables at ${cursor}`);
    for (const event of this.events.slice(cursor)) {
      const id = 'item' in event ? event.item.id : 'id' in event ? event.id : undefined;
      if (id !== undefined) assert.deepEqual(plain(state.documents.get(id)), this.items.get(id));
    }
    for (const { captureId } of this.items.values()) {
      if (captureId !== undefined) assert.ok(state.known.mayHave(`c:${captureId}`), 'the filter never forgets');
    }
  }
}

function newState(settings: Settings): TenantState {
  return new TenantState({ tenantId: 't', attributesBytesMax: 65_536, documentBytesMax: 1e9, ...settings });
}

function finishRebuild(state: TenantState, now: Instant): void {
  while (!state.stepRebuild(1000, now));
}

const plain = (value: unknown) => value && JSON.parse(JSON.stringify(value));

/** Everything of a state that must come back, whatever the slots. */
function contentOf(state: TenantState, now: Instant): object {
  const { table } = state;
  const rows: object[] = [];
  for (let slot = 0; slot < table.slotEnd; slot++) {
    if (!table.isOpen(slot)) continue;
    rows.push({
      id: table.idOf(slot),
      times: [table.created[slot], table.activation[slot], table.due[slot], table.expiration[slot]],
      numbers: [table.seq[slot], table.version[slot], table.status[slot], table.businessValue[slot]],
      stopped: table.stopped.get(slot),
      texts: [
        table.categories.textOf(table.category[slot]),
        table.segments.textOf(table.segment[slot]),
        table.agents.textOf(table.agent[slot]),
      ],
      override: { ...table.overrides.get(slot) },
    });
  }
  const order = state.queue.top(now, table.size + 1).map((slot) => table.idOf(slot));
  return {
    rows: rows.sort((a, b) => ((a as { id: string }).id < (b as { id: string }).id ? -1 : 1)),
    order,
    counts: [...state.counts],
    seq: state.seq,
    versions: [Object.values(state.settings).map(({ version }) => version), state.orderPrioritizationVersion],
    settings: [state.categories.documents, state.prioritization.documents],
  };
}

const working: Status[] = ['queued', 'scheduled', 'assigned'];

/** What is true of every item at rest, whatever happened before. */
function assertSound(item: WorkItem, now: Instant): void {
  const { status } = item;
  const text = JSON.stringify(item);
  if (working.includes(status))
    assert.ok(item.category !== undefined && item.error === undefined, `classified: ${text}`);
  if (status === 'errorheld') assert.ok(item.error !== undefined, `says why: ${text}`);
  if (!isFinal(status)) assert.equal(item.assignedTo !== undefined, status === 'assigned', text);
  assert.equal(item.heldDateTime !== undefined, status === 'held', text);
  assert.equal(item.completedDateTime !== undefined, isFinal(status), text);
  assert.ok(!(item.preclassified && item.rule !== undefined), `one who classified: ${text}`);
  if (item.category !== undefined && status !== 'errorheld' && !isFinal(status)) {
    assert.ok(item.preclassified || item.rule !== undefined, `somebody classified: ${text}`);
  }
  if (status === 'errorheld' && item.rule === undefined && item.category !== undefined) {
    assert.match(item.error!, /^the source named category|^\[erased\]$/, `a category that stays was named: ${text}`);
  }
  if (status === 'scheduled') assert.ok(item.activationDateTime! > now, `its time has not come: ${text}`);
  if (status === 'queued') assert.ok(!(item.activationDateTime! > now), `its time has come: ${text}`);
  if (!isFinal(status) && status !== 'assigned') assert.ok(!(item.expirationDateTime! <= now), `not expired: ${text}`);
}

test('whatever happens, order, counts, columns, deadlines, replays and snapshots agree with a plain list of the items', () => {
  const tapes = fc.array(fc.nat(9999), { minLength: 20, maxLength: 1000, size: 'max' });
  fc.assert(
    fc.property(tapes, (numbers) => new Run(new Tape(numbers)).play()),
    { numRuns: 3000, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true },
  );
});
