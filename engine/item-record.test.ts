import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ItemMoved } from './event.js';
import { itemRecord } from './item-record.js';
import { afterMove } from './state.js';

const core = {
  id: '00000000-0000-7000-8000-000000000000',
  seq: 7,
  version: 1,
  status: 'queued',
  createdDateTime: 1000,
  updatedDateTime: 2000,
  attributes: '{}',
  fingerprint: 'f',
} as const;

test('later layers win, and fields that are undefined are left out', () => {
  const item = itemRecord(core, { category: 'a', rule: 'r', reason: undefined }, { category: 'b', error: undefined });
  assert.deepEqual(item, { ...core, category: 'b', rule: 'r' });
  assert.deepEqual(Object.keys(item), [...Object.keys(core), 'category', 'rule']);
});

test('a move sets what it says, takes away what it says is null, and leaves the rest as it is', () => {
  const optional = fc.record(
    { category: fc.string(), assignedTo: fc.string(), heldDateTime: fc.nat(), error: fc.string(), reason: fc.string() },
    { requiredKeys: [] },
  );
  const set = fc.dictionary(fc.constantFrom('assignedTo', 'heldDateTime', 'error', 'dueDateTime'), fc.option(fc.nat()));
  fc.assert(
    fc.property(optional, set, (fields, changes) => {
      const item = itemRecord(core, fields);
      const event = { type: 'held', at: 3000, id: core.id, version: 2, status: 'held', set: changes } as ItemMoved;
      const expected: Record<string, unknown> = { ...item, ...changes };
      for (const [name, value] of Object.entries(changes)) if (value === null) delete expected[name];
      assert.deepEqual(afterMove(item, event), { ...expected, version: 2, status: 'held', updatedDateTime: 3000 });
    }),
  );
});
