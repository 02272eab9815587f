import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AttemptLimit, networkOf } from './attempt-limit.js';

const limits = { free: 3, firstWaitMs: 100, waitMsMax: 1000, forgetMs: 5000, namesMax: 100 };

test('the wait is that of a plain count of failures, whatever the order of failures and times', () => {
  const step = fc.record({ name: fc.constantFrom('a', 'b'), afterMs: fc.nat(3000), forget: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const limit = new AttemptLimit(limits);
      const failures: { name: string; at: number }[] = [];
      let now = 0;
      for (const { name, afterMs, forget } of steps) {
        now += afterMs;
        if (forget) {
          limit.forget(name);
          failures.splice(0, failures.length, ...failures.filter((one) => one.name !== name));
        } else {
          limit.fail(name, now);
          failures.push({ name, at: now });
        }
        for (const one of ['a', 'b']) assert.equal(limit.wait(one, now), expectedWait(failures, one, now));
      }
    }),
  );
});

/** Failures since the last pause that was long enough to forget; the last one's wait, less what has passed. */
function expectedWait(failures: { name: string; at: number }[], name: string, now: number): number {
  const times = failures.filter((one) => one.name === name).map(({ at }) => at);
  let count = 0;
  for (const [index, at] of times.entries()) count = index > 0 && at - times[index - 1]! >= 5000 ? 1 : count + 1;
  const wait = count <= 3 ? 0 : Math.min(1000, 100 * 2 ** (count - 4));
  return times.length === 0 ? 0 : Math.max(0, times.at(-1)! + wait - now);
}

test('a failure that was none is taken back', () => {
  const limit = new AttemptLimit(limits);
  for (let n = 0; n < 4; n++) limit.fail('a', 0);
  assert.equal(limit.wait('a', 0), 100);
  limit.forgive('a');
  assert.equal(limit.wait('a', 0), 0);
  limit.fail('a', 0);
  assert.equal(limit.wait('a', 0), 100);
});

test('a flood of names takes no more memory than is allowed, and the newest are remembered', () => {
  const limit = new AttemptLimit(limits);
  for (let n = 0; n < 1000; n++) for (let times = 0; times < 4; times++) limit.fail(`name ${n}`, n);
  assert.equal(limit.size, 100);
  assert.equal(limit.wait('name 999', 999), 100);
  assert.equal(limit.wait('name 0', 0), 0);
});

test('the addresses of one IPv6 network count as one, those of IPv4 each for itself', () => {
  assert.equal(networkOf('2001:db8:1:2::1'), networkOf('2001:0db8:1:2:ffff:1:2:3'));
  assert.notEqual(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'));
  assert.equal(networkOf('::1'), networkOf('::2'));
  assert.equal(networkOf('fe80::1%eth0'), networkOf('fe80::2%eth1'));
  assert.notEqual(networkOf('10.0.0.1'), networkOf('10.0.0.2'));
  assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1');
});
