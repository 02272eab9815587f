import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deadlines } from './deadlines.js';

test('deadlines come earliest first, whatever order they were added in', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(50), { nil: -1 }), { maxLength: 300 }), (steps) => {
      const deadlines = new Deadlines();
      const model: number[] = [];
      steps.forEach((time, slot) => {
        if (time >= 0) {
          deadlines.add(time, slot);
          model.push(time);
        } else if (model.length > 0) {
          model.sort((a, b) => a - b);
          const slot = deadlines.pop();
          assert.equal(steps[slot], model.shift(), 'the slot that was added with the earliest time');
        }
        assert.equal(deadlines.size, model.length);
        assert.equal(deadlines.earliest, model.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...model));
      });
    }),
    { numRuns: 500 },
  );
});

test('ten thousand deadlines come out in order', () => {
  const deadlines = new Deadlines();
  for (let n = 0; n < 10_000; n++) deadlines.add((n * 7919) % 10_007, n);
  let last = -1;
  while (deadlines.size > 0) {
    const time = deadlines.earliest;
    assert.equal((deadlines.pop() * 7919) % 10_007, time);
    assert.ok(time > last);
    last = time;
  }
});
