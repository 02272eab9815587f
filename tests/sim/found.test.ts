import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, TenantWorld } from '../tenant-world.js';

/** What the simulator has found, each as the smallest story that shows it. The seeds are in the commits. */

const dayMs = 24 * 3600 * 1000;

test('an owner whose clock runs ahead does not leave the order at its time to its successor', async () => {
  const world = await new TenantWorld().start();
  world.plan = (call) => (call === 'projection.project' ? { kind: 'before' } : undefined);
  const now = world.runtime.now();
  world.runtime.wallShiftMs = 31 * dayMs;
  const old = await world.create({ createdDateTime: new Date(now - 40 * dayMs).toISOString() });
  const young = await world.create({ createdDateTime: new Date(now).toISOString(), businessValue: 500 });
  assert.deepEqual(await world.queue(), [young.id, old.id], 'in a month the younger one is worth more');
  world.runtime.wallShiftMs = 0;
  await world.crash();
  assert.deepEqual(await world.queue(), [old.id, young.id], 'now it is not');
});

test('a repeated next is answered from a cache that does not hold its item and the head of the queue at once', async () => {
  const world = await new TenantWorld({ documentBytesMax: 0 }).start();
  // Turns take time, so that reading for ever ends the test.
  world.runtime.lookMs = 1;
  for (const captureId of ['a', 'b', 'c']) await world.create({ captureId });
  const request = { op: 'next', agentId: 'agent', idempotencyKey: 'k' } as const;
  const first = bodyOf(await world.ask(request));
  await world.projected();
  await world.crash();
  assert.equal(bodyOf(await world.ask(request)).id, first.id);
  assert.equal(world.database.journal.length, 4, 'nothing is assigned twice');
});

test('a queue page that is larger than the cache is read whole', async () => {
  const world = await new TenantWorld({ documentBytesMax: 0 }).start();
  // Turns take time, so that reading for ever ends the test.
  world.runtime.lookMs = 1;
  const items = [await world.create({}), await world.create({}), await world.create({})];
  await world.projected();
  await world.crash();
  await world.ask({ op: 'get', id: items[0].id as string });
  assert.deepEqual(
    await world.queue(),
    items.map(({ id }) => id),
    'one of the three was at hand',
  );
});
