import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileCategories } from '../engine/category-tree.js';
import { matches } from '../engine/filter-match.js';
import type { WorkItem } from '../engine/work-item.js';
import { unpackEvents } from '../stores/event-batch.js';
import { bodyOf, encode, TenantWorld } from '../tests/tenant-world.js';
import { endedIn, sweepMs } from './retention.js';

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

test('for items of a category that is no more the nearest one above it decides; without one they stay', async () => {
  const world = await new TenantWorld().start();
  const put = async (...paths: [string, string | undefined][]) => {
    const categories = paths.map(([path, retention]) => {
      const [id, parent = null] = path.split('/').reverse();
      return { id, parent, name: id, ...(retention !== undefined && { retention }) };
    });
    bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body: encode({ categories }) }));
  };
  const kept: [string, string | undefined][] = [
    ['a', 'PT1H'],
    ['a/long', 'PT3H'],
    ['b', undefined],
  ];
  await put(...kept, ['a/gone', undefined], ['a/gone/deep', undefined], ['a-z', undefined], ['b/lost', undefined]);
  const all = ['a', 'a/gone', 'a/gone/deep', 'a/long', 'a-z', 'b', 'b/lost'];
  for (const category of all) await world.create({ captureId: category, category });
  await put(...kept);
  await world.projected();
  const ids = [...world.database.items.keys()];
  await world.askAll(ids.map((id) => ({ op: 'command', name: 'complete', id })));
  await world.runtime.pass(3_600_000 + 2 * sweepMs);
  await world.projected();
  const left = [...world.database.items.values()].map(({ captureId }) => captureId);
  assert.deepEqual(left.sort(), ['a-z', 'a/long', 'b', 'b/lost']);
  await world.runtime.pass(2 * 3_600_000);
  await world.projected();
  assert.ok([...world.database.items.values()].every(({ captureId }) => captureId !== 'a/long'));
});

test('a sweep that fails is done again', async () => {
  const world = await new TenantWorld().start();
  const categories = [{ id: 'all', parent: null, name: 'All', rule: 'true', retention: 'PT1M' }];
  bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body: encode({ categories }) }));
  const { id } = await world.create({});
  await world.ask({ op: 'command', name: 'complete', id: id as string });
  world.fault('projection.matchingIds', { kind: 'before' });
  await world.runtime.pass(1.5 * sweepMs);
  assert.equal(world.database.items.size, 1);
  assert.match(world.log.join('\n'), /the retention of all has to wait/);
  await world.runtime.pass(sweepMs);
  await world.projected();
  assert.equal(world.database.items.size, 0);
});

test('whatever the tree, an ended item is due by exactly one part of it, with the retention that its path resolves to', () => {
  const node = fc.record({ above: fc.nat(7), days: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }) });
  const path = fc.array(fc.constantFrom('0', '1', '2', '3', '0-', '0.', '00', '1x'), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(node, { maxLength: 8 }), fc.array(path, { maxLength: 8 }), (nodes, paths) => {
      const categories = nodes.map(({ above, days }, n) => ({
        id: `${n}`,
        parent: above < n ? `${above}` : null,
        name: 'n',
        ...(days !== undefined && { retention: `P${days}D` }),
      }));
      const compiled = compileCategories({ categories }, new Set(), new Set());
      if ('faults' in compiled) throw new Error(compiled.faults[0].detail);
      const { tree } = compiled;
      for (const category of [
        ...tree.paths,
        ...tree.paths.map((known) => `${known}/gone`),
        ...paths.map((p) => p.join('/')),
      ]) {
        const item = { category, completedDateTime: 0 } as WorkItem;
        const due = tree.retained.filter((part) => matches(endedIn(part), item, part.retentionMs));
        const { retentionMs } = tree.resolve(category);
        assert.deepEqual(
          due.map((part) => part.retentionMs),
          retentionMs === undefined ? [] : [retentionMs],
        );
        assert.ok(due.every((part) => !matches(endedIn(part), item, part.retentionMs - 1)));
      }
    }),
  );
});
