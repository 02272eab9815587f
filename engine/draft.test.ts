import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { faultsMax } from './content.js';
import { parseDraft, type Reading } from './draft.js';
import { clockSkewMs } from './limits.js';
import { isRejection, type Rejection } from './rejection.js';
import type { Draft } from './work-item.js';

const now = Date.UTC(2026, 2, 1, 10);
const iso = (ms: number) => new Date(ms).toISOString();

function read(value: unknown, at: Partial<Reading> = {}): Draft {
  const draft = parseDraft(value, { now, ...at });
  assert.ok(!isRejection(draft), JSON.stringify(draft));
  return draft;
}

function refused(value: unknown, at: Partial<Reading> = {}): Rejection {
  const rejection = parseDraft(value, { now, ...at });
  assert.ok(isRejection(rejection), 'accepted');
  return rejection;
}

function codes(value: unknown): Record<string, string> {
  return Object.fromEntries(refused(value).faults!.map(({ pointer, code }) => [pointer, code]));
}

test('every field of a draft is read, times become milliseconds, attributes become text', () => {
  const draft = read({
    captureId: 'c-1',
    category: 'noise/street',
    businessValue: -12.5,
    customerSegment: 'gold',
    departmentId: 'NYPD',
    channel: 'phone',
    createdDateTime: '2026-03-01T09:00:00Z',
    dueDateTime: '2026-03-01T09:00:00-05:00',
    expirationDateTime: '2026-03-01T09:00:00.001Z',
    sourceVersion: 0,
    attributes: { b: [1, -0, 'x'], a: null },
  });
  assert.deepEqual(draft, {
    captureId: 'c-1',
    category: 'noise/street',
    businessValue: -12.5,
    customerSegment: 'gold',
    departmentId: 'NYPD',
    channel: 'phone',
    createdDateTime: now - 3_600_000,
    dueDateTime: now + 4 * 3_600_000,
    expirationDateTime: now - 3_600_000 + 1,
    sourceVersion: 0,
    attributes: '{"b":[1,0,"x"],"a":null}',
    fingerprint: draft.fingerprint,
  });
  assert.match(draft.fingerprint, /^[0-9a-f]{16}$/);
});

test('an empty object is a draft: everything has a default', () => {
  assert.equal(read({}).attributes, '{}');
  assert.deepEqual(Object.keys(read({})), ['attributes', 'fingerprint']);
});

test('what is not an object is refused', () => {
  for (const value of [null, [], 'x', 1, true]) assert.equal(refused(value).faults?.[0]?.pointer, '');
});

test('all faults come at once, each with its pointer', () => {
  assert.deepEqual(
    codes({
      captureId: '',
      category: '/x',
      businessValue: '12',
      customerSegment: 'g'.repeat(257),
      dueDateTime: '2026-03-01',
      sourceVersion: 1.5,
      attributes: { deep: { n: 9007199254740992 } },
      nonsense: 1,
    }),
    {
      '/captureId': 'invalid-value',
      '/category': 'invalid-value',
      '/businessValue': 'invalid-value',
      '/customerSegment': 'invalid-value',
      '/dueDateTime': 'invalid-value',
      '/sourceVersion': 'invalid-value',
      '/attributes/deep/n': 'unsafe-number',
      '/nonsense': 'unknown-field',
    },
  );
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`unknown${i}`, i]));
  assert.equal(refused(many).faults?.length, faultsMax);
});

test('an unknown field is answered with the nearest known name, a field of the engine with the reason', () => {
  const detail = (name: string) => refused({ [name]: 'x' }).detail;
  assert.match(detail('departmentID'), /did you mean departmentId/);
  assert.match(detail('dueDatetime'), /did you mean dueDateTime/);
  assert.match(detail('captureID'), /did you mean captureId/);
  assert.match(detail('chanel'), /did you mean channel/);
  assert.match(detail('complaintType'), /belong into attributes/);
  for (const name of ['id', 'status', 'version', 'priority', 'assignedTo', 'error']) {
    assert.match(detail(name), /set by the engine/);
  }
  assert.equal(codes(JSON.parse('{"__proto__":{"a":1}}'))['/__proto__'], 'unsafe-key');
  assert.equal(codes({ constructor: 1 })['/constructor'], 'unknown-field');
});

test('the tenant may be named only if it is the right one', () => {
  assert.ok(!('tenantId' in read({ tenantId: 'acme' }, { tenantId: 'acme' })));
  assert.equal(refused({ tenantId: 'evil' }, { tenantId: 'acme' }).faults?.[0]?.pointer, '/tenantId');
  assert.equal(refused({ tenantId: 'acme' }).faults?.[0]?.pointer, '/tenantId');
});

test('times that Postgres reads differently are refused', () => {
  for (const text of [
    'infinity',
    '-infinity',
    'now',
    '+300000-01-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-03-01',
  ]) {
    assert.deepEqual(codes({ activationDateTime: text }), { '/activationDateTime': 'invalid-value' });
  }
  assert.deepEqual(codes({ activationDateTime: now }), { '/activationDateTime': 'invalid-value' });
});

