import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDraft } from '../engine/draft.js';
import { compilePrioritization } from '../engine/prioritization.js';
import { isRejection } from '../engine/rejection.js';
import { compileRule, viewOf } from '../engine/rule.js';
import { cityItems } from './city-items.js';
import { drawRequests, loadFrequencies } from './city-requests.js';
import { cityCategories, citySchemas } from './city-settings.js';
import { measure } from './measure-city.js';
import { readNyc311, requestOf } from './nyc-311.js';

const besideTheCheckout = fileURLToPath(new URL('../../../shared/data/nyc-311-2022-05-01.csv', import.meta.url));
const file = process.env.NYC_311_CSV ?? besideTheCheckout;
const skip = existsSync(file) ? false : `${file} is not here; set NYC_311_CSV to an NYC 311 export`;

test("the city's day is read whole", {
  skip: process.env.NYC_311_CSV ? 'NYC_311_CSV is another day' : skip,
}, async () => {
  const { requests, problems } = await readNyc311(file);
  assert.equal(requests.length, 924);
  assert.deepEqual(problems, []);
  assert.equal(new Set(requests.map(({ key }) => key)).size, 924);
  const first = requests[0]!;
  assert.equal(new Date(first.created).toISOString(), '2022-05-01T04:00:03.000Z');
  assert.equal(first.complaintType, 'Noise - Residential');
  assert.equal(first.address, '1006 GERARD AVENUE');
  assert.equal(first.latitude, 40.83065331987539);
  assert.deepEqual(measure(requests, loadFrequencies().source), loadFrequencies(), 'the shipped table is of this file');
});

test('an export of the city gives one work item a row, the last one created now', { skip }, async () => {
  const { requests } = await readNyc311(file);
  const now = Date.parse('2026-01-02T03:04:05Z');
  const items = cityItems(requests, { now, run: 'r' });
  assert.equal(items.length, requests.length);
  assert.equal(items.at(-1)!.createdDateTime, '2026-01-02T03:04:05.000Z');
  const gaps = (times: number[]) => times.slice(1).map((time, i) => time - times[i]!);
  const created = requests.map((request) => request.created).sort((a, b) => a - b);
  assert.deepEqual(gaps(items.map(({ createdDateTime }) => Date.parse(createdDateTime))), gaps(created));
});

test('the same seed draws the same requests, another seed others', () => {
  assert.deepEqual(drawRequests(500, 7), drawRequests(500, 7));
  assert.notDeepEqual(drawRequests(500, 7), drawRequests(500, 8));
  assert.equal(drawRequests(2000, 1).length, 2000);
});

test('drawn requests come as often as in the table, by type, agency, hour, borough and channel', () => {
  const table = loadFrequencies();
  const count = 50_000;
  const drawn = drawRequests(count, 42, table);
  const again = measure(drawn, 'drawn');
  const check = (name: string, seen: number, expected: number) => {
    const share = expected / table.requests;
    // Five standard deviations of a draw with this share: a right generator fails once in a million names.
    const deviation = 5 * Math.sqrt((share * (1 - share)) / count) + 1e-9;
    assert.ok(Math.abs(seen / count - share) <= deviation, `${name}: ${seen / count}, expected ${share}`);
  };
  for (const kind of table.types) {
    const seen = again.types.find(({ type, agency }) => type === kind.type && agency === kind.agency);
    for (const [hour, n] of Object.entries(kind.hours)) {
      check(`${kind.type} ${kind.agency} ${hour}`, seen?.hours[hour] ?? 0, n);
    }
  }
  for (const [borough, n] of Object.entries(table.boroughs)) check(borough, again.boroughs[borough] ?? 0, n);
  for (const [channel, n] of Object.entries(table.channels)) check(channel, again.channels[channel] ?? 0, n);
  assert.ok(again.secondsFrom >= table.secondsFrom && again.secondsTo <= table.secondsTo);
});

test('the shipped table is small and holds no request', () => {
  const text = readFileSync(new URL('../../examples/city-frequencies.json', import.meta.url), 'utf8');
  assert.ok(Buffer.byteLength(text) < 60_000);
  assert.doesNotMatch(text, /AVENUE|STREET |\d{8}|40\.\d{4}/);
});

