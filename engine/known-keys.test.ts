import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KnownKeys } from './known-keys.js';

const keyCount = 300_000;

function filled(): KnownKeys {
  const keys = new KnownKeys();
  for (let i = 0; i < keyCount; i++) keys.add(`order-${i}`);
  return keys;
}

test('a key that was added is never denied, over several layers and through a snapshot', () => {
  const keys = filled();
  const copy = KnownKeys.fromBuffers(keys.toBuffers().map((buffer) => Uint8Array.from(buffer)));
  assert.ok(copy);
  assert.ok(keys.toBuffers().length > 3);
  for (let i = 0; i < keyCount; i++) assert.ok(keys.mayHave(`order-${i}`) && copy.mayHave(`order-${i}`));
  assert.equal(copy.size, keys.size);
});

test('a key that was never added is denied in all but a few cases of a thousand', () => {
  const keys = filled();
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) if (keys.mayHave(`case-${i}`)) wrong++;
  assert.ok(wrong < 400, `${wrong} of 100,000`);
  assert.ok(keys.size > keyCount * 0.99);
});

test('any texts, added in any order and more than once, are known', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
      const keys = new KnownKeys();
      for (const text of [...texts, ...texts]) keys.add(text);
      for (const text of texts) assert.ok(keys.mayHave(text));
      assert.ok(keys.size <= new Set(texts).size);
    }),
  );
});

test('a snapshot goes on growing where it was taken and does not share its memory', () => {
  const keys = filled();
  const copy = KnownKeys.fromBuffers(keys.toBuffers())!;
  for (let i = keyCount; i < 2 * keyCount; i++) copy.add(`order-${i}`);
  for (let i = 0; i < 2 * keyCount; i++) assert.ok(copy.mayHave(`order-${i}`));
  assert.ok(keys.size < copy.size);
});

test('buffers of another shape are refused', () => {
  const buffers = new KnownKeys().toBuffers();
  assert.ok(KnownKeys.fromBuffers(buffers));
  assert.equal(KnownKeys.fromBuffers([]), undefined);
  assert.equal(KnownKeys.fromBuffers(buffers.slice(0, 1)), undefined);
  assert.equal(KnownKeys.fromBuffers([...buffers, new Uint8Array(8)]), undefined);
  assert.equal(KnownKeys.fromBuffers([buffers[0]!, new Uint8Array(100)]), undefined);
});
