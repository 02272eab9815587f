import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, codeOf, create, TenantWorld } from '../tests/tenant-world.js';
import type { Reply, Request } from './request.js';
import { Roster } from './roster.js';
import type { TenantActor } from './tenant-actor.js';
import { TestRuntime } from './test-runtime.js';

/** Tenants `0`, `1`, ... on databases of their own, in one virtual time. */
class Town {
  readonly runtime = new TestRuntime();
  readonly worlds = new Map<string, TenantWorld>();
  readonly roster: Roster;

  constructor(activeMax: number, idleMs = 3_600_000) {
    const actorOf = ({ databaseUrl }: { databaseUrl: string }, wanted: () => void): TenantActor =>
      this.world(databaseUrl).newActor('test/1', this.runtime, wanted);
    this.roster = new Roster({ actorOf, runtime: this.runtime, activeMax, idleMs });
  }

  world(databaseUrl: string): TenantWorld {
    const world = this.worlds.get(databaseUrl) ?? new TenantWorld();
    this.worlds.set(databaseUrl, world);
    return world;
  }

  put(id: string, databaseUrl = `postgres://${id}`): void {
    this.roster.put({ id, databaseUrl });
  }

  condition(id: string): string | undefined {
    return Object.fromEntries(this.roster.conditions())[id];
  }

  get active(): string[] {
    const isActive = (condition: string) => !['passive', 'starting'].includes(condition);
    return this.roster.conditions().flatMap(([id, condition]) => (isActive(condition) ? [id] : []));
  }

  async ask(id: string, request: Request): Promise<Reply> {
    let reply: Reply | undefined;
    this.roster.find(id)!.submit(request, (answer) => {
      reply = answer;
    });
    await this.runtime.until(() => reply !== undefined, 10_000);
    return reply!;
  }

  until(id: string, condition: string): Promise<void> {
    return this.runtime.until(() => this.condition(id) === condition);
  }
}

const item = (captureId: string) => create({ captureId });

test('a tenant whose database changes starts on the new one when it has left the old one', async () => {
  const town = new Town(5);
  town.put('t', 'postgres://old');
  await town.until('t', 'serving');
  town.put('t', 'postgres://old');
  assert.equal(town.condition('t'), 'serving', 'what is as it was goes on undisturbed');
  town.put('t', 'postgres://new');
  assert.equal(town.condition('t'), 'starting');
  await town.until('t', 'serving');
  assert.equal(town.world('postgres://old').database.lease.released, true);
  assert.equal(town.world('postgres://new').database.lease.epoch, 1);
});

test('a tenant that comes again while it leaves starts when it has left', async () => {
  const town = new Town(5);
  town.put('t');
  await town.until('t', 'serving');
  const removed = town.roster.remove('t', 1000);
  town.put('t');
  await town.until('t', 'serving');
  await removed;
  assert.equal(town.world('postgres://t').database.lease.epoch, 2);
});

test('with room for three, twenty tenants are all started once, and each that is asked gets its answer', async () => {
  const town = new Town(3);
  const ids = Array.from({ length: 20 }, (_, i) => `${i}`);
  for (const id of ids) town.put(id);
  let most = 0;
  await town.runtime.until(() => {
    most = Math.max(most, town.active.length);
    return ids.every((id) => town.condition(id) !== 'starting');
  });
  for (let round = 0; round < 3; round++) {
    const replies = await Promise.all(ids.map((id) => town.ask(id, item(`${id}-${round}`))));
    assert.deepEqual(new Set(replies.map(codeOf)), new Set([201]));
    most = Math.max(most, town.active.length);
  }
  assert.ok(most <= 3, `${most} were active`);
  for (const id of ids) {
    const { items } = bodyOf(await town.ask(id, { op: 'queue', limit: 100 }));
    assert.deepEqual(
      items.map(({ captureId }: { captureId: string }) => captureId),
      [`${id}-0`, `${id}-1`, `${id}-2`],
    );
  }
});

