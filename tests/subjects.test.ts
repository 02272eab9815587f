import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Request } from '../actors/request.js';
import { defaultCategories } from '../engine/default-settings.js';
import { isNote } from '../engine/event.js';
import { ChainVerifier } from '../stores/chain-verifier.js';
import { unpackEvents } from '../stores/event-batch.js';
import { digestOf } from '../stores/journal-chain.js';
import { MemoryDatabase } from '../stores/memory/database.js';
import { noTime } from '../stores/memory/journal.js';
import { bodyOf, create, encode, TenantWorld } from './tenant-world.js';

/** Everything that is stored, as text; journal and snapshots as the bytes that they are. */
async function everything({ database, snapshots }: TenantWorld): Promise<string> {
  const { journal, items, history, keys, settings, entries, filters, bulkActions } = database;
  const tables = JSON.stringify([
    ...[[...items], [...history], [...keys], settings, [...entries], [...filters], [...bulkActions]],
  ]);
  const bytes = journal.map((row) => Buffer.from(row.bytes).toString('latin1')).join();
  const chunks = ((await snapshots.load('t'))?.chunks ?? [])
    .map((chunk) => Buffer.from(chunk).toString('latin1'))
    .join();
  return `${tables} ${Buffer.from(bytes, 'latin1').toString('utf8')} ${bytes} ${chunks}`;
}

function verified({ database }: TenantWorld) {
  const verifier = new ChainVerifier();
  for (const row of database.journal) {
    const notes = unpackEvents(row.bytes).filter(isNote);
    const erased = notes.flatMap((note) => (note.type === 'erasureAnnounced' ? note.rows : []));
    verifier.add({ ...row, at: noTime, actual: digestOf(row.bytes), erased });
  }
  return verifier.end({ seq: database.lease.lastSeq, link: database.lease.link });
}

const categories = defaultCategories.map((category) => ({
  ...category,
  pii: ['name', 'address.street'],
  subjectKeys: ['attributes.contacts.email'],
}));

async function started(): Promise<TenantWorld> {
  const world = await new TenantWorld().start();
  bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body: encode({ categories }) }));
  return world;
}

const canary = (subject: number, what: string) => `canary-${subject}-${what}`;
const emailOf = (subject: number) => `${canary(subject, 'mail "ü"')}@x`;

/** An item about a person, found by either key; some things about it are nobody's. */
function item(subject: number, n: number, byEmail: boolean): object {
  return {
    captureId: `c${n}`,
    businessValue: n % 4,
    ...(byEmail ? {} : { customerId: canary(subject, 'id') }),
    attributes: {
      name: canary(subject, 'name'),
      address: { street: canary(subject, 'street'), city: 'Bath' },
      contacts: byEmail ? [{ email: emailOf(subject) }] : [],
      n,
    },
  };
}

/** What is said of a person outside of the person's items. */
const texts = ['filter', 'filterOfId', 'removedFilter', 'bulk', 'bulkOfFilter'] as const;
const isText = (next: string) => (texts as readonly string[]).includes(next);

async function write(world: TenantWorld, n: number, { subject, byEmail, next }: Act, id: string): Promise<void> {
  const person = byEmail ? emailOf(subject) : canary(subject, 'id');
  const key = byEmail ? 'attributes.contacts.email' : 'customerId';
  const asksByName = { field: 'attributes.name', op: 'in', value: [canary(subject, 'name'), 'Somebody Else'] };
  const asksById = { field: key, op: 'eq', value: person };
  const saved = { name: `items of ${person}`, shared: true, filter: { or: [asksByName, { not: asksById }] } };
  const filterId = next === 'filterOfId' ? canary(subject, 'id') : `f${n}`;
  if (next.startsWith('bulk')) {
    const what =
      next === 'bulk' ? { ids: [id] } : { filter: { and: [asksById, { field: 'status', op: 'ne', value: 'held' }] } };
    const body = { action: 'hold', ...what, arguments: { reason: canary(subject, 'reason') } };
    const started: Request = { op: 'startBulkAction', body: encode(body), allowed: ['hold'] };
    const { id: action } = bodyOf(await world.ask({ ...started, idempotencyKey: canary(subject, `bulk${n}`) }));
    await world.runtime.until(() => world.database.bulkActions.get(action)?.action.state === 'done');
    return;
  }
  bodyOf(await world.ask({ op: 'putFilter', filterId, body: encode(saved), by: `u${n}` }));
  if (next === 'removedFilter') await world.ask({ op: 'deleteFilter', filterId, by: `u${n}` });
}

