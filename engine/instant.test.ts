import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatInstant, parseInstant } from './instant.js';

const first = Date.UTC(1970, 0, 1);
const last = Date.UTC(2201, 0, 1) - 1;

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** The wall time of an instant at an offset, written as a source somewhere else would. */
function written(ms: number, offsetMinutes: number): string {
  const sign = offsetMinutes < 0 ? '-' : '+';
  const size = Math.abs(offsetMinutes);
  const local = new Date(ms + offsetMinutes * 60_000).toISOString().slice(0, -1);
  return `${local}${sign}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

test('an instant is read as Date reads it, at every offset, for 10,000 random instants', () => {
  fc.assert(
    fc.property(fc.integer({ min: first, max: last }), fc.integer({ min: -1439, max: 1439 }), (ms, offset) => {
      assert.equal(parseInstant(new Date(ms).toISOString()), ms);
      const text = written(ms, offset);
      assert.equal(parseInstant(text), Date.parse(text));
      assert.equal(formatInstant(ms), new Date(ms).toISOString());
    }),
    { numRuns: 10_000 },
  );
});

test('every day of the years 1970 to 2200 is a day, and no other day is', () => {
  for (let year = 1970; year <= 2200; year++) {
    for (let month = 1; month <= 12; month++) {
      const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
      const at = (day: number) => parseInstant(`${year}-${pad(month)}-${pad(day)}T00:00Z`);
      for (let day = 1; day <= days; day++) assert.equal(at(day), Date.UTC(year, month - 1, day));
      assert.equal(at(0), undefined);
      assert.equal(at(days + 1), undefined);
    }
  }
});

test('seconds may be left out and a fraction is cut to milliseconds', () => {
  assert.equal(parseInstant('2026-03-01T09:30Z'), Date.UTC(2026, 2, 1, 9, 30));
  assert.equal(parseInstant('2026-03-01T09:30+01:00'), Date.UTC(2026, 2, 1, 8, 30));
  assert.equal(parseInstant('2026-03-01T09:30:15Z'), Date.UTC(2026, 2, 1, 9, 30, 15));
  assert.equal(parseInstant('2026-03-01T09:30:15.9Z'), Date.UTC(2026, 2, 1, 9, 30, 15, 900));
  assert.equal(parseInstant('2026-03-01T09:30:15.123999999-00:30'), Date.UTC(2026, 2, 1, 10, 0, 15, 123));
});

test('a text that is not an instant with date, time and offset is refused', () => {
  const refused = [
    '',
    'infinity',
    '-infinity',
    'now',
    '2026-03-01',
    '2026-03-01T09:30',
    '2026-03-01T09:30:00',
    '2026-03-01 09:30:00Z',
    '2026-03-01t09:30:00Z',
    '2026-03-01T09:30:00z',
    '2026-03-01T24:00:00Z',
    '2026-03-01T09:60:00Z',
    '2026-03-01T09:30:60Z',
    '2026-13-01T09:30:00Z',
    '2026-00-01T09:30:00Z',
    '2026-02-29T09:30:00Z',
    '2100-02-29T09:30:00Z',
    '2026-03-01T09:30:00.Z',
    '2026-03-01T09:30:00,5Z',
    '2026-03-01T09:30:Z',
    '2026-03-01T09:30:00+1:00',
    '2026-03-01T09:30:00+24:00',
    '2026-03-01T09:30:00+01:60',
    '2026-03-01T09:30:00+0100',
    '2026-03-01T09:30:00+01:00 ',
    '2026-03-01T09:30:00ZZ',
    ' 2026-03-01T09:30:00Z',
    '2026-03-01T09:3\u0661:00Z',
    '-2026-03-01T09:30:00Z',
    '+300000-01-01T00:00:00Z',
    '300000-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '1969-12-31T23:59:59.999Z',
    '2201-01-01T00:00:00Z',
    '2200-12-31T23:59:00-00:01',
    `2026-03-01T09:30:00.${'1'.repeat(100)}Z`,
  ];
  for (const text of refused) assert.equal(parseInstant(text), undefined, text);
});

test('the edges of the range count in UTC, whatever the offset', () => {
  assert.equal(parseInstant('1969-12-31T23:00:00-01:00'), 0);
  assert.equal(parseInstant('2201-01-01T00:59:59.999+01:00'), last);
});

test('any text at all is either refused or what Date reads too', () => {
  const digits = fc.stringMatching(
    /^[0-9]{4}-[0-3][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9](:[0-6][0-9])?(Z|[+-][0-2][0-9]:[0-6][0-9])$/,
  );
  fc.assert(
    fc.property(fc.oneof(digits, fc.string()), (text) => {
      const ms = parseInstant(text);
      assert.ok(ms === undefined || ms === Date.parse(text), text);
    }),
    { numRuns: 10_000 },
  );
});