test('business value counts the like requests of the hour before', () => {
  const request = (key: string, minute: number, borough = 'BRONX') => ({
    key,
    created: minute * 60_000,
    complaintType: 'Rodent',
    agency: 'DOHMH',
    borough,
    channel: 'PHONE',
  });
  const items = cityItems([request('c', 60), request('a', 0), request('b', 30), request('d', 61, 'QUEENS')], {
    now: 0,
    run: 'r',
  });
  assert.deepEqual(
    items.map(({ captureId, businessValue }) => [captureId, businessValue]),
    [
      ['nyc-311/r/a', 1],
      ['nyc-311/r/b', 2],
      ['nyc-311/r/c', 2],
      ['nyc-311/r/d', 1],
    ],
  );
  assert.equal(items[0]!.customerSegment, 'phone');
});

test('a faulty row is told with its line and harms no other; a file of another kind is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'iwd-nyc-'));
  try {
    const good = join(folder, 'good.csv');
    writeFileSync(
      good,
      '\ufeffUnique Key,Created Date,Agency,Complaint Type,Descriptor\r\n' +
        '1,05/01/2022 01:00:00 PM,DOT,"Street, Condition","a ""quoted""\nline"\r\n' +
        '2,2022-05-01,DOT,Street Condition,\r\n' +
        '3,05/01/2022 01:00:01 PM,DOT,Street Condition,\r\n',
    );
    const { requests, problems } = await readNyc311(good);
    assert.deepEqual(
      requests.map(({ key, descriptor }) => [key, descriptor]),
      [
        ['1', 'a "quoted"\nline'],
        ['3', undefined],
      ],
    );
    assert.equal(problems.length, 1);
    assert.equal(problems[0]!.line, 4);
    assert.match(problems[0]!.detail, /Created Date is "2022-05-01"/);
    const other = join(folder, 'other.csv');
    writeFileSync(other, 'a,b\n1,2\n');
    await assert.rejects(readNyc311(other), /no NYC 311 export: the columns Unique Key/);
    await assert.rejects(readNyc311(join(folder, 'none.csv')), /ENOENT/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a row without a required column is refused by name', () => {
  assert.equal(
    requestOf({ 'Unique Key': '1', 'Created Date': 'x', Agency: '', 'Complaint Type': 'y' }),
    'Agency is empty',
  );
});

/** The path of the first category whose rule is true, level by level: DESIGN's rule, written as plainly as possible. */
function classify(item: unknown): string {
  const draft = parseDraft(item, { now: Date.now() });
  assert.ok(!isRejection(draft), JSON.stringify(draft));
  const view = viewOf(draft, true);
  const hit = (parent: string | null): string[] => {
    const found = cityCategories
      .filter((category) => category.parent === parent && category.rule)
      .find(({ rule }) => {
        const compiled = compileRule(rule!);
        assert.ok(!('error' in compiled), JSON.stringify([rule, compiled]));
        return compiled.matches(view);
      });
    return found ? [found.id, ...hit(found.id)] : [];
  };
  return hit(null).join('/');
}

test('the engine takes the schemas, and every category has a schema of them or inherits one', () => {
  const compiled = compilePrioritization({ schemas: citySchemas });
  assert.ok('prioritization' in compiled, JSON.stringify(compiled));
  const ids = new Set(citySchemas.map(({ id }) => id));
  for (const { id, parent, schema } of cityCategories) {
    assert.ok(schema ? ids.has(schema) : cityCategories.some((one) => one.id === parent && one.schema), id);
  }
});

test('every complaint of the measured day finds the category that a city would expect', () => {
  const items = cityItems(drawRequests(3000, 3), { now: Date.now(), run: 'r' });
  const byType = new Map(items.map((item) => [`${item.attributes.complaintType} ${item.departmentId}`, item]));
  const expected: Record<string, string> = {
    'Noise - Residential NYPD': 'noise/residential',
    'Noise - Street/Sidewalk NYPD': 'noise/street',
    'Noise - Helicopter EDC': 'noise/vehicle',
    'Illegal Parking NYPD': 'parking',
    'Blocked Driveway NYPD': 'parking/driveway',
    'Illegal Fireworks NYPD': 'hazard/fireworks',
    'Food Poisoning DOHMH': 'hazard/public-health',
    'Traffic Signal Condition DOT': 'hazard/traffic',
    'Encampment NYPD': 'people',
    'Homeless Person Assistance DHS': 'people',
    'Missed Collection DSNY': 'sanitation/collection',
    'Rodent DOHMH': 'inspection/rodents',
    'Street Condition DOT': 'streets',
    'Drinking NYPD': 'police',
    'Taxi Complaint TLC': 'other',
  };
  const found = Object.fromEntries(
    Object.keys(expected).map((kind) => [kind, byType.get(kind) && classify(byType.get(kind))]),
  );
  assert.deepEqual(found, expected);
  for (const item of byType.values()) assert.notEqual(classify(item), '');
});
