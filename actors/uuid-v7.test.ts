import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestRuntime } from './test-runtime.js';
import { uuidV7 } from './uuid-v7.js';

test('ids sort by creation: within a millisecond, over many, and when the clock is set back', () => {
  const runtime = new TestRuntime();
  const newId = uuidV7(runtime);
  const ids: string[] = [];
  for (const shift of [0, 0, 1, 5, -3_600_000, 7_200_000]) {
    runtime.wallShiftMs = shift;
    for (let n = 0; n < 5000; n++) ids.push(newId());
  }
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('an id tells the millisecond of its creation', () => {
  const runtime = new TestRuntime(Date.UTC(2026, 5, 1, 12));
  const id = uuidV7(runtime)();
  assert.equal(Number.parseInt(id.replace('-', '').slice(0, 12), 16), runtime.now());
});