const act = fc.record({
  subject: fc.nat(2),
  byEmail: fc.boolean(),
  next: fc.constantFrom('nothing', 'hold', 'complete', 'patch', 'rename', 'cancel', 'keyed', ...texts),
});
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

async function play(world: TenantWorld, acts: readonly Act[]): Promise<void> {
  for (const [n, { subject, byEmail, next }] of acts.entries()) {
    const { id } = await world.create(item(subject, n, byEmail));
    if (isText(next)) await write(world, n, acts[n]!, id!);
    const idempotencyKey = next === 'keyed' ? canary(subject, `key${n}`) : undefined;
    if (idempotencyKey) bodyOf(await world.ask({ ...create(item(subject, n + 1000, byEmail)), idempotencyKey }));
    const name = next === 'hold' || next === 'complete' || next === 'cancel' ? next : undefined;
    const reason = canary(subject, 'reason');
    const resultCode = name === 'complete' ? canary(subject, 'code') : undefined;
    if (name)
      bodyOf(await world.ask({ op: 'command', name, id: id!, reason, resultCode, by: 'crm', from: '10.0.0.1' }));
    const patches = { patch: { attributes: { name: canary(subject, 'other') } }, rename: { customerId: 'somebody' } };
    if (next in patches)
      bodyOf(await world.ask({ op: 'update', id: id!, body: encode(patches[next as keyof typeof patches]) }));
  }
  await world.projected();
}

async function erase(world: TenantWorld, subject: string) {
  return bodyOf(await world.ask({ op: 'eraseSubject', subject, by: 'officer', from: '10.0.0.9' }));
}

test('an erased person is nowhere any more, the others are, and the queue is as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 12 }), async (acts) => {
      const world = await started();
      await play(world, acts);
      const order = await world.queue();
      const whole = await everything(world);
      for (const subject of [canary(0, 'id'), emailOf(0)]) await erase(world, subject);
      const after = await everything(world);
      assert.ok(
        !after.includes('canary-0'),
        after.slice(after.indexOf('canary-0') - 80, after.indexOf('canary-0') + 80),
      );
      for (const other of ['canary-1-name', 'canary-2-name'])
        assert.equal(after.includes(other), whole.includes(other));
      assert.deepEqual(await world.queue(), order);
      const report = verified(world);
      assert.deepEqual([report.firstBreak, report.notErasedRows], [undefined, 0]);
      await world.crash();
      assert.deepEqual(await world.queue(), order, 'also from the rewritten journal');
      for (const id of order)
        assert.ok(!JSON.stringify(bodyOf(await world.ask({ op: 'get', id }))).includes('canary-0'));
    }),
    { numRuns: 25 },
  );
});

test('an erasure says what it took from which store, and a second one finds nothing', async () => {
  const world = await started();
  const acts = [0, 0, 1].map((subject): Act => ({ subject, byEmail: false, next: 'hold' }));
  await play(world, [...acts, { subject: 0, byEmail: false, next: 'keyed' }]);
  const { stores } = await erase(world, canary(0, 'id'));
  assert.equal(stores.workItem.items, 4);
  assert.equal(stores.history.lines, 2);
  assert.equal(stores.idempotencyKey.keys, 1);
  assert.ok(stores.journal.rows >= 4);
  const again = await erase(world, canary(0, 'id'));
  assert.deepEqual([again.stores.workItem.items, again.stores.journal.rows], [0, 0]);
});

