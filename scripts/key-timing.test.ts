import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyTiming, tMax } from './key-timing.js';

test('the statistic sees a comparison that stops at the first difference', () => {
  const stopping = (real: string) => (key: string) => {
    for (let at = 0; at < real.length; at++) if (real[at] !== key[at]) return undefined;
    return real;
  };
  keyTiming(5000, stopping);
  const t = keyTiming(30_000, stopping);
  assert.ok(Math.abs(t) > tMax * 4, String(t));
});
