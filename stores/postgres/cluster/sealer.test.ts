import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyIdOfSealed, parseMasterKey, SealBroken, Sealer } from './sealer.js';

const place = fc.record({ tenantId: fc.string(), field: fc.string() });
const secrets = fc.dictionary(
  fc.string(),
  fc.string({ unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text)),
);

test('what was sealed opens in its own place and in no other', () => {
  const sealer = new Sealer(randomBytes(32));
  fc.assert(
    fc.property(place, place, secrets, (own, other, value) => {
      const sealed = sealer.seal(own, value);
      assert.deepEqual({ ...sealer.open(own, sealed) }, { ...value });
      if (own.tenantId === other.tenantId && own.field === other.field) return;
      assert.throws(() => sealer.open(other, sealed), SealBroken);
    }),
  );
});

test('one changed bit anywhere, or a cut, is noticed', () => {
  const sealer = new Sealer(randomBytes(32));
  const own = { tenantId: 't', field: 'service/iWD' };
  const sealed = sealer.seal(own, { password: 'canary' });
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const other = Buffer.from(sealed);
    other[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => sealer.open(own, other), SealBroken, `bit ${bit}`);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => sealer.open(own, sealed.subarray(0, length)), SealBroken);
  }
});

test('the same secret is never sealed the same, and an envelope shows nothing of it', () => {
  const sealer = new Sealer(randomBytes(32));
  const own = { tenantId: 't', field: 'f' };
  const all = new Set(Array.from({ length: 1000 }, () => sealer.seal(own, { password: 'canary' }).toString('latin1')));
  assert.equal(all.size, 1000);
  for (const one of all) assert.ok(!one.includes('canary'));
});

test('a sealer with the new and the old key opens both and seals with the new one', () => {
  const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
  const own = { tenantId: 't', field: 'f' };
  const [before, both, after] = [new Sealer(oldKey), new Sealer(newKey, oldKey), new Sealer(newKey)];
  const sealed = before.seal(own, { a: 'b' });
  assert.equal(keyIdOfSealed(sealed), before.keyId);
  assert.deepEqual(both.open(own, sealed), { a: 'b' });
  assert.throws(() => after.open(own, sealed), new RegExp(`sealed with master key ${before.keyId}.*${after.keyId}`));
  assert.deepEqual(after.open(own, both.seal(own, { c: 'd' })), { c: 'd' });
});

test('a master key is 32 bytes in hex or base64, and nothing else', () => {
  const key = randomBytes(32);
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    assert.deepEqual(parseMasterKey(` ${key.toString(encoding)}\n`), key);
  }
  for (const wrong of ['', 'short', key.toString('hex').slice(1), randomBytes(31).toString('base64'), 'x'.repeat(64)]) {
    assert.equal(parseMasterKey(wrong), undefined, wrong);
  }
});
