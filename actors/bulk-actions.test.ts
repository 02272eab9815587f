import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackEvents } from '../stores/event-batch.js';
import { randomFaults, seeded } from '../stores/memory/faulty.js';
import { bodyOf, codeOf, create, encode, next, TenantWorld } from '../tests/tenant-world.js';
import { failuresMax, sliceItems } from './bulk-runner.js';
import type { Reply, Request } from './request.js';

const allowed = ['hold', 'resume', 'cancel', 'complete', 'restart', 'reprioritize', 'move', 'assign', 'delete'];

const start = (body: object, more: object = {}): Request => ({
  op: 'startBulkAction',
  body: encode(body),
  allowed,
  by: 'boss',
  ...more,
});

async function worldWith(count: number, options = {}): Promise<{ world: TenantWorld; ids: string[] }> {
  const world = await new TenantWorld(options).start();
  const replies = await world.askAll(
    Array.from({ length: count }, (_, n) => create({ captureId: `c${n}`, businessValue: n, attributes: { n } })),
  );
  return { world, ids: replies.map((reply) => bodyOf(reply).id) };
}

/** The action as its resource shows it, once it has come to an end. */
async function ended(world: TenantWorld, id: string) {
  for (;;) {
    const action = bodyOf(await world.ask({ op: 'getBulkAction', id }));
    if (action.state !== 'running') return action;
    await world.runtime.pass(10);
  }
}

const eventsOf = (world: TenantWorld) => world.database.journal.flatMap((row) => unpackEvents(row.bytes));

test('an action is answered with 202, done to every item in slices, and reports those that refused', async () => {
  const { world, ids } = await worldWith(250);
  await world.ask({ op: 'command', name: 'complete', id: ids[7] });
  const unknown = '00000000-0000-7000-8000-000000000000';
  const begun = await world.ask(start({ action: 'hold', ids: [...ids, unknown], arguments: { reason: 'storm' } }));
  assert.equal(codeOf(begun), 202);
  const { id, state, matched } = bodyOf(begun);
  assert.deepEqual([state, matched], ['running', 251]);
  const action = await ended(world, id);
  assert.deepEqual([action.state, action.done, action.failed], ['done', 249, 2]);
  assert.deepEqual(
    action.failures.map((failure: { id: string; code: string }) => [failure.id, failure.code]),
    [
      [ids[7], 'illegal-transition'],
      [unknown, 'not-found'],
    ],
  );
  assert.deepEqual(await world.queue(), []);
  const held = eventsOf(world).filter((event) => event.type === 'held');
  assert.equal(held.length, 249);
  assert.ok(held.every((event) => event.by === 'boss' && 'set' in event && event.set?.reason === 'storm'));
  const notes = eventsOf(world).filter((event) => event.type === 'bulkActionStarted');
  assert.deepEqual(
    notes.map((note) => [note.type === 'bulkActionStarted' && note.bulkAction, note.by]),
    [[id, 'boss']],
    'one line of the audit log',
  );
});

test('a filter is asked once, and the items that it found have their turn in whatever state they are by then', async () => {
  const { world, ids } = await worldWith(20);
  const filter = { field: 'businessValue', op: 'ge', value: 10 };
  const begun = await world.ask(start({ action: 'reprioritize', filter, arguments: { priority: 5000 } }));
  const action = await ended(world, bodyOf(begun).id);
  assert.deepEqual([action.matched, action.done, action.filter], [10, 10, filter]);
  assert.deepEqual(new Set((await world.queue()).slice(0, 10)), new Set(ids.slice(10)));
  const one = bodyOf(await world.ask({ op: 'get', id: ids[10] }));
  assert.deepEqual([one.priority, one.override.priority], [5000, 5000]);
});

