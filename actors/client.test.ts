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
  export default ({ port, tenantIds }) => new Promise((resolve) => {
    port.on('message', (message) => {
      if (message instanceof Uint8Array) {
        if (workerData.fault === 'hang') for (;;);
        throw new Error('a fault');
      }
      port.postMessage({ kind: 'answer', id: message.id, value: tenantIds.map((id) => [id, 'serving']) });
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
    tenantIds: ['t'],
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
