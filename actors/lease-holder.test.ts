import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDatabase } from '../stores/memory/database.js';
import { MemoryLeaseStore } from '../stores/memory/lease-store.js';
import { takeLease } from './lease-holder.js';
import type { Lease, Owner } from './ports.js';
import { TestRuntime } from './test-runtime.js';

const ttlMs = 3000;
const owner = (pod: string): Owner => ({ token: `token of ${pod}`, pod, url: '' });

/** A contender for a lease that `holder/1` took at the beginning. */
async function contend(more: { isGone?: boolean; stopAtMs?: number } = {}) {
  const runtime = new TestRuntime();
  const database = new MemoryDatabase();
  const store = new MemoryLeaseStore(database);
  const held = (await store.acquire(await store.view(), owner('holder/1'))) as Lease;
  let taken: Lease | undefined | 'waiting' = 'waiting';
  void takeLease({
    store,
    runtime,
    owner: owner('other/2'),
    ttlMs,
    isGone: () => more.isGone === true,
    stopped: () => runtime.monotonic() >= (more.stopAtMs ?? Number.POSITIVE_INFINITY),
  }).then((lease) => {
    taken = lease;
  });
  return { runtime, database, store, held, taken: () => taken };
}

test('a lease whose holder lives is left alone, however long', async () => {
  const { runtime, store, held, taken } = await contend();
  for (let n = 0; n < 20; n++) {
    await runtime.pass(ttlMs * 0.9);
    assert.equal(await store.heartbeat(held), true);
  }
  assert.equal(taken(), 'waiting');
});

test('a lease that stands still is taken after its time to live, and the old holder is fenced', async () => {
  const { runtime, store, held, taken } = await contend();
  await runtime.pass(ttlMs - 1);
  assert.equal(taken(), 'waiting');
  await runtime.pass(400);
  assert.equal((taken() as Lease).epoch, held.epoch + 1);
  assert.equal(await store.heartbeat(held), false);
});

test('a lease that was given back, or whose holder is known to be dead, is taken at once', async () => {
  const dead = await contend({ isGone: true });
  await dead.runtime.pass(0);
  assert.equal((dead.taken() as Lease).epoch, 2);
  const { runtime, store, held, taken } = await contend();
  await runtime.pass(500);
  await store.release(held);
  await runtime.pass(250);
  assert.equal((taken() as Lease).epoch, 2);
});

test('who is told to stop waits no longer', async () => {
  const { runtime, taken } = await contend({ stopAtMs: 1000 });
  await runtime.pass(1300);
  assert.equal(taken(), undefined);
});
