import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDraft } from './draft.js';
import { mergePatch } from './patch.js';
import { isRejection } from './rejection.js';
import type { Draft, WorkItem } from './work-item.js';

const now = Date.UTC(2026, 2, 1, 10);
const created = now - 60_000;

function itemOf(body: Record<string, unknown>, more: Partial<WorkItem> = {}): WorkItem {
  const draft = parseDraft(body, { now }) as Draft;
  assert.ok(!isRejection(draft), JSON.stringify(draft));
  return {
    id: '0190',
    seq: 1,
    version: 1,
    status: 'queued',
    updatedDateTime: created,
    preclassified: draft.category !== undefined,
    ...draft,
    createdDateTime: created,
    ...more,
  };
}

function patched(item: WorkItem, patch: unknown): { draft: Draft; changed: string[] } {
  const merged = mergePatch(item, patch, { now });
  assert.ok(!isRejection(merged), JSON.stringify(merged));
  return merged;
}

function codes(item: WorkItem, patch: unknown): Record<string, string> {
  const merged = mergePatch(item, patch, { now });
  assert.ok(isRejection(merged), 'accepted');
  return Object.fromEntries(merged.faults!.map(({ pointer, code }) => [pointer, code]));
}

/** RFC 7396, section 2, word for word. */
function naive(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result = new Map(
    typeof target === 'object' && target !== null && !Array.isArray(target) ? Object.entries(target) : [],
  );
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, naive(result.get(name), value));
  }
  return Object.fromEntries(result);
}

test('a patch changes what it names and keeps the rest', () => {
  const item = itemOf({ captureId: 'c', businessValue: 5, channel: 'mail', attributes: { a: 1, b: { c: 2, d: 3 } } });
  const { draft, changed } = patched(item, {
    businessValue: 6,
    channel: null,
    departmentId: 'd',
    attributes: { b: { c: null, e: 4 } },
  });
  assert.deepEqual(changed.sort(), ['attributes', 'businessValue', 'channel', 'departmentId']);
  assert.equal(draft.attributes, '{"a":1,"b":{"d":3,"e":4}}');
  assert.equal(draft.businessValue, 6);
  assert.equal(draft.captureId, 'c');
  assert.equal(draft.createdDateTime, created);
  assert.ok(!('channel' in draft));
});

test('the fingerprint of a patched draft is that of the same content sent whole', () => {
  const item = itemOf({ captureId: 'c', attributes: { a: 1 } });
  const { draft } = patched(item, { dueDateTime: '2026-03-02T00:00Z', attributes: { b: 2 } });
  const whole = parseDraft(
    {
      captureId: 'c',
      createdDateTime: new Date(created).toISOString(),
      dueDateTime: '2026-03-02T00:00Z',
      attributes: { b: 2, a: 1 },
    },
    { now },
  );
  assert.equal(draft.fingerprint, (whole as Draft).fingerprint);
});

test('a patch that says what is so changes nothing', () => {
  const item = itemOf({ captureId: 'c', businessValue: 5, dueDateTime: '2026-03-02T00:00Z', attributes: { a: [1] } });
  assert.deepEqual(patched(item, {}).changed, []);
  const same = { captureId: 'c', businessValue: 5, dueDateTime: '2026-03-02T01:00+01:00', attributes: { a: [1] } };
  assert.deepEqual(patched(item, { ...same, createdDateTime: new Date(created).toISOString() }).changed, []);
  assert.deepEqual(patched(item, { channel: null, attributes: { zzz: null } }).changed, []);
});

test('captureId and createdDateTime cannot be changed, given or taken away', () => {
  const item = itemOf({ captureId: 'c' });
  assert.deepEqual(codes(item, { captureId: 'd', createdDateTime: '2026-02-01T00:00Z' }), {
    '/captureId': 'invalid-value',
    '/createdDateTime': 'invalid-value',
  });
  assert.deepEqual(codes(item, { captureId: null }), { '/captureId': 'invalid-value' });
  assert.deepEqual(codes(item, { createdDateTime: null }), { '/createdDateTime': 'invalid-value' });
  assert.deepEqual(codes(itemOf({}), { captureId: 'new' }), { '/captureId': 'invalid-value' });
});

test('the result of a patch obeys the rules of a draft, all faults at once', () => {
  const item = itemOf({ attributes: { text: 'x'.repeat(50) } });
  assert.deepEqual(codes(item, { status: 'held', businessValue: 'x', expirationDateTime: '2026-01-01T00:00Z' }), {
    '/status': 'unknown-field',
    '/businessValue': 'invalid-value',
    '/expirationDateTime': 'invalid-value',
  });
  assert.deepEqual(codes(item, { attributes: 'x' }), { '/attributes': 'invalid-value' });
  assert.deepEqual(codes(item, { attributes: { a: { b: '\0' } } }), { '/attributes/a/b': 'unsafe-text' });
  assert.deepEqual(codes(item, null), { '': 'invalid-value' });
  const merged = mergePatch(item, { attributes: { more: 'y'.repeat(50) } }, { now, attributesBytesMax: 100 });
  assert.ok(isRejection(merged) && merged.code === 'too-large');
});

test('a patch nested too deeply is refused before anything recurses over it', () => {
  const item = itemOf({});
  const deep = JSON.parse(`{"attributes":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}}`);
  const merged = mergePatch(item, deep, { now });
  assert.ok(isRejection(merged) && merged.code === 'too-deep');
});

test('a patch cannot reach a prototype', () => {
  const item = itemOf({ attributes: { a: 1 } });
  const { draft } = patched(item, { attributes: { constructor: { prototype: { polluted: 1 } }, toString: { x: 1 } } });
  assert.equal(draft.attributes, '{"a":1,"constructor":{"prototype":{"polluted":1}},"toString":{"x":1}}');
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.equal((Object as unknown as Record<string, unknown>).polluted, undefined);
  const proto = JSON.parse('{"attributes":{"__proto__":{"polluted":1}}}');
  assert.deepEqual(codes(item, proto), { '/attributes/__proto__': 'unsafe-key' });
});

test('a category found by a rule is not part of the draft, one given by the source is', () => {
  const found = itemOf({}, { category: 'noise', rule: 'noise' });
  assert.equal(patched(found, {}).draft.category, undefined);
  assert.deepEqual(patched(found, { category: 'noise' }).changed, ['category']);
  const given = itemOf({ category: 'noise' });
  assert.equal(patched(given, {}).draft.category, 'noise');
  assert.deepEqual(patched(given, { category: null }).changed, ['category']);
  assert.equal(patched(given, { category: null }).draft.category, undefined);
});

test('attributes merge as RFC 7396 says, for any document and any patch', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'length', '0');
  const { node: tree } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(null, 0, 1, 'x', true),
      fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
      fc.array(tie('node'), { maxLength: 3 }),
    ),
  }));
  const object = fc.dictionary(key, tree, { maxKeys: 5, noNullPrototype: true });
  fc.assert(
    fc.property(object, object, (attributes, patch) => {
      const merged = patched(itemOf({ attributes }), { attributes: patch });
      assert.deepEqual(JSON.parse(merged.draft.attributes), naive(attributes, patch));
    }),
    { numRuns: 3000 },
  );
});
