import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { itemJson } from './item-json.js';
import { plainTexts, statuses, type WorkItem } from './work-item.js';

const instant = fc.integer({ min: 0, max: Date.UTC(2200, 11, 31) });
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const arbitraryItem = fc.record({
  id: fc.uuid(),
  seq: fc.nat(),
  version: fc.integer({ min: 1, max: 2 ** 31 }),
  status: fc.constantFrom(...statuses),
  createdDateTime: instant,
  updatedDateTime: instant,
  fingerprint: fc.constant('0123456789abcdef'),
  attributes: fc.json({ maxDepth: 3 }).map((json) => `{"x":${json}}`),
  captureId: some(text),
  category: some(text),
  businessValue: some(fc.double({ noNaN: true, noDefaultInfinity: true })),
  customerSegment: some(text),
  assignedTo: some(text),
  activationDateTime: some(instant),
  dueDateTime: some(instant),
  completedDateTime: some(instant),
  reason: some(text),
  error: some(text),
  channel: some(text),
  sourceVersion: some(fc.nat()),
});

test('an item is valid JSON that says every field as it is, with null for the ones that people look for', () => {
  fc.assert(
    fc.property(arbitraryItem, fc.double({ noNaN: true, noDefaultInfinity: true }), (item, priority) => {
      const json = JSON.parse(itemJson(item as WorkItem, { tenantId: 't "x"', priority, ageMs: 5, ignored: true }));
      assert.equal(json.tenantId, 't "x"');
      assert.ok(json.priority === priority || (json.priority === 0 && priority === 0));
      assert.deepEqual([json.ageMs, json.ignored], [5, true]);
      assert.deepEqual(json.attributes, JSON.parse(item.attributes));
      for (const name of ['captureId', 'category', 'customerSegment', 'assignedTo'] as const) {
        assert.equal(json[name], item[name] ?? null);
      }
      assert.ok(json.businessValue === (item.businessValue ?? null) || item.businessValue === 0);
      for (const name of ['createdDateTime', 'updatedDateTime', 'activationDateTime', 'dueDateTime'] as const) {
        assert.equal(json[name] === null ? undefined : Date.parse(json[name]), item[name]);
      }
      for (const name of ['reason', 'error', 'channel', 'sourceVersion'] as const) assert.equal(json[name], item[name]);
      assert.equal(Object.hasOwn(json, 'completedDateTime'), item.completedDateTime !== undefined);
      assert.equal(Object.hasOwn(json, 'fingerprint') || Object.hasOwn(json, 'seq'), false, 'ours alone');
    }),
    { numRuns: 500 },
  );
});

test('every plain text of the source comes back', () => {
  const texts = Object.fromEntries(plainTexts.map((name) => [name, `the ${name}`]));
  const item = { id: 'x', seq: 1, version: 1, status: 'queued', createdDateTime: 0, updatedDateTime: 0, ...texts };
  const json = JSON.parse(
    itemJson({ ...item, attributes: '{}', fingerprint: '' } as WorkItem, { tenantId: 't', priority: 0 }),
  );
  for (const name of plainTexts) assert.equal(json[name], `the ${name}`);
  assert.equal(Object.hasOwn(json, 'ageMs') || Object.hasOwn(json, 'ignored'), false);
});
