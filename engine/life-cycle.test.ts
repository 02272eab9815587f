import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ItemCommandName, itemCommands } from './command.js';
import { decide } from './decide.js';
import { parseDraft } from './draft.js';
import { allowedSteps, isFinal, readyStatus } from './life-cycle.js';
import { isRejection } from './rejection.js';
import { TenantState } from './state.js';
import { type Draft, type Status, statuses } from './work-item.js';

const now = Date.UTC(2026, 0, 1);
const id = '00000000-0000-7000-8000-000000000001';

/** What a person expects of each command in each state at rest: the state that it leads to; absent = refused. */
const expected: Record<ItemCommandName, Partial<Record<Status, Status>>> = {
  activate: { scheduled: 'queued' },
  assign: { queued: 'assigned' },
  unassign: { assigned: 'queued' },
  hold: { scheduled: 'held', queued: 'held', assigned: 'held' },
  resume: { held: 'queued', errorheld: 'errorheld' },
  complete: everyOpen('completed'),
  cancel: everyOpen('canceled'),
  reject: everyOpen('rejected'),
  restart: {
    scheduled: 'scheduled',
    queued: 'queued',
    held: 'queued',
    errorheld: 'errorheld',
    completed: 'queued',
    canceled: 'queued',
    rejected: 'queued',
    expired: 'queued',
  },
  reprioritize: everyOpenStays(),
  move: { ...everyOpenStays(), errorheld: 'queued' },
  delete: {
    ...everyOpenStays(),
    completed: 'completed',
    canceled: 'canceled',
    rejected: 'rejected',
    expired: 'expired',
  },
};

function everyOpenStays(): Partial<Record<Status, Status>> {
  return { scheduled: 'scheduled', queued: 'queued', assigned: 'assigned', held: 'held', errorheld: 'errorheld' };
}

function everyOpen(end: Status): Partial<Record<Status, Status>> {
  return { scheduled: end, queued: end, assigned: end, held: end, errorheld: end };
}

/** Commands that lead a new item to each state that it can rest in. */
const ways: Partial<Record<Status, (ItemCommandName | 'expire')[]>> = {
  scheduled: [],
  queued: [],
  errorheld: [],
  assigned: ['assign'],
  held: ['hold'],
  completed: ['complete'],
  canceled: ['cancel'],
  rejected: ['reject'],
  expired: ['expire'],
};

function itemIn(status: Status): TenantState {
  const state = new TenantState({
    tenantId: 't',
    attributesBytesMax: 65_536,
    documentBytesMax: 1e9,
    schemas: [],
    categories: [{ id: 'all', parent: null, name: 'All', rule: "item.departmentId == 'known'" }],
  });
  const draft = parseDraft(
    {
      departmentId: status === 'errorheld' ? 'unknown' : 'known',
      createdDateTime: new Date(now - 10).toISOString(),
      activationDateTime: status === 'scheduled' ? new Date(now + 1000).toISOString() : undefined,
      expirationDateTime: status === 'expired' ? new Date(now - 1).toISOString() : undefined,
    },
    { now },
  ) as Draft;
  run(state, { type: 'create', draft, mode: 'create' });
  for (const type of ways[status]!) run(state, { type, id } as Parameters<typeof decide>[1]);
  assert.equal(state.mustDocument(id).status, status);
  return state;
}

function run(state: TenantState, command: Parameters<typeof decide>[1]): ReturnType<typeof decide> {
  const decision = decide(state, command, now, () => id);
  if (!isRejection(decision)) for (const event of decision.events) state.apply(event);
  return decision;
}

const more = { priority: 5, category: 'all' };

for (const status of Object.keys(ways) as Status[]) {
  test(`an item that is ${status} goes where each command leads, or the refusal names the state and what is allowed`, () => {
    for (const type of itemCommands) {
      const state = itemIn(status);
      const before = state.mustDocument(id);
      const decision = run(state, { type, id, agentId: 'agent', reason: 'why', resultCode: 'done', ...more });
      const target = expected[type][status];
      if (type === 'delete') {
        assert.equal(state.documents.get(id), undefined);
        assert.deepEqual([state.table.find(id), state.queue.size, state.table.size], [-1, 0, 0]);
        continue;
      }
      if (target !== undefined) {
        assert.ok(!isRejection(decision), `${type} of ${status}`);
        const after = state.mustDocument(id);
        assert.equal(after.status, target, `${type} of ${status}`);
        assert.equal(after.version, before.version + 1);
        assert.equal(state.table.find(id) >= 0, !isFinal(target), 'an item at its end holds no slot');
        assert.equal(state.queue.size, target === 'queued' ? 1 : 0);
        continue;
      }
      assert.ok(isRejection(decision), `${type} of ${status}`);
      assert.equal(decision.code, 'illegal-transition');
      const allowed = itemCommands.filter((name) => expected[name][status] !== undefined);
      const said = (decision.facts as { allowed: string[] }).allowed;
      assert.deepEqual(said.filter((name) => name !== 'update').sort(), [...allowed].sort());
      assert.equal((decision.facts as { itemStatus: string }).itemStatus, status);
      assert.match(decision.detail, new RegExp(`cannot ${type} an item that is ${status}; allowed now: `));
      assert.equal(state.mustDocument(id), before, 'nothing has changed');
    }
  });
}

test('an update is taken in every open state, keeps the work in hand, and is refused at the ends', () => {
  for (const status of Object.keys(ways) as Status[]) {
    const state = itemIn(status);
    const decision = run(state, { type: 'update', id, patch: { businessValue: 3 } });
    if (isFinal(status)) assert.ok(isRejection(decision) && decision.code === 'illegal-transition');
    else assert.equal(state.mustDocument(id).status, status);
  }
});

test('no item rests in new or captured, and every state at rest can be left', () => {
  const passing: Status[] = ['new', 'captured'];
  for (const status of statuses) {
    const steps = allowedSteps(status);
    assert.ok(steps.length > 0, `${status} is a trap`);
    if (passing.includes(status)) assert.deepEqual(steps, [status === 'new' ? 'classify' : 'prioritize']);
  }
});

test('the three ends keep what was said with them and when', () => {
  for (const [type, status] of [
    ['complete', 'completed'],
    ['cancel', 'canceled'],
    ['reject', 'rejected'],
  ] as const) {
    const state = itemIn('assigned');
    run(state, { type, id, reason: 'why', resultCode: 'code' });
    const { reason, resultCode, completedDateTime, status: reached } = state.mustDocument(id);
    assert.deepEqual([reached, reason, resultCode, completedDateTime], [status, 'why', 'code', now]);
    run(state, { type: 'restart', id });
    const restarted = state.mustDocument(id);
    assert.equal(restarted.status, 'queued');
    for (const name of ['reason', 'resultCode', 'completedDateTime', 'assignedTo', 'assignedDateTime'] as const) {
      assert.equal(restarted[name], undefined, `${name} belongs to the life before`);
    }
  }
});

test('an item is ready at its activation time, not a millisecond before', () => {
  assert.equal(readyStatus(undefined, now), 'queued');
  assert.equal(readyStatus(now, now), 'queued');
  assert.equal(readyStatus(now + 1, now), 'scheduled');
});
