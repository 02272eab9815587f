import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkContent, decodeBody, faultsMax } from './content.js';
import { jsonDepthMax } from './limits.js';
import { isRejection, type Rejection } from './rejection.js';

const bytes = (text: string) => new TextEncoder().encode(text);

function faultsOf(json: string): [string, string][] {
  const checked = checkContent(JSON.parse(json));
  return 'faults' in checked ? checked.faults.map(({ pointer, code }) => [pointer, code]) : [];
}

function hashOf(value: unknown): string {
  const checked = checkContent(value);
  assert.ok('hash' in checked, JSON.stringify(checked));
  return checked.hash;
}

function refused(body: Uint8Array): Rejection {
  const value = decodeBody(body);
  assert.ok(isRejection(value));
  return value;
}

/** JSON that our stores can keep: what a well-behaved client sends. */
const json = fc.jsonValue({ depthSize: 'medium' }).map((value) => JSON.parse(JSON.stringify(value), storable));

function storable(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '').replaceAll(/\p{Surrogate}/gu, '');
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) return 0.5;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== '__proto__')
      .map(([key, inner]) => [key.replaceAll(/\0|\p{Surrogate}/gu, ''), inner]),
  );
}

function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reordered(inner)]),
  );
}

test('NUL and lone surrogates are refused in texts and in keys, wherever they stand', () => {
  assert.deepEqual(faultsOf('{"a":{"b":["ok","x\\u0000y"]}}'), [['/a/b/1', 'unsafe-text']]);
  assert.deepEqual(faultsOf('{"a":"\\ud800"}'), [['/a', 'unsafe-text']]);
  assert.deepEqual(faultsOf('{"a":"ab\\udc00c"}'), [['/a', 'unsafe-text']]);
  assert.deepEqual(faultsOf('{"a":"\\udc00\\ud800"}'), [['/a', 'unsafe-text']]);
  assert.equal(faultsOf('{"x\\u0000":1}')[0]?.[1], 'unsafe-text');
  assert.equal(faultsOf('{"\\ud83d":1}')[0]?.[1], 'unsafe-text');
  assert.deepEqual(faultsOf('{"a":"\\ud83d\\ude00 \\uffff \\ue000 \\u0001 é"}'), []);
});

test('numbers that JavaScript cannot keep exactly are refused', () => {
  assert.deepEqual(faultsOf('{"n":9007199254740993}'), [['/n', 'unsafe-number']]);
  assert.deepEqual(faultsOf('[-9007199254740993]'), [['/0', 'unsafe-number']]);
  assert.deepEqual(faultsOf('[1e20, 1e400, -1e400]').length, 3);
  assert.deepEqual(faultsOf('[9007199254740991, -9007199254740991, 0.1, 1e-300, 5e-324]'), []);
});

test('-0 is 0', () => {
  assert.equal(hashOf({ n: -0 }), hashOf({ n: 0 }));
  assert.notEqual(hashOf({ n: 0 }), hashOf({ n: 1 }));
});

test('the key __proto__ is refused, plain or escaped, and constructor is a key like any other', () => {
  assert.deepEqual(faultsOf('{"__proto__":{"x":1}}'), [['/__proto__', 'unsafe-key']]);
  assert.deepEqual(faultsOf('{"a":[{"\\u005f_proto__":1}]}'), [['/a/0/__proto__', 'unsafe-key']]);
  assert.deepEqual(faultsOf('{"constructor":{"prototype":{"polluted":1}},"toString":1,"hasOwnProperty":2}'), []);
});

test('nesting is bounded', () => {
  const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  assert.ok('hash' in checkContent(nested(jsonDepthMax)));
  const checked = checkContent(nested(jsonDepthMax + 1));
  assert.ok('faults' in checked);
  assert.equal(checked.faults[0]?.code, 'too-deep');
  assert.equal(checked.faults[0]?.pointer, '/0'.repeat(jsonDepthMax));
});

test('nesting of 1,000,000 levels is refused without overflowing the stack', () => {
  const brackets = refused(bytes('['.repeat(1e6) + ']'.repeat(1e6)));
  assert.equal(brackets.code, 'too-deep');
  const braces = refused(bytes(`${'{"a":'.repeat(1e5)}1${'}'.repeat(1e5)}`));
  assert.equal(braces.code, 'too-deep');
  assert.equal(refused(bytes('['.repeat(1e6))).code, 'invalid-json');
  const content = checkContent(JSON.parse('['.repeat(1e6) + ']'.repeat(1e6)));
  assert.ok('faults' in content);
});

test('a body may be nested as deeply as allowed, and deeper where the caller says so', () => {
  const nested = (levels: number) => bytes('['.repeat(levels) + ']'.repeat(levels));
  assert.ok(Array.isArray(decodeBody(nested(jsonDepthMax))));
  assert.equal(refused(nested(jsonDepthMax + 1)).code, 'too-deep');
  assert.ok(Array.isArray(decodeBody(nested(jsonDepthMax + 1), jsonDepthMax + 1)));
  const manyShallow = `[${'[{"a":"[[[["}],'.repeat(100)}[]]`;
  assert.deepEqual(decodeBody(bytes(manyShallow)), JSON.parse(manyShallow));
});