test('a dry run counts, shows the first items and who would refuse, and changes nothing', async () => {
  const { world, ids } = await worldWith(30);
  await world.ask({ op: 'command', name: 'hold', id: ids[1] });
  const seq = world.database.lease.lastSeq;
  for (const [body, more] of [
    [{ action: 'hold', ids, dryRun: true }, {}],
    [{ action: 'hold', filter: { field: 'attributes.n', op: 'ge', value: 0 } }, { dryRun: true }],
  ] as const) {
    const preview = bodyOf(await world.ask(start(body, more)));
    assert.deepEqual([preview.dryRun, preview.matched, preview.sample.length], [true, 30, 10]);
    assert.deepEqual(
      preview.sample.map(({ refused }: { refused: string | null }) => refused !== null),
      ids.slice(0, 10).map((id) => id === ids[1]),
    );
  }
  assert.deepEqual([world.database.lease.lastSeq, world.database.bulkActions.size], [seq, 0]);
});

test('a cancelled action begins no further slice, and what is done stays done', async () => {
  const { world, ids } = await worldWith(10 * sliceItems);
  const { id } = bodyOf(await world.ask(start({ action: 'hold', ids })));
  await world.runtime.until(() => world.database.bulkActions.get(id)!.action.next > 0);
  const cancelled = bodyOf(await world.ask({ op: 'cancelBulkAction', id }));
  assert.equal(cancelled.state, 'cancelled');
  await world.runtime.pass(1000);
  const action = bodyOf(await world.ask({ op: 'getBulkAction', id }));
  assert.ok(action.done >= sliceItems && action.done < ids.length, `${action.done} are done`);
  assert.equal(eventsOf(world).filter((event) => event.type === 'held').length, action.done);
  assert.equal(codeOf(await world.ask({ op: 'cancelBulkAction', id: ids[0] })), 'not-found');
});

test('who may not do an action to one item may not do it to many, and bad bodies begin nothing', async () => {
  const { world, ids } = await worldWith(1);
  assert.equal(codeOf(await world.ask(start({ action: 'delete', ids }, { allowed: ['hold'] }))), 'forbidden');
  assert.equal(codeOf(await world.ask(start({ action: 'hold', ids: 'all' }))), 'invalid-value');
  assert.equal(codeOf(await world.ask({ ...start({}), body: Buffer.from('{"') } as Request)), 'invalid-json');
  assert.equal(world.database.bulkActions.size, 0);
});

test('the same Idempotency-Key is the same action, and another body under it is refused', async () => {
  const { world, ids } = await worldWith(3);
  const keyed = () => start({ action: 'hold', ids }, { idempotencyKey: 'k' });
  const [first, second] = await world.askAll([keyed(), keyed()]);
  assert.equal(bodyOf(first).id, bodyOf(second).id);
  await ended(world, bodyOf(first).id);
  const again = await world.ask(keyed());
  assert.ok(!again.rejected && again.replayed && bodyOf(again).done === 3);
  assert.equal(codeOf(await world.ask(start({ action: 'resume', ids }, { idempotencyKey: 'k' }))), 'key-reused');
});

test('other commands go on between the slices, and only so many failures are listed', async () => {
  const { world, ids } = await worldWith(30 * sliceItems);
  const { id } = bodyOf(await world.ask(start({ action: 'resume', ids })));
  const { action } = world.database.bulkActions.get(id)!;
  assert.equal(codeOf(await world.ask(next())), 200);
  assert.equal(world.database.bulkActions.get(id)!.action.state, 'running', `${action.next} of ${ids.length}`);
  const last = await ended(world, id);
  assert.deepEqual([last.done, last.failed, last.failures.length], [0, ids.length, failuresMax]);
});

test('actions of a tenant run one after the other, are listed newest first, and too many are refused', async () => {
  const { world, ids } = await worldWith(500);
  const bodies = Array.from({ length: 30 }, (_, n) => start({ action: n % 2 === 0 ? 'hold' : 'resume', ids }));
  const replies: unknown[] = [];
  for (const body of bodies) replies.push(codeOf(await world.ask(body)));
  assert.ok(replies.includes('too-many-requests'));
  await world.runtime.until(() =>
    [...world.database.bulkActions.values()].every(({ action }) => action.state === 'done'),
  );
  const begun = replies.filter((code) => code === 202).length;
  const page = bodyOf(await world.ask({ op: 'listBulkActions', limit: 5 }));
  assert.equal(page.items.length, 5);
  assert.equal(page.items[0].failed, 0, 'one after the other: every hold and every resume finds what it needs');
  const rest = bodyOf(await world.ask({ op: 'listBulkActions', limit: 100, cursor: page.next }));
  assert.equal(rest.items.length + 5, begun);
  assert.equal(codeOf(await world.ask({ op: 'listBulkActions', limit: 5, cursor: 'x' })), 'invalid-cursor');
});

