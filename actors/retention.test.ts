import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackEvents } from '../stores/event-batch.js';
import { bodyOf, encode, TenantWorld } from '../tests/tenant-world.js';
import { sweepMs } from './retention.js';

test('ended items are deleted so long after their end as their category says; open ones and others stay', async () => {
  const world = await new TenantWorld().start();
  const categories = [
    { id: 'short', parent: null, name: 'Short', rule: 'item.businessValue < 2.0', retention: 'PT1H' },
    { id: 'long', parent: null, name: 'Long', rule: 'true' },
  ];
  bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body: encode({ categories }) }));
  const ids: string[] = [];
  for (let n = 0; n < 240; n++) ids.push((await world.create({ businessValue: n === 239 ? 5 : 1 })).id as string);
  const end = (some: string[]) => world.askAll(some.map((id) => ({ op: 'command', name: 'complete', id })));
  await end([...ids.slice(0, 220), ids[239]]);
  await world.runtime.pass(3_600_000 - sweepMs);
  await end(ids.slice(220, 230));
  assert.equal(world.database.items.size, 240, 'nothing goes before its time');
  await world.runtime.pass(3 * sweepMs);
  await world.projected();
  const left = new Set(world.database.items.keys());
  assert.deepEqual(left, new Set(ids.slice(220)), 'those that ended later, the open ones and the other category stay');
  const deleted = world.database.journal
    .flatMap((row) => unpackEvents(row.bytes))
    .filter((event) => event.type === 'deleted');
  assert.ok(deleted.length === 220 && deleted.every(({ by }) => by === 'retention'));
});
