import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Operation } from './history.js';
import { type Action, after, type ItemState, isSame, type Maybe } from './item-model.js';
import { findFault, type Step, stepsByItem } from './linearizability.js';

const never = Number.POSITIVE_INFINITY;
const queued: ItemState = { status: 'queued', version: 1, agent: null, mark: 1 };
const create: Step = { call: 0, ret: 1, action: { do: 'create', mark: 1 }, seen: queued };

const taken = (agent: string): ItemState => ({ ...queued, status: 'assigned', version: 2, agent });
const take = (call: number, ret: number, agent: string): Step => ({
  ...{ call, ret, action: { do: 'assign', agent } },
  ...(ret !== never && { seen: taken(agent) }),
});
const look = (call: number, ret: number, seen: ItemState): Step => ({ call, ret, action: { do: 'read' }, seen });

const isLinear = (steps: readonly Step[]) => findFault(steps) === undefined;

test('steps that overlap may have happened in either order', () => {
  assert.ok(isLinear([create, take(2, 9, 'a'), look(3, 4, queued)]));
  assert.ok(isLinear([create, take(2, 9, 'a'), look(3, 4, taken('a'))]));
});

test('a step that ended before another began came first', () => {
  assert.ok(!isLinear([create, take(2, 3, 'a'), look(4, 5, queued)]));
  assert.ok(!isLinear([create, look(2, 3, taken('a')), take(4, 5, 'a')]));
});

test('an item that two agents were given has no order', () => {
  const fault = findFault([create, take(2, 5, 'a'), take(3, 6, 'b')]);
  assert.deepEqual(fault?.order.length, 2);
  assert.ok(isLinear([create, take(2, 5, 'a')]));
});

test('an acknowledged create must be seen by everybody who looks later', () => {
  const absent = (call: number): Step => ({ call, ret: call + 1, action: { do: 'absent' } });
  assert.ok(!isLinear([create, absent(2)]));
  assert.ok(isLinear([create, absent(0.5)]));
});

test('what nobody knows may have happened late, or never, but not before it was asked', () => {
  const unknown = take(2, never, 'a');
  assert.ok(isLinear([create, unknown, look(100, 101, queued)]));
  assert.ok(isLinear([create, unknown, look(100, 101, queued), look(102, 103, taken('a'))]));
  assert.ok(!isLinear([create, unknown, look(1.5, 1.8, taken('a'))]));
  assert.ok(!isLinear([create, unknown, look(100, 101, taken('a')), look(102, 103, queued)]));
});

test('a refusal says what the item was, and that this did not allow the command', () => {
  const refuse = (status: ItemState['status'], command: 'assign' | 'hold'): Step => ({
    ...{ call: 4, ret: 5, action: { do: 'refuse', command, status } },
  });
  assert.ok(isLinear([create, take(2, 3, 'a'), refuse('assigned', 'assign')]));
  assert.ok(!isLinear([create, take(2, 3, 'a'), refuse('queued', 'assign')]), 'it was assigned then');
  assert.ok(!isLinear([create, take(2, 3, 'a'), refuse('assigned', 'hold')]), 'an assigned item may be held');
});

const base: Operation = {
  ...{ number: 1, client: 0, action: 'create', captureId: 'c', call: 0, lastCall: 0, ret: 1, attempts: 1, doubtful: 0 },
  answer: { kind: 'done', status: 201, replayed: false, id: 'i', seen: queued },
};
const stepsOf = (...operations: Operation[]) => stepsByItem(operations).get('c')!;

test('an answer from the memory of keys tells of an earlier effect and of the state now', () => {
  const held: ItemState = { status: 'held', version: 3, agent: null, mark: 1 };
  const done = (seen: ItemState, replayed = false) => ({ kind: 'done' as const, status: 200, replayed, id: 'i', seen });
  const next = { ...base, number: 2, action: 'next' as const, agent: 'a', call: 2, lastCall: 6, ret: 7, doubtful: 1 };
  const hold = { ...base, number: 3, action: 'hold' as const, call: 4, lastCall: 4, ret: 5, answer: done(held) };
  assert.ok(isLinear(stepsOf(base, hold, { ...next, answer: done(held, true) })));
  assert.ok(!isLinear(stepsOf(base, hold, { ...next, answer: done(held, false) })), 'not its own effect');
  assert.ok(!isLinear(stepsOf(base, hold, { ...next, call: 6, answer: done(held, true) })), 'held from version 2');
});

