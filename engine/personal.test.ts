import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ItemEvent, ItemMoved } from './event.js';
import { erased, erasureOf, eventWithout, isAttributePath, isSubjectKey, subjectIdsOf } from './personal.js';
import { afterMove } from './state.js';
import type { WorkItem } from './work-item.js';

const personal = {
  keys: ['customerId', 'attributes.contact.email'],
  paths: ['name', 'address.street', 'phones.number'],
};

function item(attributes: object, more: Partial<WorkItem> = {}): WorkItem {
  return {
    id: '018f0000-0000-7000-8000-000000000001',
    seq: 1,
    version: 1,
    status: 'queued',
    createdDateTime: 1,
    updatedDateTime: 1,
    fingerprint: '0123456789abcdef',
    attributes: JSON.stringify(attributes),
    ...more,
  };
}

test('a person is found by a field and by a path, also inside arrays and as a number', () => {
  const one = item({ contact: [{ email: 'a@x' }, { email: 7 }, { mail: 'no' }] }, { customerId: 'c1' });
  assert.deepEqual(subjectIdsOf(one, personal.keys), ['c1', 'a@x', '7']);
  assert.deepEqual(subjectIdsOf(item({ contact: { constructor: 1 } }), ['attributes.contact.toString']), []);
});

test('what is marked goes wherever it stands, everything else stays as it was', () => {
  const attributes = {
    name: { first: 'Ann', last: 'Lee' },
    address: { street: 'High Street 1', city: 'Bath' },
    phones: [{ number: 1, kind: 'home' }, { number: 2 }],
    contact: { email: 'a@x' },
    kind: 'noise',
  };
  const before = item(attributes, { customerId: 'c1', reason: 'Ann called', channel: 'email', businessValue: 7 });
  const fields = erasureOf(before, personal)!;
  assert.deepEqual(JSON.parse(fields.attributes!), {
    name: erased,
    address: { street: erased, city: 'Bath' },
    phones: [{ number: erased, kind: 'home' }, { number: erased }],
    contact: { email: erased },
    kind: 'noise',
  });
  assert.deepEqual(
    { ...fields, attributes: '' },
    {
      customerId: erased,
      reason: erased,
      fingerprint: '0000000000000000',
      attributes: '',
    },
  );
  assert.equal(erasureOf({ ...before, ...fields }, personal), undefined, 'a second time there is nothing left');
});

const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.record({ number: fc.string() })));
const attributes = fc.record(
  {
    name: value,
    address: fc.oneof(value, fc.record({ street: value, city: fc.string() }, { requiredKeys: [] })),
    phones: value,
    contact: fc.oneof(value, fc.record({ email: fc.string() })),
    kind: fc.string(),
  },
  { requiredKeys: [] },
);
const drawn = fc.tuple(
  attributes,
  fc.option(fc.string(), { nil: undefined }),
  fc.option(fc.string(), { nil: undefined }),
);
const step = fc.oneof(
  fc.record({ update: drawn }),
  fc.record({ set: fc.record({ reason: fc.option(fc.string()), channel: fc.string() }, { requiredKeys: [] }) }),
);

function made(
  [content, customerId, reason]: [object, string | undefined, string | undefined],
  version: number,
): WorkItem {
  const given = { ...(customerId !== undefined && { customerId }), ...(reason !== undefined && { reason }) };
  return item(content, { ...given, version });
}

function replayed(events: readonly ItemEvent[]): WorkItem {
  let now: WorkItem | undefined;
  for (const event of events) now = 'item' in event ? event.item : afterMove(now!, event as ItemMoved);
  return now!;
}

test('a journal without the personal data replays to the item that the erasure has left', () => {
  fc.assert(
    fc.property(drawn, fc.array(step, { maxLength: 6 }), (first, steps) => {
      const key = { key: 'of-ann', fingerprint: 'f', status: 201 };
      const events: ItemEvent[] = [{ type: 'created', at: 1, item: made(first, 1), key }];
      steps.forEach((one, index) => {
        const version = index + 2;
        if ('update' in one)
          events.push({ type: 'updated', at: version, item: made(one.update, version), changed: [] });
        else {
          const set = one.set as ItemMoved['set'];
          events.push({ type: 'held', at: version, id: events[0]!.type, version, status: 'held', set });
        }
      });
      const before = replayed(events);
      const set = erasureOf(before, personal);
      const last = {
        type: 'erased',
        at: 99,
        id: before.id,
        version: before.version + 1,
        status: before.status,
      } as const;
      if (set !== undefined) events.push({ ...last, set });
      const expected = replayed(events);
      const without = events.map((event) => eventWithout(event, personal));
      // A replayed journal may hold a fingerprint that the erasure had no reason to touch.
      assert.deepEqual({ ...replayed(without), fingerprint: '' }, { ...expected, fingerprint: '' });
      assert.ok(!JSON.stringify(without).includes('of-ann'));
      assert.deepEqual(
        without.map((event) => eventWithout(event, personal)),
        without,
      );
    }),
  );
});

test('paths and keys are names with dots between them', () => {
  for (const path of ['name', 'address.street', 'Größe', 'a b']) assert.equal(isAttributePath(path), true, path);
  for (const path of ['', '.', 'a..b', 'a.', `${'x'.repeat(65)}`, 'a.b.c.d.e.f.g.h.i', 7]) {
    assert.equal(isAttributePath(path), false, String(path));
  }
  assert.deepEqual(
    ['customerId', 'interactionId', 'attributes.a.b', 'captureId', 'attributes.', 'name', 'reason'].map(isSubjectKey),
    [true, true, true, true, false, false, false],
  );
});
