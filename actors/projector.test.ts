import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkItem } from '../engine/work-item.js';
import { MemoryDatabase } from '../stores/memory/database.js';
import { type Fault, faultyStores } from '../stores/memory/faulty.js';
import { openMemoryStores } from '../stores/memory/tenant-database.js';
import { Batch } from './batch.js';
import type { ProjectionStore } from './ports.js';
import { Projector } from './projector.js';
import { TestRuntime } from './test-runtime.js';

/** A follower on a memory database; `faults` happen to its statements one after the other. */
function follower(faults: (Fault | undefined)[] = [], mayRest = () => false) {
  const runtime = new TestRuntime();
  const database = new MemoryDatabase();
  const calls: number[] = [];
  const stores = faultyStores(openMemoryStores(database), runtime, (call, args) => {
    if (call !== 'projection.project') return undefined;
    calls.push((args[0] as Parameters<ProjectionStore['project']>[0]).items.length);
    return faults.shift();
  });
  const lost: boolean[] = [];
  const projector = new Projector({
    store: stores.projection,
    runtime,
    cursor: 0,
    mayRest,
    onProjected: () => {},
    onLost: () => lost.push(true),
    onError: () => {},
  });
  return { runtime, database, projector, calls, lost };
}

/** A batch with one event an item of these versions. */
function batchOf(afterSeq: number, items: { id: string; version: number }[]): Batch {
  const batch = new Batch(afterSeq);
  items.forEach(({ id, version }) => {
    const item = {
      id,
      version,
      status: 'queued',
      seq: 1,
      createdDateTime: 0,
      updatedDateTime: 0,
      attributes: '{}',
    } as WorkItem;
    batch.add({ type: 'updated', at: 0, item, changed: [] }, { mustDocument: () => item } as never);
  });
  return batch;
}

test('one item is one row, whatever happened to it, and its whole history is kept', async () => {
  const { runtime, database, projector, calls } = follower([{ kind: 'delay', ms: 100 }]);
  projector.add(batchOf(0, [{ id: 'a', version: 1 }]));
  await runtime.pass(50);
  projector.add(
    batchOf(
      1,
      [2, 3].map((version) => ({ id: 'a', version })),
    ),
  );
  projector.add(batchOf(3, [{ id: 'a', version: 4 }]));
  assert.equal(await waited(runtime, projector.reached(4, 5000)), true);
  assert.deepEqual(calls, [1, 1], 'create and three changes are two statements of a row');
  assert.equal(database.items.get('a')?.version, 4);
  assert.equal(database.history.get('a')?.length, 4);
});

test('it never stops trying, and what was done although it looked broken is not done twice', async () => {
  const broken: Fault[] = [{ kind: 'before' }, { kind: 'after' }, { kind: 'hang', ms: 900 }, { kind: 'after' }];
  const { runtime, database, projector, lost } = follower(broken);
  projector.add(batchOf(0, [{ id: 'a', version: 1 }]));
  projector.add(batchOf(1, [{ id: 'b', version: 1 }]));
  assert.equal(await waited(runtime, projector.reached(2, 60_000)), true);
  assert.deepEqual([database.cursor, database.items.size, database.history.get('a')?.length], [2, 2, 1]);
  assert.deepEqual(lost, []);
});

test('an attempt whose answer was lost counts as done, also when more has come before the next one', async () => {
  const { runtime, database, projector, lost } = follower([{ kind: 'after' }]);
  projector.add(batchOf(0, [{ id: 'a', version: 1 }]));
  await runtime.until(() => database.cursor === 1);
  projector.add(batchOf(1, [{ id: 'b', version: 1 }]));
  assert.equal(await waited(runtime, projector.reached(2, 60_000)), true);
  assert.deepEqual([database.cursor, database.items.size, database.history.get('a')?.length], [2, 2, 1]);
  assert.deepEqual(lost, []);
});

test('while commits need the machine it rests after a statement, and goes on at once for who waits', async () => {
  let busy = true;
  const slow: Fault = { kind: 'delay', ms: 10 };
  const { runtime, projector, calls } = follower([slow, slow, slow, slow], () => busy);
  const many = (from: number) => Array.from({ length: 500 }, (_, at) => ({ id: `${from + at}`, version: 1 }));
  for (const from of [0, 500, 1000, 1500]) projector.add(batchOf(from, many(from)));
  await runtime.until(() => calls.length === 2);
  assert.equal(runtime.monotonic(), 40, 'a statement of 10 ms, then 30 ms of rest');
  assert.equal(await waited(runtime, projector.reached(1500, 5000)), true);
  assert.equal(runtime.monotonic(), 60, 'no rest while somebody waits');
  busy = false;
  assert.equal(await waited(runtime, projector.reached(2000, 5000)), true);
  assert.equal(runtime.monotonic(), 70);
});

test('a cursor that somebody else has moved ends it', async () => {
  const { runtime, database, projector, lost } = follower();
  database.cursor = 7;
  projector.add(batchOf(0, [{ id: 'a', version: 1 }]));
  await runtime.pass(1000);
  assert.deepEqual(lost, [true]);
  assert.equal(database.items.size, 0);
});

test('who waits for the follower waits no longer than it said', async () => {
  const { runtime, projector } = follower([{ kind: 'delay', ms: 10_000 }]);
  projector.add(batchOf(0, [{ id: 'a', version: 1 }]));
  assert.equal(await waited(runtime, projector.reached(1, 2000)), false);
  assert.ok(runtime.monotonic() <= 2000);
  assert.equal(await waited(runtime, projector.reached(0, 2000)), true, 'what is there already needs no waiting');
});

async function waited(runtime: TestRuntime, promise: Promise<boolean>): Promise<boolean> {
  let result: boolean | undefined;
  void promise.then((value) => {
    result = value;
  });
  await runtime.until(() => result !== undefined);
  return result!;
}
