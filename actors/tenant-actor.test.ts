import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, codeOf, create, encode, next, TenantWorld } from '../tests/tenant-world.js';
import type { Reply, Request } from './request.js';

const start = () => new TenantWorld().start();
const down = (call: string) => (/^(journal|lease|projection)/.test(call) ? ({ kind: 'before' } as const) : undefined);

test('nobody is answered before the commit that holds the event has succeeded', async () => {
  const world = await start();
  world.fault('journal.commit', { kind: 'delay', ms: 700 });
  const replies: Reply[] = [];
  world.actor.submit(create({ captureId: 'a' }), (reply) => replies.push(reply));
  world.actor.submit({ op: 'queue', limit: 10 }, (reply) => replies.push(reply));
  world.actor.submit({ op: 'list', captureId: 'a', limit: 10 }, (reply) => replies.push(reply));
  await world.runtime.pass(690);
  assert.deepEqual(replies, [], 'also reads wait for what they show');
  await world.runtime.pass(20);
  assert.deepEqual(replies.map(codeOf), [201, 200, 200]);
  assert.equal(bodyOf(replies[1]).items.length, 1);
});

test('while a commit is in flight the next batch gathers, and is one row', async () => {
  const world = await start();
  world.fault('journal.commit', { kind: 'delay', ms: 100 });
  const first = world.submit(create({ captureId: 'first' }));
  await world.runtime.pass(10);
  const rest = await world.askAll(Array.from({ length: 50 }, (_, n) => create({ captureId: `n${n}` })));
  assert.equal(codeOf(await first), 201);
  assert.ok(rest.every((reply) => codeOf(reply) === 201));
  assert.deepEqual(
    world.database.journal.map((row) => row.eventCount),
    [1, 50],
  );
});

test('a commit that was done but looked broken is acknowledged after recovery, and done once', async () => {
  const world = await start();
  world.fault('journal.commit', { kind: 'after' });
  const replies = await world.askAll([create({ captureId: 'a' }), create({ captureId: 'b' }), next()]);
  assert.deepEqual(replies.map(codeOf), [201, 201, 200]);
  assert.equal(world.database.journal.length, 1);
  assert.equal(world.database.lease.epoch, 2, 'a new epoch fences what may be on its way');
  const stored = bodyOf(await world.ask({ op: 'get', id: (replies[0] as { id: string }).id }));
  assert.equal(stored.captureId, 'a');
  assert.equal((await world.queue()).length, 1);
});

test('a commit that was not done is decided again', async () => {
  for (const fault of [
    { kind: 'before' },
    { kind: 'hang', ms: 900 },
    { kind: 'late', ms: 300 },
    { kind: 'late', ms: 0 },
  ] as const) {
    const world = await start();
    world.fault('journal.commit', fault);
    const replies = await world.askAll([create({ captureId: 'a' }), create({}), next(), next(), next()]);
    await world.runtime.pass(1000);
    assert.deepEqual(replies.map(codeOf), [201, 201, 200, 200, 204], fault.kind);
    await world.projected();
    assert.equal(world.database.items.size, 2, `${fault.kind}: nothing is there twice`);
    assert.equal(new Set(replies.slice(2, 4).map((reply) => (reply as { id: string }).id)).size, 2);
  }
});

test('the entries behind an unknown commit keep their order and are answered too', async () => {
  const world = await start();
  world.fault('journal.commit', { kind: 'delay', ms: 50 }, { kind: 'hang', ms: 200 });
  const first = world.submit(create({ captureId: 'a' }));
  await world.runtime.pass(10);
  const others = ['b', 'c'].map((captureId) => world.submit(create({ captureId })));
  await world.runtime.pass(100);
  const later = ['d', 'e'].map((captureId) => world.submit(create({ captureId })));
  await world.runtime.pass(2000);
  const seqs = await Promise.all(
    [first, ...others, ...later].map(async (reply) => {
      const { id } = (await reply) as { id: string };
      await world.projected();
      return world.database.items.get(id)!.seq;
    }),
  );
  assert.deepEqual(seqs, [1, 2, 3, 4, 5]);
});

