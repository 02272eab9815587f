import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { missing, query } from '../stores/conformance/test-database.js';
import { BusinessTime } from './business-time.js';
import { type CalendarDocument, weekdays } from './calendar.js';

const minute = 60_000;
const minutesMax = 3 * 24 * 60;
const zones = ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Chatham', 'UTC'];
const changes = ['2026-03-08', '2026-11-01', '2026-03-29', '2026-10-25', '2026-04-04', '2026-10-03', '2025-12-24'];

/** Counts the minutes whose wall clock, by Postgres' own rules of time zones, lies inside the hours. */
const openMinutes = `
  SELECT c.n, count(*)::int AS minutes
    FROM unnest($1::int[], $2::text[], $3::float8[], $4::int[], $5::int[], $6::int[], $7::int[])
           AS c (n, zone, from_ms, minutes, weekdays, opens, closes),
         generate_series(0, c.minutes - 1) AS g,
         LATERAL (SELECT (to_timestamp(c.from_ms / 1000) + g * interval '1 minute') AT TIME ZONE c.zone AS wall) AS w
   WHERE c.weekdays & (1 << (extract(isodow FROM wall)::int - 1)) > 0
     AND extract(hour FROM wall) * 60 + extract(minute FROM wall) >= c.opens
     AND extract(hour FROM wall) * 60 + extract(minute FROM wall) < c.closes
   GROUP BY c.n`;

interface Case {
  zone: string;
  from: number;
  minutes: number;
  weekdays: number;
  hours: [number, number];
}

const oneCase: fc.Arbitrary<Case> = fc.record({
  zone: fc.constantFrom(...zones),
  from: fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -1440, max: 2880 }))
    .map(([day, minutes]) => Date.parse(`${day}T00:00:00Z`) + minutes * minute),
  minutes: fc.integer({ min: 1, max: minutesMax }),
  weekdays: fc.integer({ min: 1, max: 127 }),
  hours: fc.tuple(fc.nat(1440), fc.nat(1440)).filter(([opens, closes]) => opens < closes),
});

function calendarOf({ zone, weekdays: bits, hours }: Case): CalendarDocument {
  const [from, to] = hours.map(clockText);
  const open = weekdays.filter((_, at) => bits & (1 << at));
  return { id: 'c', timeZone: zone, weekly: open.map((day) => ({ day, from, to })) };
}

function clockText(minutes: number): string {
  return `${`${Math.floor(minutes / 60)}`.padStart(2, '0')}:${`${minutes % 60}`.padStart(2, '0')}`;
}

test('business time is the number of minutes that Postgres, with its own time zones, finds open', {
  skip: missing('TEST_DATABASE_URL'),
}, async () => {
  const cases = fc.sample(oneCase, 500);
  const rows = await query(process.env.TEST_DATABASE_URL as string, openMinutes, [
    cases.map((_, n) => n),
    cases.map(({ zone }) => zone),
    cases.map(({ from }) => from),
    cases.map(({ minutes }) => minutes),
    cases.map((one) => one.weekdays),
    cases.map(({ hours }) => hours[0]),
    cases.map(({ hours }) => hours[1]),
  ]);
  assert.ok(rows.length > 100, 'most cases have open minutes');
  const counted = new Map(rows.map(({ n, minutes }) => [n, minutes]));
  for (const [n, one] of cases.entries()) {
    const time = new BusinessTime(calendarOf(one));
    const minutes = time.between(one.from, one.from + one.minutes * minute) / minute;
    assert.equal(minutes, counted.get(n) ?? 0, JSON.stringify(one));
  }
});
