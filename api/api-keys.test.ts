import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiKeys } from './api-keys.js';

test('a key finds its own tenant, and no other text finds any', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), fc.string(), (keys, other) => {
      const tenants = apiKeys(keys.map((key, index) => ({ key, tenantId: `t${index}`, name: `n${index}` })));
      for (const [index, key] of keys.entries()) {
        const { tenantId, name, scope } = tenants.findByKey(key)!;
        assert.deepEqual({ tenantId, name, scope }, { tenantId: `t${index}`, name: `n${index}`, scope: 'tenant' });
      }
      if (!keys.includes(other)) assert.equal(tenants.findByKey(other), undefined);
    }),
  );
});

test('one key for two tenants, an empty key and an overlong one stop the start', () => {
  const entry = (key: string, tenantId = 't') => ({ key, tenantId, name: 'n' });
  assert.throws(() => apiKeys([entry('a', 't1'), entry('a', 't2')]), /twice/);
  assert.throws(() => apiKeys([entry('')]), /characters/);
  assert.throws(() => apiKeys([entry('x'.repeat(513))]), /characters/);
});

test('what is held does not contain the keys', () => {
  const tenants = apiKeys([{ key: 'canary-key', tenantId: 't', name: 'n' }]);
  assert.ok(!JSON.stringify(tenants.findByKey('canary-key')).includes('canary'));
});