test('a lost lease ends the term: nobody is acknowledged for what another owner does not have', async () => {
  const world = await start();
  await world.create({ captureId: 'a' });
  const other = world.newActor('other/2');
  const { lease } = world.database;
  // Another pod took the lease by force, as after a pause of this one.
  Object.assign(lease, { epoch: lease.epoch + 1, ownerToken: 'x', ownerPod: 'other/2', released: true });
  const reply = world.submit(create({ captureId: 'b' }));
  await world.runtime.pass(100);
  assert.equal(world.database.journal.length, 2, 'the lease was free, so this actor took it back and decided anew');
  assert.equal(codeOf(await reply), 201);
  assert.equal(world.database.lease.epoch, 3);
  other.start();
  await world.runtime.pass(10_000);
  assert.equal(other.mode, 'recovering', 'a living owner keeps its lease');
  await other.kill();
});

test('an owner whose lease is taken answers 503 within the hold time, and never from its old memory', async () => {
  const world = await start();
  await world.create({ captureId: 'a' });
  const rival = world.newActor('other/2');
  const { lease } = world.database;
  Object.assign(lease, { epoch: lease.epoch + 1, released: true });
  rival.start();
  await world.runtime.until(() => rival.mode === 'serving');
  const replies: Reply[] = [];
  rival.submit(next('rival'), (reply) => replies.push(reply));
  await world.runtime.until(() => replies.length === 1);
  assert.equal(codeOf(replies[0]), 200);
  await world.runtime.pass(world.options.leaseTtlMs);
  const [taken, read] = await world.askAll([next('old'), { op: 'queue', limit: 5 }]);
  assert.deepEqual([codeOf(taken), codeOf(read)], ['unavailable', 'unavailable']);
  await Promise.all([rival.kill(), world.actor.kill()]);
});

test('a command that the database refuses fails alone; its batch-mates succeed', async () => {
  const world = await start();
  world.plan = (call, args) => {
    if (call !== 'journal.commit') return undefined;
    const poison = JSON.stringify(args[1]).includes('poison');
    return poison ? { kind: 'refused', transient: false, sqlState: '22021' } : undefined;
  };
  const requests = Array.from({ length: 20 }, (_, n) =>
    create({ captureId: n === 7 || n === 19 ? `poison${n}` : `n${n}` }),
  );
  const replies = await world.askAll([
    ...requests,
    { op: 'queue', limit: 100 },
    { op: 'list', captureId: 'n3', limit: 1 },
  ]);
  replies.slice(0, 20).forEach((reply, n) => {
    assert.equal(codeOf(reply), n === 7 || n === 19 ? 'invalid-value' : 201, `item ${n}`);
  });
  assert.deepEqual(replies.slice(20).map(codeOf), [200, 200], 'reads beside it are answered');
  await world.projected();
  assert.equal(world.database.items.size, 18);
});

test('a database that cannot write now is tried again, then answers 503; nothing is lost or doubled', async () => {
  const world = await start();
  const full = { kind: 'refused', transient: true, sqlState: '53100' } as const;
  world.fault('journal.commit', full, full);
  assert.equal(codeOf(await world.ask(create({ captureId: 'a' }))), 201, 'two refusals are ridden out');
  world.fault('journal.commit', full, full, full);
  assert.equal(codeOf(await world.ask(create({ captureId: 'b' }))), 'unavailable');
  assert.equal(codeOf(await world.ask(create({ captureId: 'b' }))), 201);
  await world.projected();
  assert.equal(world.database.items.size, 2);
});

test('a commit that finds no connection refuses nobody: it is decided again when the database is back', async () => {
  const world = await start();
  const away = { kind: 'refused', transient: true, sqlState: '08001' } as const;
  world.fault('journal.commit', away, away, away);
  assert.equal(codeOf(await world.ask(create({ captureId: 'a' }))), 201);
  await world.projected();
  assert.equal(world.database.items.size, 1);
  assert.equal(world.database.lease.epoch, 2);
});

