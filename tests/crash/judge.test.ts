import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ItemMoved } from '../../engine/event.js';
import type { Operation } from './history.js';
import { judge } from './judge.js';
import { SampleRun } from './sample-run.js';
import { tamperings } from './tampering.js';

test('a sound run has no violation, and everything in it is looked at', async () => {
  const evidence = SampleRun.of(12);
  const { violations, looked, unknown } = await judge(evidence);
  assert.deepEqual(violations.names, []);
  assert.deepEqual(unknown, { applied: 0, notApplied: 0 });
  assert.equal(looked.acknowledgedCreates, 12);
  assert.equal(looked.acknowledgedChanges, 3 + 2 + 6 + 4);
  assert.deepEqual([looked.items, looked.events, looked.decisions], [11, 2 + 12 + 3 + 2 + 6 + 4, 6]);
  assert.ok(looked.candidatesMean > 5);
});

for (const { title, found, spoil } of tamperings) {
  test(`the checkers find ${title}`, async () => {
    const evidence = SampleRun.of(12);
    spoil(evidence);
    const { violations } = await judge(evidence);
    for (const name of found) assert.ok(violations.names.includes(name), `${name} is not in ${violations.names}`);
  });
}

test('a take whose answer was lost belongs to the item that the journal says it took', async () => {
  const evidence = SampleRun.of(12);
  const lose = (operation: Operation): Operation => {
    const { captureId, id, answer, ...rest } = operation;
    return { ...rest, ret: null };
  };
  const at = evidence.operations.findIndex(({ action }) => action === 'next');
  evidence.operations[at] = lose(evidence.operations[at]!);
  const created = evidence.operations[11]!;
  evidence.operations.push({ ...lose(created), number: -1, action: 'create', captureId: 'never', key: 'never' });
  const { violations, unknown } = await judge(evidence);
  assert.deepEqual(violations.names, []);
  assert.deepEqual(unknown, { applied: 1, notApplied: 1 });
});

test('what the timers did after the follower had stopped is no fault of the tables', async () => {
  const evidence = SampleRun.of(12);
  const { seq, events } = evidence.journal.at(-1)!;
  const completed = events[0] as ItemMoved;
  const restarted: ItemMoved = {
    ...{ type: 'restarted', at: completed.at, id: completed.id, version: completed.version + 1 },
    ...{ status: 'queued', set: { assignedTo: null } },
  };
  evidence.journal.push({ seq: seq + 1, epoch: 1, eventCount: 1, events: [restarted] });
  evidence.tables.lastSeq++;
  const { violations } = await judge(evidence);
  assert.deepEqual(violations.names, []);
});
