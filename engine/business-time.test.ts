import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BusinessTime } from './business-time.js';
import { type CalendarDocument, weekdays } from './calendar.js';
import { checkCalendars } from './calendar-check.js';
import { CalendarOracle } from './calendar-oracle.js';
import { yearMax } from './limits.js';
import type { Instant } from './work-item.js';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const end = Date.UTC(yearMax + 1, 0, 1);

const zones = [
  'America/New_York',
  'Europe/Berlin',
  // Half an hour of daylight saving time.
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'UTC',
  // Midnight itself is skipped.
  'America/Santiago',
  // A whole day was skipped, 2011-12-30.
  'Pacific/Apia',
  'Pacific/Chatham',
];

/** Days on which clocks change, or change by a day. */
const specialDays = [
  '2026-03-08',
  '2026-11-01',
  '2026-03-29',
  '2026-10-25',
  '2026-04-05',
  '2026-10-04',
  '2026-09-06',
  '2011-12-30',
].map((text) => Date.parse(`${text}T00:00:00Z`));

const weekOf = (from: string, to: string) => weekdays.map((name) => ({ day: name, from, to }));
const office: CalendarDocument = {
  id: 'office',
  timeZone: 'America/New_York',
  weekly: weekOf('09:00', '17:00').slice(0, 5),
  holidays: ['2026-12-25'],
};

const quarters = fc.integer({ min: 0, max: 96 });
const anyHours = fc
  .tuple(fc.constantFrom(...weekdays), quarters, quarters)
  .filter(([, from, to]) => from < to)
  .map(([name, from, to]) => ({ day: name, from: clockText(from), to: clockText(to) }));

const anyCalendar: fc.Arbitrary<CalendarDocument> = fc
  .record({
    id: fc.constant('c'),
    timeZone: fc.constantFrom(...zones),
    weekly: fc.oneof(
      fc.array(anyHours, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(weekOf('00:00', '24:00'), weekOf('00:30', '02:45'), weekOf('09:00', '17:30').slice(0, 5)),
    ),
    holidays: fc.subarray(['2026-03-08', '2026-11-01', '2026-03-30', '2026-12-25', '2011-12-31']),
  })
  .filter((calendar) => 'documents' in checkCalendars({ calendars: [calendar] }));

const anyInstant: fc.Arbitrary<Instant> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...specialDays), fc.integer({ min: -2 * day, max: 3 * day })).map(sumOf),
  },
  { weight: 4, arbitrary: fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) }) },
  { weight: 1, arbitrary: fc.integer({ min: Date.UTC(2018, 0, 1), max: Date.UTC(2031, 0, 1) }) },
);

function sumOf([a, b]: [number, number]): number {
  return a + b;
}

function clockText(quarter: number): string {
  return `${`${quarter >> 2}`.padStart(2, '0')}:${`${(quarter & 3) * 15}`.padStart(2, '0')}`;
}

/** Many cases share a calendar, because both sides remember what they have laid out or walked. */
const pool = fc.sample(anyCalendar, 200).map((calendar) => ({
  calendar,
  time: new BusinessTime(calendar),
  oracle: new CalendarOracle(calendar),
}));
const anyPooled = fc.constantFrom(...pool);

test('in 10,000 random cases business time between two instants is what a walk by the Temporal polyfill counts', () => {
  const span = fc.oneof(fc.integer({ min: -3 * day, max: 3 * day }), fc.integer({ min: -90 * day, max: 90 * day }));
  fc.assert(
    fc.property(anyPooled, anyInstant, span, ({ time, oracle }, from, ms) => {
      assert.equal(time.between(from, from + ms), oracle.between(from, from + ms));
    }),
    { numRuns: 10_000 },
  );
});

test('in 5,000 random cases adding business time leads to the first instant by which it has passed', () => {
  const amount = fc.oneof(
    fc.integer({ min: 1, max: 3 * day }),
    fc.integer({ min: 1, max: 300 }).map((n) => n * minute),
  );
  fc.assert(
    fc.property(anyPooled, anyInstant, amount, ({ time, oracle }, from, ms) => {
      const until = time.add(from, ms);
      assert.equal(oracle.between(from, until), ms);
      assert.equal(oracle.between(from, until - 1), ms - 1);
    }),
    { numRuns: 5000 },
  );
});