test('a full mailbox answers 429 with Retry-After, by count and by bytes', async () => {
  const byCount = await new TenantWorld({ mailboxCountMax: 10 }).start();
  const replies = await byCount.askAll(Array.from({ length: 25 }, () => create({})));
  assert.equal(replies.filter((reply) => codeOf(reply) === 201).length, 10);
  const refused = replies.filter((reply) => codeOf(reply) === 'too-many-requests');
  assert.equal(refused.length, 15);
  assert.ok(refused.every((reply) => reply.rejected && (reply.retryAfterSeconds ?? 0) > 0));
  const byBytes = await new TenantWorld({ mailboxBytesMax: 3000 }).start();
  const large = { attributes: { text: 'x'.repeat(2000) } };
  const codes = (await byBytes.askAll([create(large), create(large), create({})])).map(codeOf);
  assert.deepEqual(codes, [201, 'too-many-requests', 201]);
});

test('ingest waits while the follower is behind by more than its bytes, and goes on when it has caught up', async () => {
  const world = await new TenantWorld({
    unprojectedBytesMax: 20_000,
    requestTimeoutMs: 60_000,
    batchEventsMax: 4,
  }).start();
  world.plan = (call) => (call === 'projection.project' ? { kind: 'before' } : undefined);
  const item = { attributes: { text: 'x'.repeat(1000) } };
  const replies: Reply[] = [];
  for (let n = 0; n < 100; n++) world.actor.submit(create(item), (reply) => replies.push(reply));
  await world.runtime.pass(5000);
  assert.ok(replies.length >= 12 && replies.length <= 24, `${replies.length} answered while the follower stood still`);
  world.plan = () => undefined;
  await world.runtime.until(() => replies.length === 100);
  assert.ok(replies.every((reply) => codeOf(reply) === 201));
});

test('an entry that waited for longer than its time-out is refused and not done', async () => {
  const world = await new TenantWorld({ batchEventsMax: 1, requestTimeoutMs: 1000 }).start();
  world.fault('journal.commit', { kind: 'delay', ms: 2500 });
  const replies = await world.askAll([
    create({ captureId: 'a' }),
    create({ captureId: 'b' }),
    create({ captureId: 'c' }),
  ]);
  assert.equal(codeOf(replies[0]), 201);
  assert.equal(codeOf(replies[2]), 'unavailable');
  await world.projected();
  const stored = [...world.database.items.values()].map(({ captureId }) => captureId);
  assert.deepEqual(stored, codeOf(replies[1]) === 201 ? ['a', 'b'] : ['a']);
});

const lines = (count: number, of: (n: number) => object): Request => ({
  op: 'createMany',
  format: 'array',
  firstLine: 0,
  mode: 'create',
  body: encode(Array.from({ length: count }, (_, n) => of(n))),
});

test('a bulk request that is half durable when a commit fails is not doubled, and keeps its lines in order', async () => {
  for (const kind of ['before', 'after'] as const) {
    const world = await new TenantWorld({ batchEventsMax: 10 }).start();
    world.fault(
      'journal.commit',
      { kind: 'delay', ms: 5 },
      { kind: 'delay', ms: 5 },
      { kind },
      { kind: 'delay', ms: 5 },
      { kind },
    );
    const reply = await world.ask(lines(50, (n) => (n === 33 ? { businessValue: 'x' } : { attributes: { n } })));
    assert.equal(codeOf(reply), 200);
    const { json, accepted, refused } = reply as { json: string; accepted: number; refused: number };
    assert.deepEqual([accepted, refused], [49, 1]);
    const results: { line: number; id?: string; status: number }[] = JSON.parse(`[${json}]`);
    assert.deepEqual(
      results.map(({ line }) => line),
      Array.from({ length: 50 }, (_, n) => n),
    );
    assert.equal(results[33].status, 400);
    await world.projected();
    assert.equal(world.database.items.size, 49, kind);
    for (const { line, id } of results) {
      if (id !== undefined) assert.equal(JSON.parse(world.database.items.get(id)!.attributes).n, line);
    }
  }
});

