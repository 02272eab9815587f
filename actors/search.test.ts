import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { bodyOf, codeOf, create, encode, TenantWorld } from '../tests/tenant-world.js';
import type { Reply, Request } from './request.js';

const search = (question: object): Request => ({ op: 'search', body: encode(question) });
const values = (page: { items: { businessValue: number }[] }) => page.items.map(({ businessValue }) => businessValue);

let world: TenantWorld;
before(async () => {
  world = await new TenantWorld().start();
  for (const businessValue of [5, 3, 9, 1, 7]) await world.create({ captureId: `c${businessValue}`, businessValue });
});
after(() => world.actor.kill());

const byValue = [{ field: 'businessValue', order: 'desc' }];

test('a search shows what its caller has just written, newest first, and counts it', async () => {
  await world.create({ captureId: 'new', businessValue: 4 });
  const page = bodyOf(await world.ask(search({ limit: 3 })));
  assert.deepEqual(values(page), [4, 7, 1]);
  assert.deepEqual([page.total, page.totalIsAtLeast], [6, false]);
  assert.equal(page.items[0].captureId, 'new');
  await world.ask({ op: 'command', name: 'cancel', id: page.items[0].id });
});

test('pages follow one another in the order asked for, and the total stays that of the first', async () => {
  const question = { filter: { field: 'status', op: 'eq', value: 'queued' }, sort: byValue, limit: 2 };
  const first = bodyOf(await world.ask(search(question)));
  assert.deepEqual([values(first), first.total], [[9, 7], 5]);
  await world.create({ captureId: 'between', businessValue: 8 });
  const second = bodyOf(await world.ask(search({ ...question, cursor: first.next })));
  assert.deepEqual([values(second), second.total], [[5, 3], 5]);
  const third = bodyOf(await world.ask(search({ ...question, cursor: second.next })));
  assert.deepEqual([values(third), third.next], [[1], null]);
});

test('relative times count from the first page on every page', async () => {
  const question = { filter: { field: 'createdDateTime', op: 'ge', value: 'now-PT1H' }, limit: 2 };
  const first = bodyOf(await world.ask(search(question)));
  await world.runtime.pass(7_200_000);
  assert.equal(bodyOf(await world.ask(search(question))).total, 0);
  const second = bodyOf(await world.ask(search({ ...question, cursor: first.next })));
  assert.deepEqual([second.items.length, second.at], [2, first.at]);
});

test('a cursor goes on with its own filter and order only', async () => {
  const { next } = bodyOf(await world.ask(search({ sort: byValue, limit: 1 })));
  const other = { field: 'status', op: 'ne', value: 'held' };
  assert.equal(codeOf(await world.ask(search({ sort: byValue, limit: 3, cursor: next }))), 200);
  assert.equal(codeOf(await world.ask(search({ limit: 1, cursor: next }))), 'invalid-cursor');
  assert.equal(codeOf(await world.ask(search({ filter: other, sort: byValue, cursor: next }))), 'invalid-cursor');
});

test('a cursor that we did not write is refused or harmless, never a failure', async () => {
  const { next } = bodyOf(await world.ask(search({ sort: [{ field: 'dueDateTime' }, { field: 'id' }], limit: 1 })));
  const parts = JSON.parse(Buffer.from(next, 'base64url').toString()) as unknown[];
  const wrong = fc.oneof(
    fc.constantFrom(null, -1, 1e300, '', 'x', '\u0000', '\ud800', [], {}, true),
    fc.double(),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: parts.length }), wrong, async (at, value) => {
      const forged = Buffer.from(JSON.stringify(parts.toSpliced(at, 1, value))).toString('base64url');
      const reply = await world.ask(search({ sort: [{ field: 'dueDateTime' }, { field: 'id' }], cursor: forged }));
      assert.ok([200, 'invalid-cursor'].includes(codeOf(reply)), codeOf(reply).toString());
    }),
    { numRuns: 200 },
  );
  for (const cursor of ['', '!', 7, 'eyJ9', 'W10', 'x'.repeat(20_000)]) {
    assert.equal(codeOf(await world.ask(search({ cursor }))), 'invalid-cursor');
  }
});

test('all faults of a question come back at once, with their places', async () => {
  const pointers = (reply: Reply) => (reply.rejected ? (reply.faults ?? []).map(({ pointer }) => pointer) : []);
  const question = {
    filter: { and: [{ field: 'x', op: 'eq', value: 1 }] },
    sort: [{ field: 'preclassified' }, { field: 'seq', order: 'up' }, 'seq'],
    limit: 1001,
    page: 2,
  };
  const expected = ['/page', '/filter/and/0/field', '/sort/0/field', '/sort/1/order', '/sort/2', '/limit'];
  assert.deepEqual(pointers(await world.ask(search(question))), expected);
  for (const body of [[], 'x', 7]) assert.equal(codeOf(await world.ask(search(body as object))), 'invalid-value');
  assert.equal(codeOf(await world.ask({ op: 'search', body: Buffer.from('{') })), 'invalid-json');
});

test('a search says that it is stale when the tables do not catch up in time', async () => {
  world.plan = (call) => (call === 'projection.project' ? { kind: 'before' } : undefined);
  bodyOf(await world.ask(create({ captureId: 'late' })));
  const question = { filter: { field: 'captureId', op: 'eq', value: 'late' } };
  const page = bodyOf(await world.ask(search(question)));
  assert.deepEqual([page.total, page.stale], [0, true]);
  world.plan = () => undefined;
  await world.runtime.pass(10_000);
  const later = bodyOf(await world.ask(search(question)));
  assert.deepEqual([later.total, 'stale' in later], [1, false]);
});
