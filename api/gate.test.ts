import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as later, setImmediate as turn } from 'node:timers/promises';
import type { Reply } from '../actors/request.js';
import { apiKeys } from './api-keys.js';
import { EventLoopDelay, Gate } from './gate.js';
import { plainReply, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

const limits = { inFlightMax: 3, bulkInFlightMax: 1, loopDelayMsMax: 100 };
const headers = { 'x-api-key': 'k' };
const tenants = apiKeys([{ key: 'k', tenantId: 'acme', name: 'crm' }]);

test('beyond its bounds the gate refuses, and lets in again what has left', () => {
  const gate = new Gate(limits, { p99Ms: () => 0 });
  assert.equal(gate.admit(true), undefined);
  assert.equal(gate.admit(true)?.code, 'too-many-requests');
  assert.equal(gate.admit(false), undefined);
  assert.equal(gate.admit(false), undefined);
  assert.equal(gate.admit(false)?.code, 'overloaded');
  gate.leave(true);
  assert.equal(gate.admit(true), undefined);
});

test('a drain ends when the last one has left, at once when nobody is in', async () => {
  const gate = new Gate(limits, { p99Ms: () => 0 });
  gate.admit(false);
  gate.admit(false);
  let drained = 0;
  const drains = [gate.drain(), gate.drain()].map((drain) => drain.then(() => drained++));
  gate.leave(false);
  await Promise.resolve();
  assert.equal(drained, 0);
  assert.equal(gate.admit(false)?.code, 'draining');
  gate.leave(false);
  await Promise.all(drains);
  await gate.drain();
  assert.equal(drained, 2);
});

test('pauses that come again and again show in the p99, though most of the time the loop is free', async () => {
  const delay = new EventLoopDelay(400);
  assert.equal(delay.p99Ms(), 0);
  const until = performance.now() + 900;
  while (performance.now() < until) {
    const block = performance.now() + 60;
    while (performance.now() < block);
    await later(100);
  }
  const late = delay.p99Ms();
  delay.stop();
  assert.ok(late > 40, `${late} ms`);
});

test('an overloaded server refuses work quickly and still answers health and metrics', async () => {
  const engine = new ScriptedEngine();
  let p99 = 0;
  const server = buildServer({ engine, tenants, loop: { p99Ms: () => p99 }, settings: limits });
  assert.equal((await server.inject({ url: '/iwd/v3/queue', headers })).statusCode, 200);
  p99 = 101;
  const refused = await server.inject({ url: '/iwd/v3/queue', headers });
  assert.deepEqual([refused.statusCode, refused.headers['retry-after']], [503, '1']);
  assert.equal((refused.json() as { code: string }).code, 'overloaded');
  assert.equal(engine.asked.length, 1);
  for (const url of ['/livez', '/readyz', '/metrics']) assert.equal((await server.inject({ url })).statusCode, 200);
  await server.close();
});

test('requests in flight are bounded, and a place is free again after each answer', async () => {
  const engine = new ScriptedEngine();
  const server = buildServer({ engine, tenants, loop: { p99Ms: () => 0 }, settings: limits });
  const waiting: ((reply: Reply) => void)[] = [];
  engine.reply = () => new Promise<Reply>((resolve) => waiting.push(resolve));
  const first = [1, 2, 3].map(() => server.inject({ url: '/iwd/v3/queue', headers }));
  while (waiting.length < 3) await turn();
  assert.equal((await server.inject({ url: '/iwd/v3/queue', headers })).statusCode, 503);
  for (const resolve of waiting) resolve({ status: 200, json: '{}' });
  for (const response of await Promise.all(first)) assert.equal(response.statusCode, 200);
  engine.reply = plainReply;
  for (let count = 0; count < 10; count++) {
    assert.equal((await server.inject({ url: '/iwd/v3/queue', headers })).statusCode, 200);
  }
  await server.close();
});