test('100 retries at once with one captureId, or one Idempotency-Key, create one item and get the same answer', async () => {
  const world = await start();
  const captured = await world.askAll(
    Array.from({ length: 100 }, () => create({ captureId: 'one', businessValue: 5 })),
  );
  assert.equal(captured.filter((reply) => codeOf(reply) === 201).length, 1);
  assert.equal(captured.filter((reply) => codeOf(reply) === 200).length, 99);
  assert.equal(new Set(captured.map((reply) => (reply as { id: string }).id)).size, 1);
  const keyed = await world.askAll(
    Array.from({ length: 100 }, () => create({ businessValue: 6 }, { idempotencyKey: 'k' })),
  );
  assert.ok(keyed.every((reply) => codeOf(reply) === 201));
  assert.equal(new Set(keyed.map((reply) => bodyOf(reply).id)).size, 1);
  assert.equal(keyed.filter((reply) => (reply as { replayed?: boolean }).replayed).length, 99);
  assert.equal(codeOf(await world.ask(create({ businessValue: 7 }, { idempotencyKey: 'k' }))), 'key-reused');
  await world.projected();
  assert.equal(world.database.items.size, 2);
});

test('an Idempotency-Key and a captureId are remembered over a crash, also when their commit looked broken', async () => {
  const world = await start();
  world.fault('journal.commit', { kind: 'after' });
  const first = await world.ask(create({ captureId: 'c' }, { idempotencyKey: 'k' }));
  const taken = await world.ask({ ...next('a'), idempotencyKey: 'n' });
  for (const projected of [false, true]) {
    if (projected) await world.projected();
    await world.crash();
    const again = await world.ask(create({ captureId: 'c' }, { idempotencyKey: 'k' }));
    assert.equal(bodyOf(again).id, bodyOf(first).id);
    assert.equal(bodyOf(await world.ask(create({ captureId: 'c' }))).id, bodyOf(first).id);
    assert.equal(bodyOf(await world.ask({ ...next('a'), idempotencyKey: 'n' })).id, bodyOf(taken).id);
    assert.equal(codeOf(await world.ask({ ...next('other'), idempotencyKey: 'n' })), 'key-reused');
  }
  assert.equal(codeOf(await world.ask(next('a'))), 204);
});

test('an item that was completed long ago is found by its captureId; a new captureId costs no look-up', async () => {
  const world = await new TenantWorld({ documentBytesMax: 0 }).start();
  const { id } = await world.create({ captureId: 'old' });
  bodyOf(await world.ask({ op: 'command', name: 'complete', id: id! }));
  await world.projected();
  await world.crash();
  const before = world.count('projection.loadByCapture');
  await world.askAll(Array.from({ length: 2000 }, (_, n) => create({ captureId: `new${n}` })));
  assert.equal(world.count('projection.loadByCapture'), before, 'the filter spares the look-ups');
  assert.equal(world.count('projection.load'), 0);
  const again = await world.ask(create({ captureId: 'old' }));
  assert.equal(codeOf(again), 200);
  assert.equal(bodyOf(again).id, id);
  assert.equal(codeOf(await world.ask(create({ captureId: 'old', businessValue: 2 }))), 'capture-conflict');
  assert.equal(world.count('projection.loadByCapture') > before, true);
});

test('drain answers everything that was taken, refuses what comes later, and gives the lease back', async () => {
  const world = await start();
  world.plan = (call) => (call === 'journal.commit' ? { kind: 'delay', ms: 30 } : undefined);
  const replies = Array.from({ length: 30 }, (_, n) => world.submit(create({ captureId: `n${n}` })));
  const drained = world.actor.drain(8000);
  const late = await world.ask(create({}));
  assert.equal(codeOf(late), 'draining');
  await world.runtime.until(() => world.actor.mode === 'stopped');
  await drained;
  for (const reply of replies) assert.equal(codeOf(await reply), 201);
  assert.equal(world.database.lease.released, true);
  assert.equal(world.database.cursor, 30, 'the tables are up to date');
  assert.equal((await world.snapshots.load('t'))?.manifest.itemCount, 30);
});