test('a database that comes back from a backup is erased again before its first answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 8 }), async (acts) => {
      const world = await started();
      await play(world, acts);
      const backup = structuredClone({ ...world.database });
      for (const subject of [canary(0, 'id'), emailOf(0)]) await erase(world, subject);
      const restored = new TenantWorld();
      Object.assign(restored.database, new MemoryDatabase(), backup);
      restored.ledger.entries.push(...world.ledger.entries);
      restored.actor.start();
      const first = restored.ask({ op: 'queue', limit: 1000 });
      const seen = JSON.stringify(bodyOf(await first));
      assert.ok(!seen.includes('canary-0'));
      assert.ok(!(await everything(restored)).includes('canary-0'), 'all of it was erased by then');
      assert.deepEqual(verified(restored).firstBreak, undefined);
      const order = await world.queue();
      assert.deepEqual(await restored.queue(), order);
    }),
    { numRuns: 15 },
  );
});

test('an owner that dies in the middle of an erasure leaves it to its successor, wherever it dies', async () => {
  const all = ['hold', ...texts, 'complete', 'rename', 'patch'] as const;
  const acts = all.flatMap((next) => [0, 1].map((subject): Act => ({ subject, byEmail: false, next })));
  const writes = ['journal.commit', 'bulkActions.erase', 'snapshots.save'];
  writes.push(...['rewrite', 'scrub', 'scrubFilters', 'addToLedger'].map((name) => `personal.${name}`));
  for (let calls = 0, done = false; !done; calls++) {
    const world = await started();
    await play(world, acts);
    const order = await world.queue();
    let left = calls;
    world.plan = (call) => (writes.includes(call) && left-- <= 0 ? { kind: 'hang', ms: 600_000 } : undefined);
    void world.submit({ op: 'eraseSubject', subject: canary(0, 'id') }).then(() => {
      done = true;
    });
    await world.runtime.pass(2000);
    assert.equal(done && calls < 20, false, `after ${calls} calls`);
    world.plan = () => undefined;
    await world.crash();
    if (world.ledger.entries.length === 0) continue;
    await world.projected();
    const found = await everything(world);
    const at = found.indexOf('canary-0');
    assert.equal(at, -1, `after ${calls} calls: ${found.slice(Math.max(0, at - 300), at + 80)}`);
    assert.deepEqual(await world.queue(), order);
    assert.equal(verified(world).firstBreak, undefined);
  }
});

test('an export has every item of the person, its history and what the journal says, in pages', async () => {
  const world = await started();
  await play(
    world,
    Array.from({ length: 5 }, (_, n): Act => ({ subject: n % 2, byEmail: false, next: 'complete' })),
  );
  const subject = canary(0, 'id');
  const ids: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = bodyOf(await world.ask({ op: 'exportSubject', subject, limit: 2, cursor }));
    for (const { id, item, history, journal } of page.items) {
      ids.push(id);
      assert.equal(item.attributes.name, canary(0, 'name'));
      assert.deepEqual(
        history.map(({ type, from }: { type: string; from?: string }) => [type, from]),
        [
          ['created', undefined],
          ['completed', '10.0.0.1'],
        ],
      );
      assert.equal(journal[0].item.attributes.includes(canary(0, 'name')), true);
    }
    if (page.next === null) break;
    cursor = page.next;
  }
  assert.equal(ids.length, 3);
  const nobody = bodyOf(await world.ask({ op: 'exportSubject', subject: 'nobody', limit: 2 }));
  assert.deepEqual([nobody.savedFilters, nobody.bulkActions], [[], []]);
  assert.deepEqual(nobody.items, []);
});

