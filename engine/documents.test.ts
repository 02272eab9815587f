import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Documents } from './documents.js';
import type { WorkItem } from './work-item.js';

function itemOf(id: string, version: number, captureId?: string, bytes = 0): WorkItem {
  const attributes = `{"x":"${'x'.repeat(bytes)}"}`;
  return { id, version, captureId, attributes } as WorkItem;
}

test('what is not projected stays, however small the cache', () => {
  const documents = new Documents(0);
  documents.put(itemOf('a', 1, 'c'));
  documents.evict();
  assert.equal(documents.get('a')?.version, 1);
  assert.equal(documents.byCapture('c')?.id, 'a');
  documents.settle(itemOf('a', 1, 'c'));
  assert.equal(documents.pendingBytes, 0);
  assert.equal(documents.byCapture('c')?.id, 'a', 'projected, and still at hand');
  documents.evict();
  assert.equal(documents.has('a'), false);
  assert.equal(documents.evictions, 1);
  assert.equal(documents.recentBytes, 0);
});

test('a version that is projected late does not settle a newer one', () => {
  const documents = new Documents(1e6);
  documents.put(itemOf('a', 1));
  documents.put(itemOf('a', 2));
  documents.settle(itemOf('a', 1));
  assert.equal(documents.pendingCount, 1);
  documents.settle(itemOf('a', 2));
  assert.equal(documents.pendingCount, 0);
});

test('what a read brings never replaces what is here', () => {
  const documents = new Documents(1e6);
  documents.put(itemOf('a', 2));
  documents.offer(itemOf('a', 1));
  assert.equal(documents.get('a')?.version, 2);
  documents.settle(itemOf('a', 2));
  documents.offer(itemOf('a', 1));
  assert.equal(documents.get('a')?.version, 2);
});

test('the least recently used go first', () => {
  const documents = new Documents(3500);
  for (const id of ['a', 'b', 'c']) documents.offer(itemOf(id, 1, undefined, 500));
  documents.get('a');
  documents.offer(itemOf('d', 1, undefined, 500));
  documents.evict();
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((id) => documents.has(id)),
    [true, false, true, true],
  );
});

test('bytes and indexes always say what is in memory', () => {
  const step = fc.record({
    what: fc.constantFrom('put', 'settle', 'offer', 'evict', 'get'),
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    bytes: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const documents = new Documents(2500);
      const versions = new Map<string, number>();
      const pending = new Map<string, WorkItem>();
      for (const { what, id, bytes } of steps) {
        if (what === 'put') {
          const item = itemOf(id, (versions.get(id) ?? 0) + 1, `c${id}`, bytes);
          versions.set(id, item.version);
          pending.set(id, item);
          documents.put(item);
        } else if (what === 'settle' && pending.has(id)) {
          documents.settle(pending.get(id)!);
          pending.delete(id);
        } else if (what === 'offer' && versions.has(id))
          documents.offer(itemOf(id, versions.get(id)!, `c${id}`, bytes));
        else if (what === 'evict') documents.evict();
        else documents.get(id);
        assert.equal(documents.pendingCount, pending.size);
        assert.equal(
          documents.pendingBytes,
          [...pending.values()].reduce((sum, item) => sum + item.attributes.length + 600, 0),
        );
        for (const [known, version] of versions) {
          const here = documents.get(known);
          assert.equal(documents.byCapture(`c${known}`), here, 'found by its captureId as by its id');
          assert.ok(here === undefined ? !documents.has(known) : here.version === version);
        }
        if (what === 'evict') assert.ok(documents.recentBytes <= 2500);
      }
    }),
    { numRuns: 300 },
  );
});
