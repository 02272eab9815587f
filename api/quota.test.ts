import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TenantQuotas } from '../actors/ports.js';
import { apiKeys } from './api-keys.js';
import { ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

function serverWith(quotas: Record<string, TenantQuotas>, overloadMs: Record<string, number> = {}) {
  const engine = new ScriptedEngine();
  const keys = ['acme', 'other'].map((tenantId) => ({ key: `key-${tenantId}`, tenantId, name: 'crm' }));
  const server = buildServer({
    engine,
    tenants: apiKeys(keys),
    limits: { quotasOf: (tenantId) => quotas[tenantId], overloadMs: (tenantId) => overloadMs[tenantId] ?? 0 },
    loop: { p99Ms: () => 0 },
  });
  const ask = (tenantId: string, url = '/iwd/v3/queue') =>
    server.inject({ url, headers: { 'x-api-key': `key-${tenantId}` } });
  return { engine, server, ask };
}

test('a tenant beyond its requests a second gets 429 with RateLimit fields, and the engine hears nothing of it', async () => {
  const { engine, server, ask } = serverWith({ acme: { requestsPerSecond: 2 } });
  const answers = [await ask('acme'), await ask('acme'), await ask('acme')];
  assert.deepEqual(
    answers.map(({ statusCode }) => statusCode),
    [200, 200, 429],
  );
  assert.equal(answers[0]!.headers['ratelimit-policy'], '"requests";q=2;w=1');
  assert.equal(answers[0]!.headers.ratelimit, '"requests";r=1;t=1');
  const refused = answers[2]!;
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(refused.headers.ratelimit, '"requests";r=0;t=1');
  const { code, quota, limit } = refused.json();
  assert.deepEqual([code, quota, limit], ['quota-exceeded', 'requestsPerSecond', 2]);
  assert.equal(engine.asked.length, 2);
  const other = await ask('other');
  assert.deepEqual([other.statusCode, other.headers.ratelimit], [200, undefined]);
  const health = await server.inject('/livez');
  assert.equal(health.statusCode, 200);
  await server.close();
});

test('a tenant that has more waiting than it can do is refused by the front, the others are not', async () => {
  const { engine, server, ask } = serverWith({}, { acme: 80 });
  const refused = await ask('acme');
  assert.deepEqual([refused.statusCode, refused.json().code], [429, 'too-many-requests']);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal((await ask('other')).statusCode, 200);
  assert.equal(engine.asked.length, 1);
  await server.close();
});
