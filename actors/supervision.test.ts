import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, codeOf, create, encode, next, TenantWorld } from '../tests/tenant-world.js';
import type { Request } from './request.js';

const command = (name: Extract<Request, { op: 'command' }>['name'], id: string, more: object = {}): Request => ({
  op: 'command',
  name,
  id,
  ...more,
});

async function worldWith(...values: number[]): Promise<{ world: TenantWorld; ids: string[] }> {
  const world = await new TenantWorld().start();
  const ids: string[] = [];
  for (const businessValue of values) {
    ids.push((await world.create({ captureId: `c${ids.length}`, businessValue })).id as string);
  }
  return { world, ids };
}

for (const source of ['snapshot', 'tables'] as const) {
  test(`an override ends at its instant, to the millisecond, also after a crash (recovered from the ${source})`, async () => {
    const { world, ids } = await worldWith(10, 500);
    const until = world.runtime.now() + 60_000;
    const iso = new Date(until).toISOString();
    const said = { priority: 5000, until: iso, reason: 'The mayor called' };
    const item = bodyOf(await world.ask(command('reprioritize', ids[0], said)));
    assert.deepEqual([item.priority, item.override, item.status], [5000, { ...said }, 'queued']);
    assert.deepEqual(await world.queue(), ids);
    await world.projected();
    // Only who stops in peace leaves a snapshot behind.
    if (source === 'snapshot') await world.actor.drain(5000);
    await world.crash();
    assert.ok(world.log.at(-1)?.endsWith(`(${source})`), world.log.at(-1));
    assert.deepEqual(await world.queue(), ids);
    const explained = bodyOf(await world.ask({ op: 'explain', id: ids[0] }));
    assert.deepEqual([explained.override, explained.priority, explained.nextChanges[0].at], [{ ...said }, 5000, iso]);
    await world.runtime.pass(until - 1 - world.runtime.now());
    assert.deepEqual([(await world.queue())[0], world.runtime.now()], [ids[0], until - 1]);
    const seq = world.database.lease.lastSeq;
    await world.runtime.pass(1);
    assert.deepEqual(await world.queue(), [ids[1], ids[0]]);
    const over = bodyOf(await world.ask({ op: 'get', id: ids[0] }));
    assert.ok(over.override === undefined && over.priority < 11, 'its own curve again');
    assert.equal(world.database.lease.lastSeq, seq, 'time has done it: there is no event');
  });
}

test('an override without an end holds until null takes it away; a time that has passed is refused', async () => {
  const { world, ids } = await worldWith(1, 2);
  await world.ask(command('reprioritize', ids[0], { priority: 100 }));
  await world.runtime.pass(600_000);
  assert.equal(bodyOf(await world.ask({ op: 'get', id: ids[0] })).priority, 100);
  const past = new Date(world.runtime.now()).toISOString();
  const refused = await world.ask(command('reprioritize', ids[0], { priority: 1, until: past }));
  assert.deepEqual([codeOf(refused), refused.rejected && refused.faults?.[0].pointer], ['invalid-value', '/until']);
  const cleared = bodyOf(await world.ask(command('reprioritize', ids[0], { priority: null })));
  assert.equal(cleared.override, undefined);
  const again = await world.ask(command('reprioritize', ids[0], { priority: null }));
  assert.ok(!again.rejected && again.version === cleared.version, 'nothing is left to take away');
});

test('a moved item stays in its category, as one that its source has named, and an errorheld one is queued', async () => {
  const { world } = await worldWith();
  const body = encode({
    categories: [
      { id: 'general', parent: null, name: 'General', rule: "item.attributes.kind == 'a'" },
      { id: 'desk', parent: null, name: 'Desk', defaults: { dueAfter: 'PT1H' } },
    ],
  });
  bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body }));
  const { id } = await world.create({ attributes: { kind: 'x' } });
  const moved = bodyOf(await world.ask(command('move', id as string, { category: 'desk' })));
  assert.deepEqual([moved.status, moved.category, moved.error, moved.rule], ['queued', 'desk', undefined, undefined]);
  assert.equal(Date.parse(moved.dueDateTime) - Date.parse(moved.createdDateTime), 3_600_000);
  await world.ask(command('restart', id as string));
  assert.equal(bodyOf(await world.ask({ op: 'get', id: id as string })).category, 'desk', 'no rule is asked again');
  const nowhere = await world.ask(command('move', id as string, { category: 'gone' }));
  assert.deepEqual([codeOf(nowhere), nowhere.rejected && nowhere.faults?.[0].pointer], ['invalid-value', '/category']);
});

