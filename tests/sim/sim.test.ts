import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FaultKind, scenarioOf } from './scenario.js';
import { minimalTrace, shrink } from './shrink.js';
import { simulate } from './simulation.js';
import { failureText, sweep } from './sweep.js';

/** As many as take about ten seconds on one core; `npm run test:sim` runs 2,000 and more. */
const seeds = 300;
const mutantSeedsMax = 2000;

test('nothing acknowledged is lost, nothing is done twice and the order is exact, whatever fails', async () => {
  const total = await sweep({ seed: 1, seeds });
  assert.equal(total.failedCount, 0, total.failed.map(failureText).join('\n'));
  assert.deepEqual(total.missing, [], 'each kind of fault has happened');
  assert.ok(total.decisions > seeds * 5, 'the order was compared with the oracle often enough');
});

test('a seed does the same every time', async () => {
  const scenario = scenarioOf(7);
  const [first, second] = [await simulate(scenario, true), await simulate(scenario, true)];
  assert.deepEqual(first.trace, second.trace);
  assert.equal(first.hash, second.hash);
  assert.notEqual((await simulate(scenarioOf(8))).hash, first.hash);
});

test('a failed seed is made smaller, and what is left of its trace ends with the violation', async () => {
  const faults: FaultKind[] = ['requestDelay', 'replyDelay'];
  const scenario = { ...scenarioOf(4, 'ack-before-commit'), faults, durationMs: 900 };
  const checker = 'durable-before-visible';
  const small = await shrink(scenario, checker);
  const { durationMs, pods, clients } = small.scenario;
  assert.ok(durationMs < scenario.durationMs);
  assert.deepEqual([small.scenario.faults, pods, clients], [[], 1, 1]);
  assert.ok(small.result.violations.some((violation) => violation.checker === checker));
  assert.match(minimalTrace(small.result).at(-1) as string, /VIOLATION durable-before-visible/);
});

describe('a protocol that is broken on purpose is noticed:', () => {
  for (const mutation of [
    'ack-before-commit',
    'no-fence',
    'keep-memory',
    'check-then-write',
    'no-new-epoch-no-seq-check',
  ] as const) {
    test(mutation, async () => {
      const total = await sweep({ seed: 1, seeds: mutantSeedsMax, mutation, untilFailure: true });
      assert.equal(total.failedCount, 1, `not noticed in ${mutantSeedsMax} seeds`);
    });
  }
});
