import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { apiKeys } from './api-keys.js';
import { ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

const engine = new ScriptedEngine();
const tenants = apiKeys([]);
const loop = { p99Ms: () => 0 };
const server = buildServer({ engine, tenants, loop });
after(() => server.close());

test('health answers at the root and under the base path without a key', async () => {
  for (const base of ['', '/iwd/v3']) {
    for (const name of ['livez', 'readyz', 'healthz', 'metrics', 'openapi.json', 'docs']) {
      const response = await server.inject({ url: `${base}/${name}` });
      assert.equal(response.statusCode, 200, name);
    }
  }
});

test('readyz follows the engine and never names a tenant', async () => {
  engine.state = { ready: false, tenants: { acme: 'ready', umbrella: 'recovering' } };
  const response = await server.inject({ url: '/readyz' });
  assert.equal(response.statusCode, 503);
  assert.deepEqual(response.json(), { status: 'not-ready', tenants: { ready: 1, recovering: 1 } });
  assert.equal((await server.inject({ url: '/healthz' })).statusCode, 200);
  engine.state = { ready: true, tenants: { acme: 'ready' } };
  assert.equal((await server.inject({ url: '/readyz' })).statusCode, 200);
});

test('the docs page runs only its own script', async () => {
  const { headers, body } = await server.inject({ url: '/docs' });
  assert.match(String(headers['content-security-policy']), /default-src 'none'; script-src 'sha256-[^']+'/);
  assert.doesNotMatch(body, /https?:\/\//);
});

test('metrics may ask for a token', async () => {
  const own = buildServer({ engine, tenants, loop, settings: { metricsToken: 'scrape-me' } });
  assert.equal((await own.inject({ url: '/metrics' })).statusCode, 401);
  assert.equal((await own.inject({ url: '/metrics', headers: { authorization: 'Bearer scrape-mE' } })).statusCode, 401);
  assert.equal((await own.inject({ url: '/metrics', headers: { authorization: 'Bearer scrape-me' } })).statusCode, 200);
  await own.close();
});
