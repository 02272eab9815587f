import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch } from '../actors/batch.js';
import { replayJournal } from '../actors/journal-replay.js';
import type { Lease } from '../actors/ports.js';
import type { CategoryDocument } from '../engine/category.js';
import type { Command } from '../engine/command.js';
import { decide } from '../engine/decide.js';
import { parseDraft } from '../engine/draft.js';
import { dueCommand } from '../engine/due-command.js';
import { isRejection } from '../engine/rejection.js';
import type { SchemaDocument } from '../engine/schema.js';
import { contentsOf, type SettingsBundle } from '../engine/settings-check.js';
import { TenantState } from '../engine/state.js';
import { StateCopier, StateCopy } from '../engine/state-copy.js';
import type { Instant, WorkItem } from '../engine/work-item.js';
import { MemoryDatabase } from '../stores/memory/database.js';
import { openMemoryStores } from '../stores/memory/tenant-database.js';

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const idOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

const schemas = (numbers: readonly number[]): SchemaDocument[] =>
  ['s1', 's2'].map((id, index) => ({
    id,
    origin: (['created', 'due'] as const)[(numbers[index] ?? 0) % 2],
    mode: (['step', 'linear'] as const)[(numbers[index + 1] ?? 0) % 2],
    points: ['-PT30M', 'PT0S', 'PT20M', 'PT1H'].map((offset, at) => ({
      offset,
      priority: (numbers[index + at] ?? 0) % 40,
    })),
    businessValueWeight: ((numbers[index + 2] ?? 0) % 3) - 1,
  }));
const categories = (numbers: readonly number[]): CategoryDocument[] => [
  {
    id: 'a',
    parent: null,
    name: 'A',
    rule: `item.attributes.kind < ${1 + ((numbers[0] ?? 0) % 3)}.0`,
    schema: 's1',
    sla: 'PT25M',
  },
  {
    id: 'b',
    parent: null,
    name: 'B',
    rule: 'true',
    schema: ['s1', 's2'][(numbers[1] ?? 0) % 2],
    defaults: { dueAfter: 'PT40M' },
  },
];
const settingsOf = (numbers: readonly number[]): SettingsBundle => ({
  prioritization: schemas(numbers),
  categories: categories(numbers),
});
const optionsOf = (numbers: readonly number[]) => ({
  tenantId: 't',
  attributesBytesMax: 1000,
  documentBytesMax: 1_000_000,
  categories: categories(numbers),
  schemas: schemas(numbers),
});

/** A tenant whose events go into the memory stores, one row each. */
class Past {
  readonly database = new MemoryDatabase();
  readonly stores = openMemoryStores(this.database);
  readonly state: TenantState;
  now = start;
  made = 0;
  /** Agents with an item in hand, longest first. */
  readonly busy: string[] = [];
  /** Ids in the order in which `next` gave them out. */
  readonly given: string[] = [];
  #lease: Lease = { epoch: 1, ownerToken: 'me', lastSeq: 0 };

  constructor(settings: readonly number[]) {
    this.state = new TenantState(optionsOf(settings));
    Object.assign(this.database.lease, { epoch: 1, ownerToken: 'me' });
  }

