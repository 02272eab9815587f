import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationMsMax, formatDuration, parseDuration } from './duration.js';

const hour = 3_600_000;

test('weeks, days, hours, minutes and seconds add up, with a sign in front', () => {
  assert.equal(parseDuration('PT8H'), 8 * hour);
  assert.equal(parseDuration('P2W'), 14 * 24 * hour);
  assert.equal(parseDuration('P1W1DT1H1M1.5S'), (8 * 24 + 1) * hour + 61_500);
  assert.equal(parseDuration('-PT15M'), -900_000);
  assert.equal(parseDuration('+PT15M'), 900_000);
  assert.equal(parseDuration('PT0.0019S'), 1);
  assert.equal(parseDuration('PT36H'), 36 * hour);
  assert.ok(Object.is(parseDuration('-PT0S'), 0));
});

test('what has no fixed length, no part or no order is refused', () => {
  const refused = [
    '',
    'P',
    'PT',
    'P1DT',
    'P1Y',
    'P1M',
    'P1Y2M',
    '8H',
    'PT8',
    'PT1M1H',
    'P1D1W',
    'PT1.5H',
    'PT.5S',
    'PT1.S',
  ];
  refused.push('PT-8H', '--PT8H', 'pt8h', 'PT8H ', 'PT1,5S', 'Infinity', 'PT1e3S', 'P999999999D', 'PT1234567890H');
  for (const text of refused) assert.equal(parseDuration(text), undefined, text);
});

test('a duration longer than all times the engine knows is refused', () => {
  const days = durationMsMax / (24 * hour);
  assert.equal(parseDuration(`P${days}D`), durationMsMax);
  assert.equal(parseDuration(`P${days}DT0.001S`), undefined);
  assert.equal(parseDuration(`-P${days}D`), -durationMsMax);
});

test('a duration written is the duration read again', () => {
  assert.equal(formatDuration(0), 'PT0S');
  assert.equal(formatDuration(26 * hour), 'P1DT2H');
  assert.equal(formatDuration(-1), '-PT0.001S');
  fc.assert(
    fc.property(fc.integer({ min: -durationMsMax, max: durationMsMax }), (ms) => {
      assert.equal(parseDuration(formatDuration(ms)), ms);
    }),
    { numRuns: 5000 },
  );
});