test('a quiet tenant leaves memory and lease, and is back with all it had when somebody asks', async () => {
  const town = new Town(5, 60_000);
  town.put('t');
  await town.ask('t', item('kept'));
  const { database, snapshots, log } = town.world('postgres://t');
  await town.runtime.pass(50_000);
  assert.equal(town.condition('t'), 'serving');
  await town.until('t', 'passive');
  assert.equal(database.lease.released, true);
  assert.equal((await snapshots.load('t'))!.manifest.endSeq, database.lease.lastSeq);
  const since = town.runtime.monotonic();
  const { items } = bodyOf(await town.ask('t', { op: 'queue', limit: 10 }));
  assert.equal(items[0].captureId, 'kept');
  assert.ok(town.runtime.monotonic() - since < 300);
  assert.match(log.at(-1)!, /1 open items \(snapshot\)/);
});

test('a passive tenant is woken for what falls due, and retires again', async () => {
  const town = new Town(5, 60_000);
  town.put('t');
  const at = (ms: number) => new Date(town.runtime.now() + ms).toISOString();
  await town.ask('t', create({ captureId: 'a', activationDateTime: at(7_200_000) }));
  await town.until('t', 'passive');
  const { database } = town.world('postgres://t');
  const seq = database.lease.lastSeq;
  await town.runtime.pass(7_000_000);
  assert.equal(town.condition('t'), 'passive');
  await town.runtime.pass(7_200_000 - 7_000_000);
  assert.equal(database.lease.lastSeq, seq + 1, 'activated in time');
  await town.until('t', 'passive');
});

test('a passive tenant with a retention is woken once a day, deletes what is due, and retires again', async () => {
  const town = new Town(5, 60_000);
  town.put('t');
  const categories = [{ id: 'all', parent: null, name: 'All', rule: 'true', retention: 'PT12H' }];
  const body = new TextEncoder().encode(JSON.stringify({ categories }));
  assert.equal(codeOf(await town.ask('t', { op: 'putSettings', kind: 'categories', body })), 200);
  const { id } = bodyOf(await town.ask('t', item('a')));
  assert.equal(codeOf(await town.ask('t', { op: 'command', name: 'complete', id })), 200);
  const { database } = town.world('postgres://t');
  const epochs: number[] = [];
  for (let hour = 0; hour < 72; hour++) {
    await town.runtime.pass(3_600_000);
    assert.equal(town.condition('t'), 'passive');
    epochs.push(database.lease.epoch);
    if (hour === 11) assert.equal(database.items.size, 1, 'not before its time');
  }
  assert.equal(database.items.size, 0);
  const terms = new Set(epochs).size;
  assert.ok(terms >= 3 && terms <= 5, `${terms} terms in three days`);
});

test('somebody who asks while the tenant puts its things away is answered', async () => {
  for (let delayMs = 0; delayMs < 60; delayMs += 3) {
    const town = new Town(1);
    town.put('a');
    assert.equal(codeOf(await town.ask('a', item('1'))), 201);
    await town.runtime.pass(500);
    town.put('b');
    await town.runtime.pass(delayMs);
    assert.equal(codeOf(await town.ask('a', item('2'))), 201);
    assert.equal(bodyOf(await town.ask('a', { op: 'queue', limit: 10 })).items.length, 2);
  }
});

test('a tenant whose database is away gives its place to one that can be served, and is back when the database is', async () => {
  const town = new Town(1);
  let away = true;
  town.world('postgres://dead').plan = () => (away ? { kind: 'before' } : undefined);
  town.put('dead');
  await town.until('dead', 'unreachable');
  town.put('alive');
  assert.equal(codeOf(await town.ask('alive', item('1'))), 201);
  assert.equal(codeOf(await town.ask('dead', item('1'))), 'unavailable');
  assert.equal(codeOf(await town.ask('alive', item('2'))), 201);
  away = false;
  await town.runtime.until(() => !['unreachable', 'starting'].includes(town.condition('dead')!), 60_000);
  assert.equal(codeOf(await town.ask('dead', item('1'))), 201);
});