  async run(command: Command): Promise<boolean> {
    const decision = decide(this.state, command, this.now, () => idOf(this.made));
    if (isRejection(decision)) return false;
    for (const event of decision.events) {
      const batch = new Batch(this.#lease.lastSeq);
      this.state.apply(event);
      while (!this.state.stepRebuild(1000, this.now));
      batch.add(event, this.state);
      assert.deepEqual(await this.stores.journal.commit(this.#lease, [event]), { kind: 'committed' });
      this.#lease = { ...this.#lease, lastSeq: batch.toSeq };
      const { toSeq } = batch;
      assert.ok(await this.stores.projection.project({ ...batch, fromSeq: toSeq - 1, toSeq }));
    }
    return decision.events.length > 0;
  }

  async passTo(now: Instant): Promise<void> {
    const { deadlines, table } = this.state;
    while (deadlines.earliest <= now) {
      this.now = Math.max(this.now, deadlines.earliest);
      const slot = deadlines.pop();
      const due = table.isOpen(slot) ? dueCommand(this.state, table.idOf(slot), this.now) : undefined;
      if (due !== undefined) await this.run(due);
    }
    this.now = now;
  }

  async create(choice: number, more: object = {}): Promise<void> {
    const body = { businessValue: choice % 20, attributes: { kind: choice % 4 }, ...more };
    const draft = parseDraft(JSON.parse(JSON.stringify(body)), {
      now: this.now,
      attributesBytesMax: 1000,
      tenantId: 't',
    });
    assert.ok(!isRejection(draft));
    if (await this.run({ type: 'create', draft, mode: 'create' })) this.made++;
  }

  async take(agentId: string): Promise<void> {
    const best = this.state.queue.best(this.now);
    if (best < 0) return;
    const id = this.state.table.idOf(best);
    await this.run({ type: 'next', agentId });
    this.given.push(id);
    this.busy.push(id);
  }

  async finish(): Promise<void> {
    const id = this.busy.shift();
    if (id !== undefined) await this.run({ type: 'complete', id });
  }

  async publish(bundle: SettingsBundle): Promise<void> {
    await this.run({ type: 'importSettings', contents: contentsOf(bundle) });
  }

  copy(): StateCopy {
    const copier = new StateCopier(this.state);
    const copy = new StateCopy();
    while (!copy.isWhole) copy.add(copier.slice()!);
    return copy;
  }

  item(n: number): WorkItem {
    return this.state.documents.get(idOf(n)) as WorkItem;
  }
}

interface Report {
  journal: { events: number; shortened: boolean };
  approximate: { updated: number; missing: number };
  decisions: { taken: number; different: number; nothingToGive: number; examples: object[] };
  waiting: Record<'before' | 'after', { handedOut: number; p50Seconds: number; p95Seconds: number; missed: number }>[];
  sla: { deadlines: { before: number; after: number }; missed: { before: number; after: number } };
  stillQueued: { before: number; after: number };
}

async function replayed(past: Past, settings: readonly number[], draft: SettingsBundle, more = {}): Promise<Report> {
  const question = {
    copy: past.copy(),
    copiedAt: past.now,
    draft,
    hours: 24,
    top: 5,
    eventsMax: 1e6,
    options: optionsOf(settings),
  };
  return (await replayJournal({ ...question, ...more }, past.stores, () => {})) as unknown as Report;
}

const numbers = fc.array(fc.nat(1000), { minLength: 5, maxLength: 5 });
const step = fc.record({ kind: fc.nat(9), number: fc.nat(10_000), minutes: fc.nat(6) });
const scenario = fc.record({
  settings: numbers,
  draft: numbers,
  steps: fc.array(step, { minLength: 5, maxLength: 60 }),
});

/** Items come, agents take and finish, at the same times whatever the settings are. */
async function simpleDay(
  settings: readonly number[],
  steps: { kind: number; number: number; minutes: number }[],
): Promise<Past> {
  const past = new Past(settings);
  for (const { kind, number, minutes } of steps) {
    await past.passTo(past.now + minutes * minute);
    if (kind < 5)
      await past.create(number, number % 3 === 0 ? { dueDateTime: new Date(past.now + (number % 70) * minute) } : {});
    else if (kind < 8) await past.take(`agent-${number % 3}`);
    else await past.finish();
  }
  await past.passTo(past.now + minute);
  return past;
}

/** Waits and misses straight from the items: no event was needed to know them. */
function measured(past: Past) {
  const items = Array.from({ length: past.made }, (_, n) => past.item(n));
  const takenAt = (item: WorkItem) => item.assignedDateTime ?? Number.POSITIVE_INFINITY;
  const waits = items
    .filter((item) => takenAt(item) < Number.POSITIVE_INFINITY)
    .map((item) => takenAt(item) - item.createdDateTime);
  const deadlineOf = (item: WorkItem) => {
    const sla = past.state.categories.resolve(item.category as string).slaMs;
    return sla === undefined ? (item.dueDateTime as number) : item.createdDateTime + sla;
  };
  const due = items.filter((item) => deadlineOf(item) <= past.now);
  const missed = due.filter((item) => takenAt(item) > deadlineOf(item)).length;
  return { waits: waits.reduce((sum, wait) => sum + wait, 0) / 1000, deadlines: due.length, missed };
}

test('a replay under a draft is the day as it would have been: the same as living it under the draft, on 150 random days', async () => {
  const property = fc.asyncProperty(scenario, async ({ settings, draft, steps }) => {
    const past = await simpleDay(settings, steps);
    fc.pre(past.made > 0);
    const truth = await simpleDay(draft, steps);
    const report = await replayed(past, settings, settingsOf(draft));
    const different = past.given.filter((id, n) => id !== truth.given[n]).length;
    assert.deepEqual(
      [report.decisions.taken, report.decisions.different, report.decisions.nothingToGive],
      [past.given.length, different, 0],
    );
    for (const [side, lived] of [
      ['before', past],
      ['after', truth],
    ] as const) {
      const { deadlines, missed } = measured(lived);
      assert.deepEqual([report.sla.deadlines[side], report.sla.missed[side]], [deadlines, missed], side);
      assert.equal(report.stillQueued[side], lived.state.queue.size);
      const handedOut = report.waiting.reduce((sum, line) => sum + line[side].handedOut, 0);
      assert.equal(handedOut, lived.given.length);
    }
  });
  await fc.assert(property, { numRuns: 150, includeErrorInReport: true });
});

const commands = [
  'hold',
  'resume',
  'cancel',
  'reject',
  'restart',
  'assign',
  'unassign',
  'activate',
  'reprioritize',
  'move',
] as const;

/** Anything may happen to any item. */
async function wildDay(
  settings: readonly number[],
  steps: { kind: number; number: number; minutes: number }[],
): Promise<Past> {
  const past = new Past(settings);
  for (const { kind, number, minutes } of steps) {
    await past.passTo(past.now + minutes * minute);
    const later = (by: number) => new Date(past.now + by * minute).toISOString();
    const id = idOf(number % Math.max(1, past.made));
    if (kind < 3) {
      await past.create(number, {
        ...(number % 5 === 0 && { activationDateTime: later(number % 30) }),
        ...(number % 7 === 0 && { expirationDateTime: later(31 + (number % 60)) }),
      });
    } else if (kind < 5) await past.take(`agent-${number % 3}`);
    else if (kind < 6) await past.finish();
    else if (kind === 6) await past.run({ type: 'update', id, patch: { businessValue: number % 33 } });
    else if (kind === 7 && number % 4 === 0)
      await past.publish({ prioritization: schemas([number, number >> 2, number >> 4]) });
    else {
      const type = commands[number % commands.length];
      await past.run({ type, id, agentId: 'x', priority: number % 50, category: ['a', 'b'][number % 2], reason: 'r' });
    }
  }
  await past.passTo(past.now + minute);
  return past;
}

test('a replay under the settings that were in force all the time decides as they did, from wherever it starts', async () => {
  const property = fc.asyncProperty(scenario, fc.integer({ min: 1, max: 60 }), async ({ settings, steps }, minutes) => {
    const past = await wildDay(
      settings,
      steps.filter(({ kind }) => kind !== 7),
    );
    fc.pre(past.database.lease.lastSeq > 0);
    const whole = await replayed(past, settings, settingsOf(settings));
    const part = await replayed(past, settings, settingsOf(settings), {
      eventsMax: Math.ceil(past.database.lease.lastSeq / 2),
    });
    const recent = await replayed(past, settings, settingsOf(settings), { hours: minutes / 60 });
    for (const report of [whole, part, recent]) {
      const { different, nothingToGive, examples } = report.decisions;
      assert.deepEqual({ different, nothingToGive, examples }, { different: 0, nothingToGive: 0, examples: [] });
      for (const { before, after } of report.waiting) assert.deepEqual(before, after);
      assert.equal(report.sla.missed.before, report.sla.missed.after);
      assert.equal(report.stillQueued.before, report.stillQueued.after);
    }
    assert.equal(whole.journal.events, past.database.lease.lastSeq);
    assert.equal(whole.stillQueued.before, past.state.queue.size, 'the past ends where the tenant is');
    assert.equal(part.journal.shortened, past.database.lease.lastSeq > 1);
  });
  await fc.assert(property, { numRuns: 150, includeErrorInReport: true });
});

test('settings that changed within the window change for what was; the draft holds throughout for what would have been', async () => {
  const first = [0, 0, 0, 0, 0];
  // Value counts the other way round.
  const second = [0, 0, 2, 2, 0];
  const day = async (changes: boolean, begins: readonly number[]) => {
    const past = new Past(first);
    await past.publish({ prioritization: schemas(begins) });
    for (let n = 0; n < 12; n++) await past.create(n * 7);
    await past.take('x');
    if (changes) await past.publish({ prioritization: schemas(second) });
    for (let n = 0; n < 5; n++) await past.take('x');
    await past.passTo(past.now + minute);
    return past;
  };
  const past = await day(true, first);
  for (const numbers of [first, second]) {
    const truth = await day(false, numbers);
    const { decisions } = await replayed(past, first, { prioritization: schemas(numbers) });
    const different = past.given.filter((id, n) => id !== truth.given[n]).length;
    assert.deepEqual([decisions.taken, decisions.different], [6, different]);
    assert.ok(different > 0, 'the day is one on which it matters');
  }
});