test('a drain while the database is down ends in time, and everybody who waits gets an answer', async () => {
  for (const fault of [
    down,
    (call: string) =>
      /^(journal|lease|projection|snapshots)/.test(call) ? ({ kind: 'hang', ms: 60_000 } as const) : undefined,
  ]) {
    const world = await start();
    await world.create({});
    world.plan = fault;
    const replies: Reply[] = [];
    for (let n = 0; n < 5; n++) world.actor.submit(create({ captureId: `n${n}` }), (reply) => replies.push(reply));
    await world.runtime.pass(200);
    for (let n = 5; n < 10; n++) world.actor.submit(create({ captureId: `n${n}` }), (reply) => replies.push(reply));
    const begunAt = world.runtime.monotonic();
    let ended = false;
    void world.actor.drain(8000).then(() => {
      ended = true;
    });
    await world.runtime.until(() => ended, 30_000);
    assert.ok(world.runtime.monotonic() - begunAt <= 9000, `took ${world.runtime.monotonic() - begunAt} ms`);
    assert.equal(replies.length, 10);
    assert.ok(replies.every((reply) => reply.rejected));
  }
});

test('a hung snapshot store or release does not hold a drain up', async () => {
  for (const call of ['snapshots.save', 'lease.release', 'projection.project']) {
    const world = await start();
    await world.create({});
    world.plan = (name) => (name === call ? { kind: 'hang', ms: 60_000 } : undefined);
    if (call === 'projection.project') await world.create({});
    const begunAt = world.runtime.monotonic();
    let ended = false;
    void world.actor.drain(5000).then(() => {
      ended = true;
    });
    await world.runtime.until(() => ended, 100_000);
    assert.ok(world.runtime.monotonic() - begunAt <= 6000, `${call}: ${world.runtime.monotonic() - begunAt} ms`);
  }
});

test('commands are held for a short recovery, and told to come again when it takes long', async () => {
  const world = await start();
  await world.create({ captureId: 'a' });
  world.plan = down;
  const replies: Reply[] = [];
  world.actor.submit(create({ captureId: 'b' }), (reply) => replies.push(reply));
  await world.runtime.pass(300);
  world.actor.submit(create({ captureId: 'c' }), (reply) => replies.push(reply));
  await world.runtime.pass(world.options.holdMs + 500);
  assert.deepEqual(replies.map(codeOf), ['unavailable']);
  await world.runtime.pass(world.options.requestTimeoutMs);
  assert.equal(codeOf(replies[1]), 'timeout', 'who waits for the unknown commit is told so at its time-out');
  world.plan = () => undefined;
  await world.runtime.until(() => world.actor.mode === 'serving');
  assert.equal(codeOf(await world.ask(create({ captureId: 'd' }))), 201);
});

test('a database that has lost acknowledged events halts the tenant, and everybody who waits is told', async () => {
  const world = await start();
  for (const captureId of ['a', 'b', 'c']) await world.create({ captureId });
  await world.projected();
  world.database.journal.pop();
  world.database.lease.lastSeq--;
  const replies = await world.askAll([create({ captureId: 'd' }), next()]);
  assert.ok(replies.every((reply) => codeOf(reply) === 'unavailable' || codeOf(reply) === 'timeout'));
  assert.equal(world.actor.mode, 'halted');
  assert.equal(codeOf(await world.ask({ op: 'queue', limit: 1 })), 'unavailable');
  assert.ok(world.log.some((line) => /error: halted/.test(line)));
  await world.actor.drain(1000);
  assert.equal(world.actor.mode, 'stopped');
});

test('a list says that it is stale when the tables do not catch up in time', async () => {
  const world = new TenantWorld();
  await world.start();
  world.plan = (call) => (call === 'projection.project' ? { kind: 'before' } : undefined);
  bodyOf(await world.ask(create({ captureId: 'late' })));
  const page = bodyOf(await world.ask({ op: 'list', limit: 10 }));
  assert.deepEqual([page.items, page.stale], [[], true]);
  world.plan = () => undefined;
  await world.runtime.pass(10_000);
  const later = bodyOf(await world.ask({ op: 'list', limit: 10 }));
  assert.deepEqual([later.items.length, 'stale' in later], [1, false]);
});

