import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bulkActionNames, parseBulkAction } from './bulk-action.js';
import { itemCommands } from './command.js';
import { bulkActionIdsMax } from './limits.js';
import { isRejection } from './rejection.js';

const now = Date.UTC(2026, 0, 1);
const id = '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e';
const parse = (body: unknown) => parseBulkAction(body, { now, hasCategory: (path) => path === 'noise/street' });

function faults(body: unknown): string[] {
  const read = parse(body);
  return isRejection(read) ? (read.faults ?? []).map(({ code, pointer }) => `${code} ${pointer}`).sort() : [];
}

test('each action is a command of one item, and takes its arguments', () => {
  for (const name of bulkActionNames) assert.ok((itemCommands as readonly string[]).includes(name), name);
  const bodies: object[] = [
    { action: 'hold', ids: [id], arguments: { reason: 'why' } },
    { action: 'complete', ids: [id], arguments: { reason: 'why', resultCode: 'done' } },
    { action: 'reprioritize', ids: [id], arguments: { priority: 5000, until: '2026-12-01T00:00:00Z', reason: 'why' } },
    { action: 'reprioritize', ids: [id], arguments: { priority: null } },
    { action: 'move', ids: [id], arguments: { category: 'noise/street' } },
    { action: 'assign', ids: [id], arguments: { agentId: 'a' } },
    { action: 'delete', ids: [id] },
  ];
  for (const body of bodies) {
    const read = parse(body);
    assert.ok(!isRejection(read), JSON.stringify(read));
    assert.deepEqual(read.arguments, (body as { arguments?: object }).arguments ?? {});
    assert.equal(read.dryRun, false);
  }
});

test('an id counts once, however often and in whatever case it is named', () => {
  const read = parse({ action: 'hold', ids: [id, id.toUpperCase(), id] });
  assert.deepEqual(!isRejection(read) && read.ids, [id]);
});

test('every fault is named with its place, all at once', () => {
  assert.deepEqual(faults([]), ['invalid-value ']);
  assert.deepEqual(faults({}), ['missing-field /action', 'missing-field /ids']);
  assert.deepEqual(faults({ action: 'hold', ids: [id], filter: { field: 'status', op: 'eq', value: 'held' } }), [
    'missing-field /ids',
  ]);
  assert.deepEqual(faults({ action: 'hold', ids: [] }), ['invalid-value /ids']);
  assert.deepEqual(faults({ action: 'hold', ids: ['x', 7], dryRun: 'yes', reason: 'r' }), [
    'invalid-value /dryRun',
    'invalid-value /ids/0',
    'invalid-value /ids/1',
    'unknown-field /reason',
  ]);
  assert.deepEqual(faults({ action: 'hold', ids: Array(bulkActionIdsMax + 1).fill(id) }), ['too-large /ids']);
  assert.deepEqual(faults({ action: 'hold', filter: { and: [{ field: 'nothing', op: 'eq', value: 1 }] } }), [
    'invalid-value /filter/and/0/field',
  ]);
  assert.deepEqual(faults({ action: 'unassign', ids: [id] }), ['invalid-value /action']);
});

test('arguments are those of the action, and say what each must be', () => {
  const of = (action: string, given: unknown) => faults({ action, ids: [id], arguments: given });
  assert.deepEqual(of('resume', { reason: 'r' }), ['unknown-field /arguments/reason']);
  assert.deepEqual(of('assign', {}), ['missing-field /arguments/agentId']);
  assert.deepEqual(of('assign', { agentId: '' }), ['invalid-value /arguments/agentId']);
  assert.deepEqual(of('move', { category: 'noise' }), ['invalid-value /arguments/category']);
  assert.deepEqual(of('reprioritize', { priority: 1e10, until: '2025-01-01T00:00:00Z' }), [
    'invalid-value /arguments/priority',
    'invalid-value /arguments/until',
  ]);
  assert.deepEqual(of('hold', 7), ['invalid-value /arguments']);
  assert.deepEqual(of('hold', { reason: 'a\u0000b' }), ['unsafe-text /arguments/reason']);
});
