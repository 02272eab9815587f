import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateLimiter } from './rate-limit.js';

class Clock {
  now = 1000;
  readonly limiter = new RateLimiter(() => this.now);
}

test('a tenant without quotas is never held, and hears of none', () => {
  const { limiter } = new Clock();
  for (let i = 0; i < 1000; i++) {
    assert.deepEqual(limiter.admit('t', { openItems: 5, requestsPerSecond: 0 }, 1e9), {
      fields: undefined,
      problem: undefined,
    });
  }
  assert.equal(limiter.admit('t', undefined, 1).problem, undefined);
});

test('a second’s worth of requests may come at once, then one for each part of a second; tenants do not share', () => {
  const clock = new Clock();
  const quotas = { requestsPerSecond: 10 };
  const admit = (tenant = 't') => clock.limiter.admit(tenant, quotas, 0);
  assert.deepEqual(admit().fields, { 'ratelimit-policy': '"requests";q=10;w=1', ratelimit: '"requests";r=9;t=1' });
  for (let i = 1; i < 10; i++) assert.equal(admit().problem, undefined);
  const { problem, fields } = admit();
  assert.equal(problem?.code, 'quota-exceeded');
  assert.deepEqual(problem?.facts, { quota: 'requestsPerSecond', limit: 10 });
  assert.equal(problem?.retryAfterSeconds, 0.1);
  assert.equal(fields?.ratelimit, '"requests";r=0;t=1');
  assert.equal(admit('other').problem, undefined);
  clock.now += 100;
  assert.equal(admit().problem, undefined);
  assert.equal(admit().problem?.code, 'quota-exceeded');
});

test('a body larger than a second’s bytes is let in, and its debt is waited for', () => {
  const clock = new Clock();
  const quotas = { payloadBytes: 1000 };
  const { fields, problem } = clock.limiter.admit('t', quotas, 3000);
  assert.equal(problem, undefined);
  assert.equal(fields?.['ratelimit-policy'], '"bytes";q=1000;w=1;qu="content-bytes"');
  assert.equal(fields?.ratelimit, '"bytes";r=0;t=3');
  clock.now += 1900;
  assert.deepEqual(clock.limiter.admit('t', quotas, 1).problem?.facts, { quota: 'payloadBytes', limit: 1000 });
  clock.now += 200;
  assert.equal(clock.limiter.admit('t', quotas, 1).problem, undefined);
});

test('however requests are spread, no stretch of time lets in more than its share and a second’s worth', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 }),
      (quota, pauses) => {
        const clock = new Clock();
        const admittedAt: number[] = [];
        for (const ms of pauses) {
          clock.now += ms;
          if (!clock.limiter.admit('t', { requestsPerSecond: quota }, 0).problem) admittedAt.push(clock.now);
        }
        for (const [i, from] of admittedAt.entries()) {
          for (const [j, until] of admittedAt.entries()) {
            if (j >= i) assert.ok(j - i + 1 <= quota + (quota * (until - from)) / 1000 + 1e-6);
          }
        }
      },
    ),
  );
});