test('a list shows what its caller has written before', async () => {
  const world = await start();
  world.plan = (call) => (call === 'projection.project' ? { kind: 'delay', ms: 900 } : undefined);
  for (let n = 1; n <= 3; n++) {
    const { id } = await world.create({ captureId: `n${n}` });
    const page = bodyOf(await world.ask({ op: 'list', statuses: ['queued'], limit: 10 }));
    assert.equal(page.items.length, n);
    assert.equal(page.items[0].id, id, 'newest first');
    const history = bodyOf(await world.ask({ op: 'history', id: id!, limit: 10 }));
    assert.deepEqual(
      history.items.map((entry: { type: string }) => entry.type),
      ['created'],
    );
  }
});

test('an item whose activation came while nobody ran is activated after the restart', async () => {
  for (const withSnapshot of [true, false]) {
    const world = await start();
    const activationDateTime = new Date(world.runtime.now() + 3_600_000).toISOString();
    const expirationDateTime = new Date(world.runtime.now() + 7_200_000).toISOString();
    const { id } = await world.create({ activationDateTime });
    const expiring = await world.create({ expirationDateTime });
    await world.projected();
    if (withSnapshot) {
      const drained = world.actor.drain(1000);
      await world.runtime.until(() => world.actor.mode === 'stopped');
      await drained;
    } else await world.actor.kill();
    await world.runtime.pass(10_000_000);
    world.actor = world.newActor();
    await world.start();
    const taken = await world.ask(next());
    assert.equal(bodyOf(taken).id, id, withSnapshot ? 'from a snapshot' : 'from the tables');
    assert.equal(bodyOf(await world.ask({ op: 'get', id: expiring.id! })).status, 'expired');
  }
});

test('an item that was released into its schedule is activated in time, also when that is replayed later', async () => {
  for (const withSnapshot of [true, false]) {
    const world = await start();
    const activationDateTime = new Date(world.runtime.now() + 3_600_000).toISOString();
    const { id } = await world.create({ activationDateTime });
    await world.ask({ op: 'command', name: 'hold', id: id! });
    await world.projected();
    if (withSnapshot) {
      const drained = world.actor.drain(1000);
      await world.runtime.until(() => world.actor.mode === 'stopped');
      await drained;
      world.actor = world.newActor();
      await world.start();
    }
    world.plan = (call) => (call === 'projection.project' ? { kind: 'before' } : undefined);
    assert.equal(bodyOf(await world.ask({ op: 'command', name: 'resume', id: id! })).status, 'scheduled');
    await world.actor.kill();
    await world.runtime.pass(10_000_000);
    world.plan = () => undefined;
    world.actor = world.newActor();
    await world.start();
    assert.equal(bodyOf(await world.ask(next()))?.id, id, withSnapshot ? 'from a snapshot' : 'from the tables');
  }
});

test('commands on more cold items than the cache can hold all come to an end', async () => {
  const world = await new TenantWorld({ documentBytesMax: 0 }).start();
  const ids = (await world.askAll(Array.from({ length: 60 }, (_, n) => create({ captureId: `n${n}` })))).map(
    (reply) => bodyOf(reply).id as string,
  );
  await world.projected();
  await world.crash();
  const requests: Request[] = ids.slice(0, 40).map((id) => ({ op: 'command', name: 'hold', id }));
  requests.push(...ids.slice(40).map((): Request => next()), { op: 'queue', limit: 60 });
  const replies = await world.askAll(requests);
  assert.ok(replies.every((reply) => codeOf(reply) === 200));
  assert.equal(new Set(replies.slice(0, 60).map((reply) => (reply as { id: string }).id)).size, 60);
});

test('a page of the queue, and items that fall due together, may be larger than the cache of documents', async () => {
  const world = await new TenantWorld({ documentBytesMax: 3000 }).start();
  const expirationDateTime = new Date(world.runtime.now() + 60_000).toISOString();
  const items = Array.from({ length: 40 }, (_, n) =>
    create({ captureId: `n${n}`, ...(n % 2 === 0 && { expirationDateTime }) }),
  );
  await world.askAll(items);
  await world.projected();
  await world.crash();
  assert.equal((await world.queue()).length, 40);
  await world.runtime.pass(61_000);
  assert.equal((await world.queue()).length, 20);
  assert.equal(codeOf(await world.ask(next())), 200);
});