test('an item is not created in the future and does not expire before it was created', () => {
  assert.equal(read({ createdDateTime: iso(now + clockSkewMs) }).createdDateTime, now + clockSkewMs);
  assert.deepEqual(codes({ createdDateTime: iso(now + clockSkewMs + 1) }), { '/createdDateTime': 'invalid-value' });
  const born = { createdDateTime: iso(now - 10) };
  assert.deepEqual(codes({ ...born, expirationDateTime: iso(now - 10) }), { '/expirationDateTime': 'invalid-value' });
  read({ ...born, expirationDateTime: iso(now - 9) });
});

test('a draft without a creation time reads the same whenever it comes', () => {
  assert.equal(read({ expirationDateTime: iso(now - 1) }).expirationDateTime, now - 1);
});

test('numbers have bounds and -0 is 0', () => {
  for (const businessValue of [1e9 + 1, -1e9 - 1, Number.POSITIVE_INFINITY, JSON.parse('1e400')]) {
    assert.deepEqual(codes({ businessValue }), { '/businessValue': 'invalid-value' });
  }
  assert.ok(Object.is(read({ businessValue: -0 }).businessValue, 0));
  assert.ok(Object.is(read({ sourceVersion: -0 }).sourceVersion, 0));
  assert.equal(read({ businessValue: 1e9 }).businessValue, 1e9);
  for (const sourceVersion of [-1, 0.5, 2 ** 53, '1']) {
    assert.deepEqual(codes({ sourceVersion }), { '/sourceVersion': 'invalid-value' });
  }
});

test('texts with NUL or half a character are refused', () => {
  assert.deepEqual(codes({ captureId: 'a\0', departmentId: 'x\ud800y' }), {
    '/captureId': 'unsafe-text',
    '/departmentId': 'unsafe-text',
  });
});

test('a category is a path of names', () => {
  for (const category of ['a', 'noise/street', 'A-1/b_2/c.3']) read({ category });
  for (const category of ['', '/', 'a/', '/a', 'a//b', 'a b', 'ä', 'a/b/c/d/e/f/g/h/i', 'x'.repeat(65), 'a\n', 5]) {
    assert.deepEqual(codes({ category }), { '/category': 'invalid-value' }, String(category));
  }
});

test('attributes are bounded in bytes, not characters', () => {
  const attributes = { text: 'ä'.repeat(45) };
  const bytes = Buffer.byteLength(JSON.stringify(attributes));
  assert.equal(read({ attributes }, { attributesBytesMax: bytes }).attributes, JSON.stringify(attributes));
  const rejection = refused({ attributes }, { attributesBytesMax: bytes - 1 });
  assert.equal(rejection.code, 'too-large');
  assert.equal(rejection.faults?.[0]?.pointer, '/attributes');
  for (const value of [[], 'x', 1]) assert.deepEqual(codes({ attributes: value }), { '/attributes': 'invalid-value' });
  const deep = JSON.parse(`{"attributes":{"a":${'['.repeat(1e6)}${']'.repeat(1e6)}}}`);
  assert.equal(refused(deep).code, 'too-deep');
});

test('any JSON object comes back from the attributes as it went in', () => {
  const storable = fc.dictionary(
    fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__' && !key.includes('\0')),
    fc.oneof(
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((n) => n + 0),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
      fc.array(fc.record({ constructor: fc.boolean(), n: fc.nat() })),
    ),
  );
  fc.assert(
    fc.property(storable, (given) => {
      const attributes = JSON.parse(JSON.stringify(given));
      assert.deepEqual(JSON.parse(read({ attributes }).attributes), attributes);
    }),
    { numRuns: 2000 },
  );
});

test('the fingerprint is of what was meant, not of how it was written', () => {
  const print = (value: unknown) => read(value, { tenantId: 't' }).fingerprint;
  const one = print({ captureId: 'a', dueDateTime: '2026-03-01T10:00:00Z', attributes: { x: 1, y: { z: [1, 2] } } });
  const same = { attributes: { y: { z: [1, 2] }, x: 1 }, dueDateTime: '2026-03-01T11:00+01:00', captureId: 'a' };
  assert.equal(print(same), one);
  assert.equal(print({ ...same, channel: null, tenantId: 't' }), one);
  assert.equal(print({ attributes: {} }), print({}));
  assert.equal(print({ attributes: null }), print({}));
  const others = [
    {},
    { ...same, captureId: 'b' },
    { ...same, dueDateTime: '2026-03-01T11:00:00.001+01:00' },
    { captureId: 'a', sourceDueDateTime: same.dueDateTime, attributes: same.attributes },
    { ...same, attributes: { y: { z: [2, 1] }, x: 1 } },
    { ...same, attributes: {} },
    { ...same, departmentId: 'a' },
    { ...same, processId: 'a' },
    { ...same, businessValue: 0 },
    { ...same, sourceVersion: 0 },
  ];
  assert.equal(new Set([one, ...others.map(print)]).size, others.length + 1);
});
