import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ItemTable } from './item-table.js';
import { SlotIndex } from './slot-index.js';

test('an item is found by its id in any case until it is removed, and its slot is used again', () => {
  const table = new ItemTable();
  const id = randomUUID();
  const slot = table.add(id.toUpperCase());
  assert.equal(table.find(id), slot);
  assert.equal(table.idOf(slot), id);
  assert.throws(() => table.add(id), /open once/);
  table.remove(slot);
  assert.equal(table.find(id), -1);
  assert.equal(table.isOpen(slot), false);
  assert.equal(table.add(randomUUID()), slot);
  assert.throws(() => table.remove(slot + 1), /only an open item/);
});

test('a text that is no UUID is never found and never added', () => {
  const table = new ItemTable();
  for (const text of ['', 'x', randomUUID().slice(1), `${randomUUID().slice(1)}g`, randomUUID().replaceAll('-', '_')]) {
    assert.equal(table.find(text), -1);
    assert.throws(() => table.add(text), /UUID/);
  }
});

test('a slot used again has none of its predecessor: times, value, texts', () => {
  const table = new ItemTable();
  const slot = table.add(randomUUID());
  table.setTimes(slot, { created: 1, activation: 2, due: 3, expiration: 4 });
  table.businessValue[slot] = 5;
  table.setCategory(slot, 'a/b');
  table.setSegment(slot, 'gold');
  table.setAgent(slot, 'ann');
  table.remove(slot);
  assert.equal(table.segments.find('gold'), 0);
  assert.equal(table.add(randomUUID()), slot);
  assert.deepEqual(
    [table.activation[slot], table.due[slot], table.expiration[slot]],
    [Number.NaN, Number.NaN, Number.NaN],
  );
  assert.deepEqual(
    [table.businessValue[slot], table.category[slot], table.segment[slot], table.agent[slot]],
    [0, 0, 0, 0],
  );
});

test('a text keeps its number while one item has it, and a category keeps it for ever', () => {
  const table = new ItemTable();
  const [one, two] = [table.add(randomUUID()), table.add(randomUUID())];
  table.setSegment(one, 'gold');
  table.setSegment(two, 'gold');
  table.setSegment(one, 'gold');
  table.setSegment(one, undefined);
  assert.equal(table.segments.textOf(table.segment[two]), 'gold');
  table.setSegment(two, 'iron');
  assert.equal(table.segments.size, 1);
  table.setCategory(one, 'noise');
  const noise = table.category[one];
  table.remove(one);
  assert.equal(table.categories.find('noise'), noise);
});

test('whether it grows in steps, at once or ahead, no item moves and none is lost', () => {
  for (const way of ['steps', 'at once', 'reserved'] as const) {
    const table = new ItemTable();
    if (way === 'reserved') table.reserve(150_000);
    const ids = Array.from({ length: 150_000 }, () => randomUUID());
    for (const [at, id] of ids.entries()) {
      const slot = table.add(id);
      table.seq[slot] = at;
      if (way === 'steps') table.growStep();
    }
    assert.equal(table.size, ids.length);
    for (let at = 0; at < ids.length; at += 7) {
      const slot = table.find(ids[at]);
      assert.equal(table.seq[slot], at);
      assert.equal(table.idOf(slot), ids[at]);
    }
  }
});

test('growing in steps is over before the table is full, so that no add pays for a copy', () => {
  const table = new ItemTable();
  table.reserve(100_000);
  const capacity = table.capacity;
  const spare = capacity >> 4;
  for (let at = 0; at < capacity - spare + 1; at++) table.addWords(at, 1, 2, 3);
  let steps = 0;
  while (table.growStep()) steps++;
  assert.ok(steps < spare / 10, `${steps} steps for ${spare} free slots`);
  assert.ok(table.capacity > capacity);
});

test('an attached column is as long as the table before a new slot needs it', () => {
  const table = new ItemTable();
  let length = table.columnLength;
  const detach = table.attach({
    get length() {
      return length;
    },
    grow: (capacity) => {
      length = capacity;
    },
  });
  for (let at = 0; at < 5000; at++) {
    assert.ok(table.add(randomUUID()) < length);
    table.growStep();
  }
  detach();
  const before = length;
  for (let at = 0; at < 9000; at++) table.add(randomUUID());
  assert.equal(length, before);
});

test('the index agrees with a list of hashes over random inserts, removals and growing steps, whatever collides', () => {
  const slots = 400;
  const change = fc.record({ slot: fc.nat(slots - 1), hash: fc.nat(5), grow: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 600, size: 'max' }), fc.boolean(), (changes, spread) => {
      const hashes = new Uint32Array(slots);
      const index = new SlotIndex(hashes);
      const present = new Set<number>();
      for (const { slot, hash, grow } of changes) {
        if (present.delete(slot)) index.remove(slot);
        else {
          hashes[slot] = spread ? Math.imul(slot, 0x9e3779b1) : hash;
          present.add(slot);
          index.insert(slot);
        }
        if (grow) index.growStep();
      }
      assert.equal(index.size, present.size);
      for (const hash of new Set([...present].map((slot) => hashes[slot]))) {
        const found: number[] = [];
        for (let slot = index.first(hash); slot >= 0; slot = index.another()) found.push(slot);
        const expected = [...present].filter((slot) => hashes[slot] === hash);
        assert.deepEqual(new Set(found), new Set(expected));
        assert.equal(found.length, expected.length);
      }
    }),
    { numRuns: 300 },
  );
});