test('an export names the saved filters and the bulk actions that are about the person, whoever made them', async () => {
  const world = await started();
  const acts = texts.flatMap((next) => [0, 1].map((subject): Act => ({ subject, byEmail: false, next })));
  await play(world, acts);
  const { savedFilters, bulkActions } = bodyOf(
    await world.ask({ op: 'exportSubject', subject: canary(0, 'id'), limit: 100, by: 'officer' }),
  );
  assert.deepEqual(
    savedFilters.map(({ id, owner }: { id: string; owner: string }) => [id, owner]),
    [
      ['f0', 'u0'],
      [canary(0, 'id'), 'u2'],
    ],
  );
  assert.equal(bulkActions.length, 1, 'the one that asked for the person by a filter');
  assert.equal(JSON.stringify([savedFilters, bulkActions]).includes('canary-1'), false);
});

test('an erased filter goes on with what else it asks, and does not find those erased', async () => {
  const world = await started();
  await world.create(item(0, 1, false));
  await world.create(item(1, 2, false));
  const asks = (field: string, ...value: unknown[]) => ({ field, op: 'in', value });
  const filter = {
    or: [
      asks('customerId', canary(0, 'id'), canary(1, 'id')),
      asks('attributes.address.city', 'Bath'),
      asks('status', 'held'),
    ],
  };
  const saved = { name: 'both', shared: true, filter };
  bodyOf(await world.ask({ op: 'putFilter', filterId: 'both', body: encode(saved), by: 'ann' }));
  const { stores } = await erase(world, canary(0, 'id'));
  assert.equal(stores.savedFilter.filters, 1);
  const after = async () => bodyOf(await world.ask({ op: 'getFilter', filterId: 'both', by: 'ann' }));
  const [byId, ...rest] = filter.or;
  assert.deepEqual((await after()).filter, {
    or: [{ ...byId, value: ['[erased question]', canary(1, 'id')] }, ...rest],
  });
  assert.equal((await after()).owner, 'ann');
  const found = bodyOf(
    await world.ask({ op: 'search', body: encode({ filter: (await after()).filter.or[0] }), by: 'ann' }),
  );
  assert.deepEqual(
    found.items.map(({ captureId }: { captureId: string }) => captureId),
    ['c2'],
  );
  await world.crash();
  assert.deepEqual((await after()).filter.or.slice(1), rest);
});

test('a value that other persons have too stays in a filter until the last of them is erased', async () => {
  const world = await new TenantWorld().start();
  const marked = categories.map((category) => ({ ...category, pii: ['name', 'address'] }));
  bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body: encode({ categories: marked }) }));
  await world.create(item(0, 1, false));
  await world.create(item(1, 2, false));
  const saved = { name: 'Bath', shared: true, filter: { field: 'attributes.address.city', op: 'eq', value: 'Bath' } };
  bodyOf(await world.ask({ op: 'putFilter', filterId: 'bath', body: encode(saved), by: 'ann' }));
  const value = async () => bodyOf(await world.ask({ op: 'getFilter', filterId: 'bath', by: 'ann' })).filter.value;
  await erase(world, canary(0, 'id'));
  assert.equal(await value(), 'Bath');
  await erase(world, canary(1, 'id'));
  assert.equal(await value(), '[erased question]');
});

test('a captureId goes where a category says that it names the person, and a repeat is a new item', async () => {
  const world = await new TenantWorld().start();
  const marked = categories.map((category) => ({ ...category, subjectKeys: ['captureId'] }));
  bodyOf(await world.ask({ op: 'putSettings', kind: 'categories', body: encode({ categories: marked }) }));
  const about = (n: number) => ({ captureId: `canary-${n}-capture`, attributes: { name: canary(n, 'name') } });
  const { id } = await world.create(about(0));
  const { id: other } = await world.create(about(1));
  const { stores } = await erase(world, 'canary-0-capture');
  assert.equal(stores.workItem.items, 1);
  assert.equal((await everything(world)).includes('canary-0'), false);
  const captureOf = async (one = '') => bodyOf(await world.ask({ op: 'get', id: one })).captureId;
  assert.deepEqual([await captureOf(id), await captureOf(other)], [`[erased] ${id}`, 'canary-1-capture']);
  const again = await world.create(about(0));
  assert.deepEqual([again.status, again.id === id], [201, false]);
  await world.crash();
  assert.equal(await captureOf(id), `[erased] ${id}`);
});
