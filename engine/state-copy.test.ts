import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide } from './decide.js';
import { defaultCategories, defaultSchemas } from './default-settings.js';
import { parseDraft } from './draft.js';
import { isRejection } from './rejection.js';
import { TenantState } from './state.js';
import { StateCopier, StateCopy } from './state-copy.js';

const start = Date.UTC(2026, 0, 1);
const options = {
  tenantId: 't',
  attributesBytesMax: 1000,
  documentBytesMax: 1_000_000,
  categories: defaultCategories,
  schemas: defaultSchemas,
};

/** A state that is changed by numbered steps: items come, change, leave, come back. */
class Live {
  readonly state = new TenantState(options);
  #now = start;
  #made = 0;

  change(choice: number): void {
    this.#now += 1000;
    const ids = this.#made === 0 ? [] : [this.#id((choice >> 3) % this.#made)];
    const [id] = ids;
    if (id === undefined || choice % 8 < 3) this.#create(choice >> 3);
    else if (choice % 8 === 3) this.#run({ type: 'update', id, patch: { businessValue: (choice >> 3) % 97 } });
    else this.#run({ type: (['hold', 'resume', 'complete', 'restart'] as const)[choice % 4], id });
  }

  /** What a copy must say: every open item's columns, in the order of the queue at the end. */
  columns(state: TenantState): unknown {
    const { table } = state;
    const items = [];
    for (let slot = 0; slot < table.slotEnd; slot++) {
      if (!table.isOpen(slot)) continue;
      const { seq, version, status, created, due, businessValue } = table;
      items.push([
        table.idOf(slot),
        ...[seq, version, status, created, businessValue].map((column) => column[slot]),
        String(due[slot]),
        table.categories.textOf(table.category[slot]),
        table.segments.textOf(table.segment[slot]),
      ]);
    }
    items.sort((a, b) => (a[1] as number) - (b[1] as number));
    const order = state.queue.top(this.#now, Number.MAX_SAFE_INTEGER).map((slot) => table.idOf(slot));
    return { items, order, seq: state.seq };
  }

  get now(): number {
    return this.#now;
  }

  #create(choice: number): void {
    const draft = parseDraft(
      { businessValue: choice % 50, customerSegment: choice % 2 === 0 ? 'gold' : undefined },
      { now: this.#now, attributesBytesMax: 1000, tenantId: 't' },
    );
    assert.ok(!isRejection(draft));
    this.#run({ type: 'create', draft, mode: 'create' });
  }

  #id(n: number): string {
    return `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  }

  #run(command: Parameters<typeof decide>[1]): void {
    const decision = decide(this.state, command, this.#now, () => this.#id(this.#made++));
    if (!isRejection(decision)) for (const event of decision.events) this.state.apply(event);
  }
}

/** Copies in parts of `itemsMax` items, with `changes` of the live state after each part, as long as there are any. */
function copyWhileChanging(live: Live, changes: number[][], itemsMax: number): StateCopy {
  const copier = new StateCopier(live.state, itemsMax);
  const copy = new StateCopy();
  for (let turn = 0; !copy.isWhole; turn++) {
    const part = copier.slice();
    assert.ok(part !== undefined, 'the changes end, so the copy does');
    copy.add(structuredClone(part, { transfer: [part.slots.buffer, part.gone.buffer] }));
    if (!copy.isWhole) for (const choice of changes[turn] ?? []) live.change(choice);
  }
  return copy;
}

const choices = fc.array(fc.nat(100_000), { maxLength: 12 });

test('a copy taken while items come, change, leave and come back holds exactly what the state held at its last part', () => {
  const scenario = fc.tuple(
    fc.array(fc.nat(100_000), { maxLength: 60 }),
    fc.array(choices, { maxLength: 8 }),
    fc.integer({ min: 2, max: 12 }),
  );
  fc.assert(
    fc.property(scenario, ([before, during, itemsMax]) => {
      const live = new Live();
      for (const choice of before) live.change(choice);
      const copy = copyWhileChanging(live, during, itemsMax);
      const expected = live.columns(live.state);
      assert.deepEqual(live.columns(copy.open(options, live.now)), expected);
      // What happens to the original later is not in it, nor is what happens to another state of the same copy.
      live.change(1);
      copy.open(options, live.now).restoreSettings({ categories: { version: 9, document: [] } });
      assert.deepEqual(live.columns(copy.open(options, live.now)), expected);
    }),
    { numRuns: 300 },
  );
});

test('a state that changes faster than it is copied is given up', () => {
  const live = new Live();
  for (let n = 0; n < 20; n++) live.change(8 * n);
  const copier = new StateCopier(live.state, 2);
  let part = copier.slice();
  for (let turns = 0; part !== undefined; turns++) {
    assert.ok(turns < 1000, 'the passes have a bound');
    assert.equal(part.end, undefined);
    for (let n = 0; n < 10; n++) live.change(8 * (n % 10) + 3 + 8 * 100 * turns);
    part = copier.slice();
  }
});
