import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ItemTable } from './item-table.js';
import { Places } from './places.js';
import { TimerHeap } from './timer-heap.js';

/** Takes every entry out, earliest first. */
function drained(timers: TimerHeap): [slot: number, time: number][] {
  const entries: [number, number][] = [];
  while (timers.size > 0) {
    entries.push([timers.earliestSlot, timers.earliest]);
    timers.set(timers.earliestSlot, Number.POSITIVE_INFINITY);
  }
  return entries;
}

test('crossings come out by time, whatever was set, moved and taken out while the heap was being ordered', () => {
  const time = fc.oneof(fc.nat(1000), fc.constant(Number.POSITIVE_INFINITY));
  const change = fc.record({ slot: fc.nat(199), time, nodes: fc.nat(3) });
  fc.assert(
    fc.property(
      fc.array(time, { minLength: 60, maxLength: 200, size: 'max' }),
      fc.array(change, { maxLength: 150, size: 'max' }),
      (first, changes) => {
        const timers = new TimerHeap(new Places(new ItemTable()));
        const expected = new Map<number, number>();
        const set = (slot: number, at: number) => {
          timers.set(slot, at);
          if (at === Number.POSITIVE_INFINITY) expected.delete(slot);
          else expected.set(slot, at);
        };
        timers.loosen();
        for (const [slot, at] of first.entries()) set(slot, at);
        for (const { slot, time: at, nodes } of changes) {
          set(slot, at);
          timers.tighten(nodes === 0 ? 1 : 0);
        }
        while (timers.tighten(7) > 0);
        const entries = drained(timers);
        assert.deepEqual(new Map(entries), expected);
        assert.deepEqual(
          entries.map(([, at]) => at),
          [...expected.values()].sort((a, b) => a - b),
        );
      },
    ),
    { numRuns: 800 },
  );
});

test('a heap gives its memory back when it empties, and keeps its order over growing and shrinking', () => {
  const table = new ItemTable();
  table.reserve(200_000);
  const timers = new TimerHeap(new Places(table));
  for (let slot = 0; slot < 200_000; slot++) {
    timers.set(slot, (slot * 7919) % 200_003);
    timers.growStep();
  }
  const full = timers.bytes;
  for (let slot = 0; slot < 199_000; slot++) timers.set(slot, Number.POSITIVE_INFINITY);
  assert.ok(timers.bytes < full / 4);
  const times = drained(timers).map(([, at]) => at);
  assert.equal(times.length, 1000);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});