test('a bulk request that comes again long after costs a few reads, not one a line', async () => {
  const world = await new TenantWorld({ documentBytesMax: 0 }).start();
  const again = lines(1500, (n) => ({ captureId: `n${n}` }));
  const first = await world.ask(again);
  await world.projected();
  await world.crash();
  const before = world.count('projection.loadByCapture');
  const second = await world.ask(again);
  const idsOf = (reply: Reply) =>
    JSON.parse(`[${(reply as { json: string }).json}]`).map((line: { id: string }) => line.id);
  assert.deepEqual(idsOf(second), idsOf(first));
  assert.ok(
    world.count('projection.loadByCapture') - before <= 10,
    `${world.count('projection.loadByCapture') - before} reads`,
  );
});

test('a read waits out a short outage of the tables, and is told of a long one', async () => {
  for (const [outageMs, told] of [
    [2000, 200],
    [60_000, 'unavailable'],
  ] as const) {
    const world = await new TenantWorld({ documentBytesMax: 1 }).start();
    const { id } = await world.create({ captureId: 'a' });
    await world.projected();
    let away = true;
    world.plan = (call) => (away && /^projection.(load|history)/.test(call) ? { kind: 'before' } : undefined);
    world.runtime.timer(outageMs, () => {
      away = false;
    });
    const replies = await world.askAll([
      { op: 'get', id: id! },
      { op: 'explain', id: id! },
    ]);
    assert.deepEqual(replies.map(codeOf), [told, told]);
  }
});

test('a tenant at its quota of open items creates none until one has ended, and answers what it has done before', async () => {
  const world = await start();
  world.actor.setQuotas({ openItems: 2 });
  const { id } = await world.create({ captureId: 'a' });
  const lines = new TextEncoder().encode('{"captureId":"b"}\n{"captureId":"c"}\n');
  const bulk = await world.ask({ op: 'createMany', body: lines, format: 'ndjson', firstLine: 0, mode: 'create' });
  assert.ok(!bulk.rejected);
  assert.deepEqual([bulk.accepted, bulk.refused], [1, 1]);
  assert.match(bulk.json!, /"code":"quota-exceeded"/);
  const refused = await world.ask(create({ captureId: 'c' }));
  assert.ok(refused.rejected);
  assert.deepEqual([refused.code, refused.facts], ['quota-exceeded', { quota: 'openItems', limit: 2 }]);
  assert.equal(codeOf(await world.ask(create({ captureId: 'a' }))), 200, 'it is there already');
  assert.equal(codeOf(await world.ask({ op: 'command', name: 'cancel', id: id! })), 200);
  assert.equal(codeOf(await world.ask(create({ captureId: 'c' }))), 201);
  world.actor.setQuotas({});
  assert.equal(codeOf(await world.ask(create({ captureId: 'd' }))), 201);
});

test('a tenant whose database is slow refuses by the wait that it would mean, and never when nothing waits', async () => {
  const world = await new TenantWorld({ batchEventsMax: 10 }).start();
  world.plan = (call) => (call === 'journal.commit' ? { kind: 'delay', ms: 100 } : undefined);
  const replies: Reply[] = [];
  let asked = 0;
  for (let tick = 0; tick < 600; tick++) {
    for (let i = 0; i < 5; i++, asked++) world.actor.submit(create({}), (reply) => replies.push(reply));
    await world.runtime.pass(10);
  }
  await world.runtime.until(() => replies.length === asked);
  const served = replies.filter((reply) => codeOf(reply) === 201).length;
  const refused = replies.filter((reply) => codeOf(reply) === 'too-many-requests');
  assert.equal(served + refused.length, asked);
  assert.ok(served > 500, `${served} of the 600 that could be done`);
  const last = refused.at(-1)!;
  const waitMs = last.rejected ? (last.facts!.waitMs as number) : 0;
  assert.ok(waitMs > 500 && waitMs < 1500, `${waitMs} ms`);
  assert.equal(codeOf(await world.ask(create({}))), 201);
});