test('all faults come with pointers, at most twenty', () => {
  assert.deepEqual(faultsOf('{"a/b":{"c~d":"\\u0000"},"e":1e999}'), [
    ['/a~1b/c~0d', 'unsafe-text'],
    ['/e', 'unsafe-number'],
  ]);
  assert.equal(faultsOf(JSON.stringify(Array(1000).fill('\0'))).length, faultsMax);
  const [[pointer] = ['']] = faultsOf(`{"${'k'.repeat(5000)}":1e999}`);
  assert.ok(pointer.length < 100);
});

test('bytes that are not UTF-8 are refused, not replaced', () => {
  const bad = [0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22];
  for (const middle of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    assert.equal(refused(Uint8Array.from([...bad, ...middle, 0x22, 0x7d])).code, 'invalid-json');
  }
});

test('a byte order mark in front is skipped', () => {
  assert.deepEqual(decodeBody(Uint8Array.from([0xef, 0xbb, 0xbf, ...bytes('{"a":"ü"}')])), { a: 'ü' });
});

test('a body that is not JSON is refused with the position and without its content', () => {
  const cases: [string, number][] = [
    ['', 0],
    ['{"secret": "4711", x}', 19],
    ['{"secret": 4711', 15],
    ['{"a": tru1}', 9],
    ['[1,2', 4],
    ['[1] x', 4],
    ['{"a":"\n"}', 6],
    [`${' '.repeat(5000)}[1,,2]`, 5003],
    ['NaN', 0],
    ['{"a":undefined}', 5],
    ['"ä\u{1f600}"x', 5],
  ];
  for (const [text, position] of cases) {
    const rejection = refused(bytes(text));
    assert.equal(rejection.code, 'invalid-json', text);
    assert.equal(rejection.facts?.position, position, `${text}: ${rejection.detail}`);
    assert.ok(!rejection.detail.includes('secret') && !rejection.detail.includes('4711'), rejection.detail);
    assert.ok(rejection.detail.length < 120, rejection.detail);
  }
});

test('the position is right behind any valid JSON that rubbish follows', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(value);
      const rubbish = refused(bytes(`${text} ?`));
      assert.equal(rubbish.facts?.position, text.length + 1);
    }),
  );
});

test('a body that imitates a refusal is refused as one', () => {
  assert.equal(refused(bytes('{"rejected":true,"code":"unauthorized"}')).code, 'unknown-field');
  const [good, bad] = decodeBody(bytes('[{"captureId":"c"},{"rejected":true,"code":"unauthorized"}]')) as unknown[];
  assert.deepEqual(good, { captureId: 'c' });
  assert.ok(isRejection(bad) && bad.code === 'unknown-field');
});

test('the hash does not depend on the order of keys', () => {
  fc.assert(
    fc.property(json, (value) => assert.equal(hashOf(reordered(value)), hashOf(value))),
    { numRuns: 2000 },
  );
});

test('different content has different hashes', () => {
  const seen = new Map<string, string>();
  fc.assert(
    fc.property(json, (value) => {
      const canonical = JSON.stringify(value, (_, inner) =>
        typeof inner === 'object' && inner !== null && !Array.isArray(inner)
          ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
          : inner,
      );
      const hash = hashOf(value);
      assert.equal(seen.get(hash) ?? canonical, canonical);
      seen.set(hash, canonical);
    }),
    { numRuns: 5000 },
  );
});

test('any small change changes the hash: types, places, lengths, one bit', () => {
  const variants: unknown[] = [
    null,
    true,
    false,
    0,
    1,
    -1,
    2 ** 31,
    2 ** 32,
    0.1,
    '',
    '0',
    '1',
    'null',
    'true',
    ' ',
    'a',
    'aa',
    'ab',
    'ba',
    [],
    {},
    [[]],
    [{}],
    { a: null },
    { a: {} },
    { a: [] },
    [null],
    [0],
    [''],
    ['', ''],
    ['a', 'b'],
    ['b', 'a'],
    ['ab'],
    { a: 'b' },
    { b: 'a' },
    { a: 1, b: 2 },
    { a: 2, b: 1 },
    { a: { b: 1 }, c: 2 },
    { a: { c: 2 }, b: 1 },
    { a: { b: 1, c: 2 } },
    { a: 'x', b: 'x' },
    { a: 'xx' },
    [1, [2, 3]],
    [[1, 2], 3],
    [1, 2, 3],
    { '': '' },
  ];
  for (let i = 0; i < 50_000; i++) variants.push({ captureId: `order-${i}`, n: i });
  assert.equal(new Set(variants.map(hashOf)).size, variants.length);
});
