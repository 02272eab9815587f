import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderAt } from '../engine/oracle.js';
import type { SchemaDocument } from '../engine/schema.js';
import type { WorkItem } from '../engine/work-item.js';
import { bodyOf, codeOf, encode, next, TenantWorld } from '../tests/tenant-world.js';
import type { Runtime } from './ports.js';
import type { Reply, Request } from './request.js';
import { systemRuntime } from './runtime.js';
import type { TenantActor } from './tenant-actor.js';

/**
 * Turns of an actor, in CPU time of the process: what else runs on the machine interrupts a turn for longer than it takes
 * itself. The bound is 10 ms a turn, which most must keep; the collector's threads and cold code count against some.
 * What is not sliced takes nearly all of the time in one turn.
 */
const turnMs = 10;
const shareMax = 0.2;
const coldMs = 40;

/** The system's runtime, with the length of every turn noted in milliseconds. */
function timedRuntime(): { runtime: Runtime; lengths: number[] } {
  const lengths: number[] = [];
  const soon = (fire: () => void) =>
    systemRuntime.soon(() => {
      const before = process.cpuUsage();
      fire();
      const { user, system } = process.cpuUsage(before);
      lengths.push((user + system) / 1000);
    });
  return { runtime: { ...systemRuntime, soon }, lengths };
}

/** A database that holds queued items in its tables, as after a long life; the journal before them is not needed. */
function worldWith(count: number, of: (n: number) => Partial<WorkItem>): TenantWorld {
  const world = new TenantWorld();
  const { database } = world;
  const now = systemRuntime.now();
  for (let n = 1; n <= count; n++) {
    const id = `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
    database.items.set(id, {
      id,
      seq: n,
      version: 1,
      status: 'queued',
      category: 'general',
      rule: 'general',
      createdDateTime: now - 1000 * n,
      updatedDateTime: now,
      attributes: '{}',
      fingerprint: '',
      ...of(n),
    });
  }
  database.cursor = count;
  database.lease.lastSeq = count;
  return world;
}

async function serving(world: TenantWorld, runtime: Runtime): Promise<TenantActor> {
  const actor = world.newActor('test/1', runtime);
  actor.start();
  while (actor.mode !== 'serving') await new Promise((resolve) => setImmediate(resolve));
  return actor;
}

const ask = (actor: TenantActor, request: Request) => new Promise<Reply>((resolve) => actor.submit(request, resolve));

function assertShort(lengths: number[], what: string): void {
  const sorted = lengths.toSorted((a, b) => b - a);
  const longest = sorted.slice(0, 5).map((ms) => ms.toFixed(1));
  const total = lengths.reduce((sum, ms) => sum + ms);
  assert.ok(
    sorted[Math.floor(lengths.length / 4)] <= turnMs && sorted[0] < total * shareMax + coldMs,
    `${what}: longest of ${lengths.length} turns that took ${total.toFixed(0)} ms: ${longest} ms`,
  );
}

const schema = (points: [string, number][]): SchemaDocument => ({
  id: 'standard',
  origin: 'created',
  mode: 'linear',
  points: points.map(([offset, priority]) => ({ offset, priority })),
  businessValueWeight: 1,
});

test('publishing a schema over 100,000 items takes short turns, and next follows the old order or the new one', async () => {
  const count = 100_000;
  const world = worldWith(count, (n) => ({ businessValue: (n * 7919) % 1009 }));
  const { runtime, lengths } = timedRuntime();
  const actor = await serving(world, runtime);
  const first = bodyOf(await ask(actor, { op: 'getSettings', kind: 'prioritization' })).schemas as SchemaDocument[];
  const later = [
    schema([
      ['PT0S', 1000],
      ['P40D', 0],
    ]),
  ];
  lengths.length = 0;
  let published: Reply | undefined;
  void ask(actor, { op: 'putSettings', kind: 'prioritization', body: encode({ schemas: later }) }).then((reply) => {
    published = reply;
  });
  const taken: { item: WorkItem; at: number; done: boolean }[] = [];
  while (published === undefined || taken.length < 40) {
    const item = bodyOf(await ask(actor, next()));
    taken.push({ item, at: Date.parse(item.updatedDateTime), done: published !== undefined });
  }
  assertShort(lengths, 'rebuild');
  assert.equal(codeOf(published), 200);
  let isNew = false;
  const left = new Map(world.database.items);
  for (const { item, at, done } of taken) {
    const documents = isNew ? [later] : [first, later];
    const heads = documents.map((schemas) => best(left.values(), schemas, at));
    assert.ok(heads.includes(item.id), `taken in no order that was in force: ${item.id}`);
    if (!heads.slice(0, -1).includes(item.id)) isNew = true;
    if (done) isNew = true;
    left.delete(item.id);
  }
  assert.equal(isNew, true);
  await actor.kill();
});

/** The first by the oracle; it looks at the ten or so that a rough score puts first, because it is slow. */
function best(items: Iterable<WorkItem>, schemas: SchemaDocument[], at: number): string {
  const days = (offset: string) => Number(/\d+/.exec(offset)![0]);
  const [{ points }] = schemas;
  const slope = (points[1].priority - points[0].priority) / (days(points[1].offset) * 86_400_000);
  let candidates: { item: WorkItem; rough: number }[] = [];
  for (const item of items) {
    const rough = (at - item.createdDateTime) * slope + (item.businessValue ?? 0);
    if (candidates.length >= 10 && rough < candidates[9].rough - 1) continue;
    candidates.push({ item, rough });
    if (candidates.length > 30) candidates = candidates.sort((a, b) => b.rough - a.rough).slice(0, 10);
  }
  return orderAt(
    candidates.map(({ item }) => ({ ...item, schema: 'standard' })),
    schemas,
    at,
  )[0].id;
}

test('20,000 items that expire at one instant take many short turns and bounded rows, and none of them is given away', async () => {
  const expirationDateTime = systemRuntime.now() + 1500;
  const world = worldWith(20_050, (n) => (n <= 20_000 ? { expirationDateTime } : {}));
  const { runtime, lengths } = timedRuntime();
  const actor = await serving(world, runtime);
  assert.equal(bodyOf(await ask(actor, { op: 'queue', limit: 1 })).items.length, 1);
  while (systemRuntime.now() < expirationDateTime) await new Promise((resolve) => setTimeout(resolve, 50));
  lengths.length = 0;
  const taken = bodyOf(await ask(actor, next()));
  assert.equal(taken.expirationDateTime, null, 'next waits until all that has expired is gone');
  assertShort(lengths, 'expiry');
  assert.ok(lengths.length >= 200, `20,000 events in ${lengths.length} turns`);
  const rows = world.database.journal.map((row) => row.eventCount);
  assert.ok(rows.length >= 20_000 / world.options.batchEventsMax && Math.max(...rows) <= world.options.batchEventsMax);
  const { items } = bodyOf(await ask(actor, { op: 'queue', limit: 100 }));
  assert.equal(items.length, 49);
  await actor.kill();
});