test('an attempt that was refused at last may still have had an unknown effect', () => {
  const refused = { kind: 'refused' as const, code: 'illegal-transition', status: 'held' as const };
  const held: ItemState = { ...queued, status: 'held', version: 2 };
  const done = { kind: 'done' as const, status: 200, replayed: false, id: 'i', seen: held };
  const hold = { ...base, number: 2, action: 'hold' as const, call: 2, lastCall: 2, ret: 3, answer: done };
  const again = { ...base, number: 3, action: 'hold' as const, call: 4, lastCall: 6, ret: 7, answer: refused };
  assert.ok(isLinear(stepsOf(base, hold, { ...again, doubtful: 1 })));
  assert.deepEqual(stepsOf(again).length, 1);
  assert.deepEqual(stepsOf({ ...again, doubtful: 1 }).length, 2);
});

test('timers may go off from their instant on', () => {
  const expired: ItemState = { ...queued, status: 'expired', version: 2 };
  const find = (call: number): Operation => ({
    ...{ ...base, number: 2, action: 'get', call, lastCall: call, ret: call + 1 },
    answer: { kind: 'done', status: 200, replayed: false, id: 'i', seen: expired },
  });
  assert.ok(isLinear(stepsOf({ ...base, expirationAt: 5000 }, find(6000))));
  assert.ok(!isLinear(stepsOf({ ...base, expirationAt: 5000 }, find(100))));
  assert.ok(!isLinear(stepsOf(base, find(6000))));
});

const actions: readonly Action[] = [
  { do: 'create', mark: 1 },
  { do: 'update', mark: 2 },
  { do: 'hold' },
  { do: 'resume' },
  { do: 'assign', agent: 'a' },
  { do: 'assign', agent: 'b' },
  { do: 'unassign' },
  { do: 'complete' },
  { do: 'restart' },
  { do: 'reprioritize' },
  { do: 'delete' },
  { do: 'read' },
  { do: 'absent' },
];
const drawnAction = fc.constantFrom(...actions);

/** The steps of an item that really lived: each at one instant inside its interval, some without an answer. */
const lived = fc
  .array(
    fc.record({
      action: drawnAction,
      choice: fc.nat(1),
      before: fc.nat(4),
      behind: fc.nat(4),
      isUnknown: fc.nat(5).map((n) => n === 0),
    }),
    { maxLength: 40 },
  )
  .map((draws) => {
    const steps: Step[] = [];
    let state: Maybe;
    for (const [at, { action, choice, before, behind, isUnknown }] of draws.entries()) {
      const possible = after(state, action);
      if (possible.length === 0) continue;
      state = possible[choice % possible.length];
      const ret = isUnknown ? never : at + behind + 0.5;
      steps.push({ call: at - before, ret, action, ...(!isUnknown && state !== undefined && { seen: state }) });
    }
    return steps;
  });

test('every history that an item can really have is in order', () => {
  fc.assert(
    fc.property(lived, (steps) => assert.equal(findFault(steps), undefined)),
    { numRuns: 1000 },
  );
});

/** All orders of all subsets that leave out only what nobody knows, one by one. */
function isLinearByTrial(left: readonly Step[], state: Maybe = undefined): boolean {
  if (left.every(({ ret }) => ret === never)) return true;
  return left.some((step) => {
    const others = left.filter((other) => other !== step);
    if (others.some(({ ret }) => ret < step.call)) return false;
    return after(state, step.action).some(
      (next) =>
        (step.seen === undefined || (next !== undefined && isSame(next, step.seen))) && isLinearByTrial(others, next),
    );
  });
}

test('the verdict on any small history is the one of trying all orders', () => {
  let [sound, unsound] = [0, 0];
  const drawnStep = fc.record({
    action: drawnAction,
    call: fc.nat(6),
    ms: fc.constantFrom(0, 1, 2, 4, never),
    seen: fc.option(
      fc.record({
        status: fc.constantFrom('queued' as const, 'assigned' as const, 'held' as const),
        version: fc.integer({ min: 1, max: 3 }),
        agent: fc.constantFrom(null, 'a'),
        mark: fc.constantFrom(1, 2),
      }),
      { freq: 2, nil: undefined },
    ),
  });
  const first: Step = { call: 0, ret: never, action: { do: 'create', mark: 1 } };
  fc.assert(
    fc.property(fc.array(drawnStep, { maxLength: 5 }), (draws) => {
      const steps = [first, ...draws.map(({ action, call, ms, seen }) => ({ action, call, ret: call + ms, seen }))];
      const verdict = isLinear(steps);
      if (verdict) sound++;
      else unsound++;
      assert.equal(verdict, isLinearByTrial(steps));
    }),
    { numRuns: 3000 },
  );
  assert.ok(sound > 300 && unsound > 300, `${sound} sound and ${unsound} unsound histories were drawn`);
});
