import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCalendars } from './calendar-check.js';

const office = {
  id: 'office',
  timeZone: 'Europe/Berlin',
  weekly: [
    { day: 'MO', from: '08:00', to: '12:00' },
    { day: 'MO', from: '12:00', to: '24:00' },
  ],
  holidays: ['2026-12-25'],
};

function faultsOf(body: unknown): Record<string, string> {
  const checked = checkCalendars(body);
  assert.ok('faults' in checked, 'a fault is expected');
  return Object.fromEntries(checked.faults.map(({ pointer, detail }) => [pointer, detail]));
}

test('calendars with hours that touch, end at midnight, and no holidays are taken as they are', () => {
  const plain = { id: 'plain', timeZone: 'UTC', weekly: [{ day: 'SU', from: '00:00', to: '00:01' }] };
  const checked = checkCalendars({ calendars: [office, plain] });
  assert.deepEqual(checked, { documents: [office, plain] });
});

test('each fault of a calendar is reported with the pointer to its field', () => {
  const faults = faultsOf({
    calendars: [
      office,
      {
        id: 'office',
        timeZone: 'Mars/Phobos',
        weekly: [
          { day: 'MO', from: '17:00', to: '08:00' },
          { day: 'XX', from: '8:00', to: '24:30' },
          { day: 'TU', from: '08:00', to: '12:00' },
          { day: 'TU', from: '11:59', to: '13:00' },
        ],
        holidays: ['2026-02-29', 20261225],
        open: true,
      },
    ],
  });
  assert.deepEqual(Object.keys(faults).sort(), [
    '/calendars/1/holidays/0',
    '/calendars/1/holidays/1',
    '/calendars/1/id',
    '/calendars/1/open',
    '/calendars/1/timeZone',
    '/calendars/1/weekly/0/to',
    '/calendars/1/weekly/1/day',
    '/calendars/1/weekly/1/from',
    '/calendars/1/weekly/1/to',
    '/calendars/1/weekly/3',
  ]);
});

test('a calendar without hours, a bare offset as its zone, and a body without a list are faults', () => {
  assert.ok('/calendars/0/weekly' in faultsOf({ calendars: [{ ...office, weekly: [] }] }));
  assert.ok('/calendars/0/timeZone' in faultsOf({ calendars: [{ ...office, timeZone: '+01:00' }] }));
  assert.ok('/calendars' in faultsOf({}));
  assert.ok('' in faultsOf([]));
});
