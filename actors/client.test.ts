import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Client } from './client.js';

/** A shard that says it serves, and fails at the first request. */
const faultyShard = `
  import { workerData } from 'node:worker_threads';
  export default ({ port, tenants }) => new Promise((resolve) => {
    const ids = new Set(tenants.map(({ id }) => id));
    port.on('message', (message) => {
      if (message instanceof Uint8Array) {
        if (workerData.fault === 'hang') for (;;);
        throw new Error('a fault');
      }
      if (message.kind === 'put') return ids.add(message.tenant.id);
      if (message.kind === 'remove') ids.delete(message.tenantId);
      port.postMessage({ kind: 'answer', id: message.id, value: [...ids].map((id) => [id, 'serving']) });
      if (message.kind === 'drain') resolve();
    });
  });`;

async function withShard(
  fault: 'hang' | 'throw',
  use: (client: Client, log: string[]) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'iwd-shard-'));
  const file = join(dir, 'shard.mjs');
  writeFileSync(file, faultyShard);
  const log: string[] = [];
  const client = new Client({
    shardFile: pathToFileURL(file),
    shardCount: 1,
    tenants: [{ id: 't', databaseUrl: 'postgres://t' }],
    workerData: { fault },
    timeoutMs: 60_000,
    log: ({ message }) => log.push(message),
  });
  // The engine's own timers keep no process alive, and between two threads there is nothing else.
  const alive = setInterval(() => {}, 1000);
  try {
    while (!(await client.ready()).ready);
    await use(client, log);
  } finally {
    await client.drain(1000);
    clearInterval(alive);
    rmSync(dir, { recursive: true });
  }
}

test('a shard that hangs is ended and started again, and who waited for it is told that the outcome is unknown', () =>
  withShard('hang', async (client, log) => {
    const reply = await client.request('t', { op: 'queue', limit: 1 });
    assert.equal(reply.rejected && reply.code, 'timeout');
    assert.deepEqual(log, ['shard 0 hung; starting it again']);
    while (!(await client.ready()).ready);
  }));

test('a request that comes while a dead shard is started again reaches the new one', () =>
  withShard('throw', async (client, log) => {
    await client.request('t', { op: 'queue', limit: 1 });
    assert.deepEqual(log, ['shard 0 died; starting it again']);
    const reply = await client.request('t', { op: 'queue', limit: 1 });
    assert.equal(reply.rejected && reply.code, 'timeout', 'the new shard has got it, and has died of it');
    assert.equal(log.length, 2);
  }));

test('a tenant that came at run time comes back with a shard that died, one that was removed does not', () =>
  withShard('throw', async (client) => {
    client.addTenant({ id: 'late', databaseUrl: 'postgres://late' });
    client.addTenant({ id: 'gone', databaseUrl: 'postgres://gone' });
    assert.deepEqual((await client.ready()).tenants, { t: 'serving', late: 'serving', gone: 'serving' });
    assert.equal(await client.removeTenant('gone'), true);
    assert.equal(await client.removeTenant('gone'), false);
    await client.request('t', { op: 'queue', limit: 1 });
    while (!(await client.ready()).ready);
    assert.deepEqual((await client.ready()).tenants, { t: 'serving', late: 'serving' });
    const reply = await client.request('gone', { op: 'queue', limit: 1 });
    assert.equal(reply.rejected && reply.code, 'not-found');
  }));

test('quotas change at run time, and a tenant that is not there has none', () =>
  withShard('throw', async (client) => {
    assert.deepEqual(client.quotasOf('t'), {});
    client.updateTenant({ id: 't', databaseUrl: 'postgres://t', quotas: { requestsPerSecond: 5 } });
    assert.deepEqual(client.quotasOf('t'), { requestsPerSecond: 5 });
    assert.equal(client.quotasOf('nobody'), undefined);
    assert.throws(() => client.updateTenant({ id: 'nobody', databaseUrl: 'postgres://n' }), /no tenant nobody/);
  }));
