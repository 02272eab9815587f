import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from './queue.js';

test('the queue bench runs at a small size and measures every operation', () => {
  const rows = run({ sizes: [2000], probes: 200 });
  const measures = rows.map(({ measure }) => measure);
  for (const name of [
    're-order whole',
    're-order sliced, longest slice',
    're-key one by id, p99',
    'pass a day',
    'memory',
  ]) {
    assert.ok(
      measures.some((measure) => measure.startsWith(name)),
      name,
    );
  }
  for (const { measure, value } of rows) assert.ok(Number.isFinite(value) && value >= 0, measure);
});