test('a deleted item is nowhere any more, not even after a crash; its captureId makes a new one', async () => {
  const { world, ids } = await worldWith(1, 2);
  await world.ask(command('hold', ids[0], { reason: 'Mrs. Miller called' }));
  assert.equal(codeOf(await world.ask(command('delete', ids[0]))), 204);
  const isGone = async () => {
    assert.equal(codeOf(await world.ask({ op: 'get', id: ids[0] })), 'not-found');
    assert.equal(codeOf(await world.ask(command('resume', ids[0]))), 'not-found');
    assert.equal(codeOf(await world.ask(command('delete', ids[0]))), 'not-found');
    const { items } = bodyOf(await world.ask({ op: 'list', limit: 10 }));
    assert.ok(items.every((item: { id: string }) => item.id !== ids[0]));
  };
  await isGone();
  await world.projected();
  await isGone();
  await world.crash();
  await isGone();
  const again = await world.ask(create({ captureId: 'c0', businessValue: 1 }));
  assert.ok(codeOf(again) === 201 && bodyOf(again).id !== ids[0]);
  await world.projected();
  const byCapture = bodyOf(await world.ask({ op: 'list', captureId: 'c0', limit: 10 }));
  assert.deepEqual(
    byCapture.items.map((item: { id: string }) => item.id),
    [bodyOf(again).id],
  );
  const { items } = bodyOf(await world.ask({ op: 'history', id: ids[0], limit: 10 }));
  assert.deepEqual(
    items.map((entry: { type: string }) => entry.type),
    ['created', 'held', 'deleted'],
  );
  assert.ok(!JSON.stringify(items).includes('Miller'), 'what was written is not kept');
  assert.equal(
    codeOf(await world.ask({ op: 'history', id: '00000000-0000-7000-8000-000000000000', limit: 1 })),
    'not-found',
  );
});

test('what was done under a key before the item was deleted is answered with gone, and a delete with the same 204', async () => {
  const { world } = await worldWith();
  const keyed = create({ captureId: 'c' }, { idempotencyKey: 'made' });
  const { id } = bodyOf(await world.ask(keyed));
  const remove = command('delete', id, { idempotencyKey: 'deleted' });
  assert.equal(codeOf(await world.ask(remove)), 204);
  for (const restart of [false, true]) {
    if (restart) {
      await world.projected();
      await world.crash();
    }
    const again = await world.ask(remove);
    assert.ok(!again.rejected && again.status === 204 && again.replayed);
    assert.equal(codeOf(await world.ask(keyed)), 'gone');
    const many: Request = { op: 'createMany', format: 'array', firstLine: 0, mode: 'create', body: encode([{}]) };
    assert.equal(codeOf(await world.ask(many)), 200, 'and the tenant goes on');
  }
  assert.ok(!world.log.some((line) => line.includes('bug')), world.log.join('\n'));
});

test('an item that is deleted while an agent has it, or in the queue, is given to nobody', async () => {
  const { world, ids } = await worldWith(3, 2, 1);
  assert.equal(bodyOf(await world.ask(next())).id, ids[0]);
  await world.askAll([command('delete', ids[0]), command('delete', ids[1])]);
  assert.equal(codeOf(await world.ask(command('complete', ids[0]))), 'not-found');
  assert.deepEqual(await world.queue(), [ids[2]]);
  assert.equal(bodyOf(await world.ask(next())).id, ids[2]);
});
