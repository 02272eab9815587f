import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, codeOf, encode, TenantWorld } from '../tests/tenant-world.js';
import type { Request } from './request.js';

const gold = { field: 'customerSegment', op: 'eq', value: 'gold' };
const save = (filterId: string, by: string, more: object = {}, ifMatch?: number): Request => ({
  op: 'putFilter',
  filterId,
  by,
  body: encode({ name: filterId, filter: gold, ...more }),
  ifMatch,
});
const read = (filterId: string, by: string): Request => ({ op: 'getFilter', filterId, by });
const remove = (filterId: string, by: string, ifMatch?: number): Request => ({
  op: 'deleteFilter',
  filterId,
  by,
  ifMatch,
});
const search = (filter: object, by: string): Request => ({ op: 'search', body: encode({ filter }), by });
const start = () => new TenantWorld().start();

async function ids(world: TenantWorld, by: string): Promise<string[]> {
  const { filters } = bodyOf(await world.ask({ op: 'getFilters', by }));
  return filters.map(({ id }: { id: string }) => id);
}

const defaults = ['due-soon', 'errors', 'held', 'overdue', 'unassigned'];

test('a tenant begins with filters that all see and can search by', async () => {
  const world = await start();
  assert.deepEqual((await ids(world, 'anna')).sort(), defaults);
  await world.create({ captureId: 'late', dueDateTime: new Date(world.runtime.now() - 1).toISOString() });
  await world.create({ captureId: 'soon', dueDateTime: new Date(world.runtime.now() + 3_600_000).toISOString() });
  const found = async (saved: string) => {
    const { items } = bodyOf(await world.ask(search({ saved }, 'anna')));
    return items.map(({ captureId }: { captureId: string }) => captureId);
  };
  assert.deepEqual(await found('overdue'), ['late']);
  assert.deepEqual(await found('due-soon'), ['soon']);
  assert.deepEqual(await found('unassigned'), ['soon', 'late']);
  for (const saved of ['held', 'errors']) assert.deepEqual(await found(saved), []);
  await world.actor.kill();
});

test('a private filter is for its owner alone: others do not see it, cannot use it, and cannot take its id', async () => {
  const world = await start();
  const created = await world.ask(save('vip', 'anna'));
  assert.deepEqual([codeOf(created), bodyOf(created).owner, bodyOf(created).shared], [201, 'anna', false]);
  assert.ok((await ids(world, 'anna')).includes('vip'));
  assert.ok(!(await ids(world, 'ben')).includes('vip'));
  assert.equal(codeOf(await world.ask(read('vip', 'ben'))), 'not-found');
  assert.equal(codeOf(await world.ask(search({ saved: 'vip' }, 'ben'))), 'invalid-value');
  assert.equal(codeOf(await world.ask(search({ saved: 'vip' }, 'anna'))), 200);
  assert.equal(codeOf(await world.ask(save('vip', 'ben'))), 'conflict');
  assert.equal(codeOf(await world.ask(remove('vip', 'ben'))), 'not-found');
  assert.equal(codeOf(await world.ask(save('vip', 'anna', { shared: true }))), 200);
  assert.deepEqual(bodyOf(await world.ask(read('vip', 'ben'))).filter, gold);
  assert.equal(codeOf(await world.ask(save('vip', 'ben', { shared: false }))), 'conflict');
  const changed = bodyOf(await world.ask(save('vip', 'ben', { shared: true, name: 'VIP' })));
  assert.deepEqual([changed.name, changed.owner], ['VIP', 'anna']);
  await world.actor.kill();
});

test('two who change the same filter do not overwrite each other when they say which version they saw', async () => {
  const world = await start();
  const { version } = bodyOf(await world.ask(save('north', 'anna', { shared: true })));
  const second = bodyOf(await world.ask(save('north', 'ben', { shared: true, name: 'North' }, version)));
  assert.ok(second.version > version);
  assert.equal(codeOf(await world.ask(save('north', 'anna', { shared: true }, version))), 'version-mismatch');
  assert.equal(codeOf(await world.ask(remove('north', 'anna', version))), 'version-mismatch');
  assert.equal(codeOf(await world.ask(save('south', 'anna', {}, 1))), 'not-found');
  assert.equal(codeOf(await world.ask(remove('north', 'anna', second.version))), 204);
  assert.equal(codeOf(await world.ask(remove('north', 'anna'))), 'not-found');
  await world.actor.kill();
});

test('a filter with faults is not saved, and each fault has its place', async () => {
  const world = await start();
  const reply = await world.ask(
    save('bad', 'anna', { name: '', shared: 1, colour: 'red', sort: [{ field: 'x' }], filter: { saved: 'overdue' } }),
  );
  assert.ok(reply.rejected);
  assert.deepEqual(
    reply.faults?.map(({ pointer }) => pointer),
    ['/colour', '/name', '/shared', '/filter/saved', '/sort/0/field'],
  );
  assert.equal(codeOf(await world.ask(save('no/id', 'anna'))), 'invalid-value');
  assert.equal(codeOf(await world.ask(save('a', 'anna', { id: 'b' }))), 'invalid-value');
  const large = {
    field: 'captureId',
    op: 'in',
    value: Array.from({ length: 900 }, (_, n) => `capture-${n}-${'x'.repeat(12)}`),
  };
  assert.equal(codeOf(await world.ask(save('large', 'anna', { filter: large }))), 'too-large');
  assert.deepEqual((await ids(world, 'anna')).sort(), defaults);
  await world.actor.kill();
});

test('one caller saves a bounded number of filters', async () => {
  const world = await start();
  const replies = await world.askAll(Array.from({ length: 201 }, (_, n) => save(`f${n}`, 'anna')));
  assert.deepEqual(replies.slice(-2).map(codeOf), [201, 'too-large']);
  assert.equal(codeOf(await world.ask(save('f0', 'anna', { name: 'changed' }))), 200);
  assert.equal(codeOf(await world.ask(save('ben', 'ben'))), 201);
  await world.actor.kill();
});

for (const source of ['snapshot', 'tables']) {
  test(`saved filters are the same after a crash, recovered from the ${source}`, async () => {
    const world = await start();
    await world.ask(save('kept', 'anna'));
    await world.ask(save('gone', 'anna'));
    await world.ask(remove('overdue', 'anna'));
    await world.ask(save('held', 'anna', { shared: true, name: 'Parked' }));
    await world.projected();
    if (source === 'snapshot') await world.actor.drain(1000);
    else await world.actor.kill();
    world.actor = world.newActor();
    await world.start();
    // These are in the journal only when the second crash comes.
    world.plan = (call) => (call === 'projection.project' ? { kind: 'before' } : undefined);
    await world.ask(remove('gone', 'anna'));
    await world.ask(save('late', 'anna'));
    const before = bodyOf(await world.ask({ op: 'getFilters', by: 'anna' }));
    world.plan = () => undefined;
    await world.crash();
    const after = bodyOf(await world.ask({ op: 'getFilters', by: 'anna' }));
    assert.deepEqual(after, before);
    const expected = ['due-soon', 'errors', 'held', 'kept', 'late', 'unassigned'];
    assert.deepEqual(after.filters.map(({ id }: { id: string }) => id).sort(), expected);
    await world.actor.kill();
  });
}
