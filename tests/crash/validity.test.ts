import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fault, measureStalls } from './faults.js';
import { voidReasons } from './validity.js';

const plan = { server: 2, postgres: 1, redis: 0 };
const fault = (kind: Fault['kind'], landed = true, at = 0): Fault => ({ kind, at, landed, stallMs: 0 });
const faults = [fault('server'), fault('server'), fault('postgres')];

test('a run counts with enough load when every planned fault has landed', () => {
  assert.deepEqual(voidReasons({ operationsPerSecond: 500, faults, plan }), []);
});

test('a run with too little load is void', () => {
  assert.match(voidReasons({ operationsPerSecond: 499.4, faults, plan }).join(), /^499 operations\/s/);
});

test('a run without faults, or with a fault that did not land, is void', () => {
  const none = { server: 0, postgres: 0, redis: 0 };
  assert.match(voidReasons({ operationsPerSecond: 900, faults: [], plan: none }).join(), /no fault/);
  const missed = [fault('server'), fault('server', false), fault('postgres')];
  assert.match(voidReasons({ operationsPerSecond: 900, faults: missed, plan }).join(), /1 of 2 kills of server/);
});

test('a stall is the longest silence between a fault and the next', () => {
  const measured = [fault('server', true, 10), fault('redis', true, 100)];
  measureStalls(measured, [5, 12, 50, 99, 101, 103, 110]);
  assert.deepEqual(
    measured.map(({ stallMs }) => stallMs),
    [49, 7],
  );
});