test('measured ahead or when asked, the axis is the same in all years, and goes on from one span to the next', () => {
  const anyYear = fc.integer({ min: Date.UTC(1969, 0, 1), max: end + 400 * day });
  fc.assert(
    fc.property(
      fc.constantFrom(...pool.slice(0, 40)),
      fc.array(anyYear, { maxLength: 4 }),
      ({ calendar }, instants) => {
        const ahead = new BusinessTime(calendar);
        for (let steps = 1; !ahead.prepareStep(Date.UTC(2026, 0, 1)); steps++) assert.ok(steps < 60);
        const asked = new BusinessTime(calendar);
        for (const t of instants) {
          const at = asked.at(t);
          assert.equal(ahead.at(t), at);
          assert.equal(ahead.instantOf(at), asked.instantOf(at));
        }
      },
    ),
  );
  for (const { time, oracle } of pool.slice(0, 40)) {
    for (let border = Date.UTC(2020, 0, 1); border < end; border += 1826 * day) {
      const [from, to] = [border - 4 * day, Math.min(border + 4 * day, end)];
      assert.equal(time.between(from, to), oracle.between(from, to));
    }
  }
});

test('minute by minute around every change of the clocks a calendar is open when the clock on the wall says so', () => {
  for (const timeZone of zones) {
    for (const weekly of [weekOf('01:15', '02:45'), weekOf('00:00', '01:30'), weekOf('22:00', '24:00')]) {
      const calendar = { id: 'c', timeZone, weekly };
      const time = new BusinessTime(calendar);
      const oracle = new CalendarOracle(calendar);
      for (const special of specialDays.slice(0, 8)) {
        let open = 0;
        const from = special - 12 * hour;
        for (let t = from; t < special + 36 * hour; t += 15 * minute) {
          assert.equal(time.isOpen(t), oracle.isOpenAt(t), `${timeZone} ${new Date(t).toISOString()}`);
          if (oracle.isOpenAt(t)) open += 15 * minute;
        }
        assert.equal(time.between(from, special + 36 * hour), open);
      }
    }
  }
});

test('an hour that the clocks skip is not open, one that they show twice is open twice', () => {
  const nights = new BusinessTime({ id: 'n', timeZone: 'America/New_York', weekly: weekOf('01:00', '03:00') });
  const nightOf = (text: string) => Date.parse(`${text}T04:00:00Z`);
  assert.equal(nights.between(nightOf('2026-03-07'), nightOf('2026-03-08')), 2 * hour);
  assert.equal(nights.between(nightOf('2026-03-08'), nightOf('2026-03-09')), hour);
  assert.equal(nights.between(nightOf('2026-11-01'), nightOf('2026-11-02')), 3 * hour);
});

test('business time stands still while closed, and the next opening is after the weekend and the holiday', () => {
  const time = new BusinessTime(office);
  const friday17 = Date.parse('2026-12-18T22:00:00Z');
  const monday9 = Date.parse('2026-12-21T14:00:00Z');
  assert.equal(time.between(friday17, monday9), 0);
  assert.equal(time.add(friday17 - hour, 2 * hour), monday9 + hour);
  assert.equal(time.opensAt(friday17), monday9);
  assert.equal(time.opensAt(monday9 + hour), monday9 + hour);
  assert.equal(time.isOpen(monday9 - 1), false);
  assert.equal(time.isOpen(monday9), true);
  assert.equal(time.opensAt(Date.parse('2026-12-24T22:00:00Z')), Date.parse('2026-12-28T14:00:00Z'));
});

test('an amount that ends with the day ends at its closing, not at the next opening', () => {
  const time = new BusinessTime(office);
  assert.equal(time.add(Date.parse('2026-12-18T14:00:00Z'), 8 * hour), Date.parse('2026-12-18T22:00:00Z'));
});

test('a calendar that is always open is the wall clock, whatever the clocks do', () => {
  const always = new BusinessTime({ id: 'a', timeZone: 'Europe/Berlin', weekly: weekOf('00:00', '24:00') });
  fc.assert(
    fc.property(anyInstant, fc.integer({ min: 1, max: 40 * 365 * day }), (from, ms) => {
      assert.equal(always.between(from, from + ms), ms);
      assert.equal(always.add(from, ms), from + ms);
    }),
  );
});

test('outside the engine’s years every calendar is closed, and what never passes is never reached', () => {
  const time = new BusinessTime(office);
  assert.equal(time.between(end, end + 400 * day), 0);
  assert.equal(time.between(-400 * day, 0), 0);
  assert.equal(time.add(end - day, 100 * day), Infinity);
  assert.equal(time.instantOf(time.at(0)), -Infinity);
  assert.equal(time.opensAt(end), undefined);
});
