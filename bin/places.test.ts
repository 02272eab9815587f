import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { placesOf } from './places.js';

test('whatever the number of shards, their places need no more sessions than allowed, as long as each can have four', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 5000 }), fc.integer({ min: 1, max: 256 }), (connectionsMax, shards) => {
      fc.pre(connectionsMax >= 4 * shards);
      const { active, reads } = placesOf(connectionsMax, shards);
      assert.ok((2 * active + reads) * shards <= connectionsMax);
      assert.ok(active >= 1 && reads >= 1);
    }),
  );
  assert.deepEqual(placesOf(64, 1), { active: 24, reads: 16 });
});
