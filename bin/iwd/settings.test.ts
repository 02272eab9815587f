import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { cityCategories, citySchemas } from '../../examples/city-settings.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const examples = join(root, 'examples', 'settings-tests');
const folder = mkdtempSync(join(tmpdir(), 'iwd-settings-'));
after(() => rmSync(folder, { recursive: true }));

function iwd(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/bin/iwd.js'), 'settings', ...args], {
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

function written(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : stringify(content));
  return path;
}

const at = '2026-03-02T08:00:00Z';

test('the shipped settings do what their example tests say', () => {
  const files = readdirSync(examples).filter(
    (name) => parse(readFileSync(join(examples, name), 'utf8')).cases !== undefined,
  );
  assert.deepEqual(files.sort(), ['city.yaml', 'default.yaml', 'office.yaml']);
  const { code, out, err } = iwd('test', ...files.map((name) => join(examples, name)));
  assert.equal(code, 0, out + err);
  assert.match(out, /5 of 5 cases are as expected/);
  assert.match(out, /4 of 4 cases are as expected/);
});

test('the example’s settings file is what the demo publishes', () => {
  const file = parse(readFileSync(join(examples, 'city-settings.yaml'), 'utf8'));
  const published = {
    format: 'iwd-settings/1',
    categories: cityCategories,
    prioritization: citySchemas,
    calendars: [],
  };
  assert.deepEqual(file, JSON.parse(JSON.stringify(published)));
});

test('a case that is not as expected is told field by field, and the exit code is 1', () => {
  const cases = [
    { name: 'good', item: {}, at, expect: { category: 'general' } },
    {
      name: 'bad',
      item: { businessValue: 7 },
      at,
      expect: { category: 'special', priority: 7.000001, status: 'queued' },
    },
    { name: 'refused', item: { businesValue: 7 }, at, expect: { category: 'general' } },
  ];
  const { code, out } = iwd('test', written('bad.yaml', { cases }));
  assert.equal(code, 1);
  const lines = out.split('\n');
  assert.equal(lines[0], 'ok   good');
  assert.equal(lines[1], 'FAIL bad');
  assert.equal(lines[2], '       category: expected "special", got "general"');
  assert.equal(lines[3], '       priority: expected 7.000001, got 7');
  assert.equal(lines[4], 'FAIL refused');
  assert.match(lines[5], /would be refused: .*businessValue/);
  assert.equal(lines[6], '1 of 3 cases are as expected');
});

test('--settings puts other settings under the same cases, JSON or YAML', () => {
  const schemas = [{ id: 'flat', origin: 'created', mode: 'step', points: [{ offset: 'PT0S', priority: 9 }] }];
  const categories = [{ id: 'all', parent: null, name: 'All', rule: 'true', schema: 'flat' }];
  const settings = written('settings.json', JSON.stringify({ categories, prioritization: schemas }));
  const cases = written('cases.yaml', { cases: [{ item: {}, at, expect: { category: 'all', priority: 9 } }] });
  assert.equal(iwd('test', cases).code, 1);
  assert.equal(iwd('test', '--settings', settings, cases).code, 0);
});

test('files that cannot be used are told with every fault, and the exit code is 2', () => {
  const faulty = written('faulty.yaml', {
    cases: [
      { item: 5, at: 'tomorrow', expect: { categry: 'x' } },
      { name: 'two', item: {}, at, received: '2026-03-03T08:00:00Z', expect: {}, when: 1 },
    ],
  });
  const { code, err } = iwd('test', faulty);
  assert.equal(code, 2);
  for (const text of [
    'case 1: item: expected the body of POST /workitems',
    'case 1: at: expected an ISO 8601 time',
    'case 1: categry is not known here; did you mean category?',
    'two: expect: expected some of',
    'two: at: expected a time that is not before the item came in',
    'two: when is not known here',
  ]) {
    assert.ok(err.includes(text), `${text} in ${err}`);
  }
  const settings = written('broken.yaml', {
    categories: [{ id: 'a', parent: null, name: 'A', rule: 'item.nope' }],
    x: 1,
  });
  const cases = written('one.yaml', { settings: 'broken.yaml', cases: [{ item: {}, at, expect: { category: 'a' } }] });
  assert.match(iwd('test', cases).err, /broken\.yaml:\n {2}\/x: /);
  assert.equal(iwd('test', '--settings', settings, cases).code, 2);
  assert.equal(iwd('test', join(folder, 'nowhere.yaml')).code, 2);
  assert.equal(iwd('test', written('bomb.yaml', 'a: &a [1]\nb: [*a, *a]')).code, 2);
});