/**
 * A bulk hold, then a bulk resume, over items that others take, complete, hold and delete meanwhile, while stores fail
 * and the process dies: each item has its turn once, and the counts say what the journal says.
 */
async function race(seed: number): Promise<number> {
  const random = seeded(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)];
  const { world, ids } = await worldWith(350, { batchEventsMax: pick([5, 512]), documentBytesMax: pick([0, 1e8]) });
  const faults = randomFaults(seed, pick([0.02, 0.1]));
  world.plan = (call, args) => {
    const fault = faults(call, args);
    return fault?.kind === 'refused' && !fault.transient ? { kind: 'before' } : fault;
  };
  /** Requests that may still be answered. */
  let open = 0;
  const submit = (request: Request, answered: (reply: Reply) => void = () => {}) => {
    open++;
    const { actor } = world;
    actor.submit(request, (reply) => {
      if (actor !== world.actor) return;
      open--;
      answered(reply);
    });
  };
  const begun = new Map<string, string>();
  /** A client that asks again under the same key until it hears that the action has begun. */
  const submitBulk = (action: string) =>
    submit(start({ action, ids }, { idempotencyKey: `${action}-${seed}` }), (reply) => {
      if (codeOf(reply) === 202) begun.set(action, bodyOf(reply).id);
    });
  for (let turn = 0; turn < 60; turn++) {
    if (turn % 5 === 2 && !begun.has('hold')) submitBulk('hold');
    if (turn % 5 === 3 && begun.has('hold') && !begun.has('resume')) submitBulk('resume');
    const id = pick(ids);
    const name = pick(['hold', 'resume', 'complete', 'delete', 'unassign', 'reprioritize'] as const);
    const priority = name === 'reprioritize' ? pick([null, 1, 1000]) : undefined;
    submit(pick<Request>([{ op: 'command', name, id, priority }, next('agent')]));
    await world.runtime.pass(pick([0, 1, 5, 30]));
    if (random() < 0.06) {
      await world.actor.kill();
      open = 0;
      world.actor = world.newActor();
      world.actor.start();
    }
  }
  world.plan = () => undefined;
  const stored = () => [...world.database.bulkActions.values()].map(({ action }) => action);
  const isOver = () => open === 0 && stored().every(({ state }) => state === 'done');
  await world.runtime.until(() => world.actor.mode === 'serving' && isOver());
  assert.ok(stored().length <= 2, 'one action a key');
  for (const id of begun.values()) assert.ok(world.database.bulkActions.has(id), 'what was answered with 202 is there');
  const keys = new Map<string, number>();
  for (const event of eventsOf(world)) {
    const key = event.key?.key;
    if (key === undefined) continue;
    assert.ok(!keys.has(key), `${key} was done twice`);
    keys.set(key, 1);
  }
  for (const { id, matched, next: turns, done, failed } of stored()) {
    assert.deepEqual([turns, done + failed], [matched, matched], 'each item has had its turn');
    const effects = [...keys.keys()].filter((key) => key.startsWith(`bulk:${id}#`)).length;
    assert.equal(done, effects, 'what is counted as done is in the journal');
    assert.ok(keys.has(`bulk:${id}`), 'and so is the line of the audit log');
  }
  await world.projected();
  const queued = [...world.database.items.values()].filter(({ status }) => status === 'queued').map(({ id }) => id);
  assert.deepEqual((await world.queue()).sort(), queued.sort());
  return stored().length;
}

test('whatever fails and whenever the process dies, each item of a bulk action has its turn once', async () => {
  let actions = 0;
  for (let seed = 1; seed <= 40; seed++) {
    try {
      actions += await race(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.ok(actions > 50, `${actions} actions were tried`);
});
