import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Event } from '../engine/event.js';
import { events } from './conformance/sample.js';
import { packEvents, unpackEvents } from './event-batch.js';

const name = fc.constantFrom(...'abcdefghijkl', 'type', '', 'é', '0');
const anything = fc.object({
  key: name,
  maxDepth: 3,
  values: [
    fc.string({ unit: 'binary' }),
    fc.integer(),
    // The edge turns -0 into 0 (engine/content.ts), as msgpack does.
    fc.double({ noNaN: true }).map((number) => number + 0),
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
  ],
});

test('whatever the events hold comes back the same, also with more shapes than msgpackr remembers', () => {
  fc.assert(
    fc.property(fc.array(anything, { minLength: 1, maxLength: 80 }), (list) => {
      assert.deepStrictEqual(unpackEvents(packEvents(list as unknown as Event[])), list);
    }),
    { numRuns: 200 },
  );
});

test('each row is readable alone and in any order: nothing is remembered from the row before', () => {
  const rows = [events(1, 3), events(4, 3), events(7, 3)];
  const packed = rows.map(packEvents);
  assert.ok(packed[0]!.length === packed[1]!.length && packed[1]!.length === packed[2]!.length);
  assert.deepEqual(
    [2, 0, 1].map((row) => unpackEvents(packed[row]!)),
    [rows[2], rows[0], rows[1]],
  );
});

test('bytes of an unknown format, damaged or cut are refused', () => {
  const packed = packEvents(events(1, 2));
  assert.throws(() => unpackEvents(Buffer.from([2, ...packed.subarray(1)])), /format 2/);
  assert.throws(() => unpackEvents(packed.subarray(0, packed.length - 1)));
  assert.throws(() => unpackEvents(Buffer.from([1, 7])), /does not hold a list/);
  assert.throws(() => unpackEvents(Buffer.alloc(0)));
});
