import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type TimeReader, timeReader } from './wall-time.js';

function reader(format: string, zone: string): TimeReader {
  const read = timeReader(format, zone);
  assert.ok(typeof read === 'function', String(read));
  return read;
}

const city = reader('MM/DD/YYYY hh:mm:ss AM', 'America/New_York');
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

test("the city's times are read in New York's time, summer and winter", () => {
  assert.equal(iso(city('05/01/2022 12:00:03 AM')), '2022-05-01T04:00:03.000Z');
  assert.equal(iso(city('05/01/2022 12:00:03 PM')), '2022-05-01T16:00:03.000Z');
  assert.equal(iso(city('12/31/2022 11:59:59 PM')), '2023-01-01T04:59:59.000Z');
});

test('in the hour that exists twice the first is meant, in the hour left out the time after the jump', () => {
  assert.equal(iso(city('11/06/2022 01:30:00 AM')), '2022-11-06T05:30:00.000Z');
  assert.equal(iso(city('11/06/2022 02:00:00 AM')), '2022-11-06T07:00:00.000Z');
  assert.equal(iso(city('03/13/2022 01:59:59 AM')), '2022-03-13T06:59:59.000Z');
  assert.equal(iso(city('03/13/2022 02:30:00 AM')), '2022-03-13T07:30:00.000Z');
  assert.equal(iso(city('03/13/2022 03:00:00 AM')), '2022-03-13T07:00:00.000Z');
});

test('what is no time is refused', () => {
  for (const text of [
    '',
    '02/30/2022 01:00:00 AM',
    '05/01/2022 13:00:00 AM',
    '05/01/2022 00:00:00 AM',
    '5/1/22',
    'x',
  ]) {
    assert.equal(city(text), undefined, text);
  }
  assert.equal(reader('YYYY-MM-DD HH:mm', 'UTC')('2022-05-01 24:00'), undefined);
});

test('any instant that a zone shows once is read back', () => {
  const read = reader('YYYY-MM-DD HH:mm:ss', 'Europe/Berlin');
  const show = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Berlin', dateStyle: 'short', timeStyle: 'medium' });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (second) => {
      const back = read(show.format(second * 1000));
      // The second pass of the doubled hour is read as the first one, an hour earlier.
      assert.ok(back === second * 1000 || back === second * 1000 - 3_600_000, `${second} ${back}`);
      assert.equal(show.format(back), show.format(second * 1000));
    }),
  );
});

test('a faulty format or zone is explained', () => {
  assert.match(String(timeReader('MM/DD hh:mm AM', 'UTC')), /lacks YYYY/);
  assert.match(String(timeReader('YYYY-MM-DD hh:mm', 'UTC')), /belong together/);
  assert.match(String(timeReader('YYYY-MM-DD MM', 'UTC')), /twice/);
  assert.match(String(timeReader('YYYY-MM-DD', 'Mars/Base')), /not a time zone/);
});
