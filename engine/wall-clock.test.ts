import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDay, parseWallClock } from './wall-clock.js';

test('a time of day is HH:MM up to 24:00', () => {
  assert.equal(parseWallClock('00:00'), 0);
  assert.equal(parseWallClock('08:30'), 8.5 * 3_600_000);
  assert.equal(parseWallClock('24:00'), 24 * 3_600_000);
  for (const text of ['24:01', '25:00', '8:30', '08:60', '08:30:00', '-1:00', '', ' 08:30']) {
    assert.equal(parseWallClock(text), undefined, text);
  }
});

test('a day is one that its month has, counted from 1970-01-01, in the years of the engine', () => {
  assert.equal(parseDay('1970-01-01'), 0);
  assert.equal(parseDay('2024-02-29'), Date.UTC(2024, 1, 29) / 86_400_000);
  for (const text of [
    '2026-02-29',
    '2026-13-01',
    '2026-04-31',
    '1969-12-31',
    '2201-01-01',
    '2026-1-1',
    '2026-01-01T',
  ]) {
    assert.equal(parseDay(text), undefined, text);
  }
});
