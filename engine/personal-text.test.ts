import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFilter } from './filter-parser.js';
import { erased } from './personal.js';
import {
  erasedQuestion,
  filterEventWithout,
  personalValuesOf,
  questionWithout,
  type Telling,
  textWithout,
  wordsOf,
} from './personal-text.js';
import { isRejection } from './rejection.js';

const telling: Telling = {
  keys: ['customerId', 'attributes.contact.email'],
  paths: ['name', 'address'],
  subjects: ['c-1042', 'ann@x.org', '7'],
  values: ['Ann Lee', '42'],
};

test('a text loses a person’s id where it stands as a word, and short ids only where they are all of it', () => {
  assert.equal(textWithout('calls of c-1042, again', telling.subjects), 'calls of [erased], again');
  assert.equal(textWithout('ticket abc-10423', telling.subjects), 'ticket abc-10423');
  assert.equal(textWithout('level 7', telling.subjects), 'level 7');
  assert.equal(textWithout('7', telling.subjects), erased);
  assert.equal(textWithout('a.*b|c costs $&', ['a.*b|c', '$&$&']), '[erased] costs $&');
});

const id = fc.stringMatching(/^[a-zA-Z0-9@.*+-]{4,12}$/);

test('whatever an id is, nothing is left of it between blanks, it is among the words to hash, and once is enough', () => {
  fc.assert(
    fc.property(id, fc.array(fc.stringMatching(/^[a-z]{1,6}$/), { maxLength: 4 }), (subject, around) => {
      const text = [...around, subject, ...around].join(' ');
      const left = textWithout(text, [subject]);
      assert.ok(!left.split(' ').includes(subject));
      assert.deepEqual(
        left.split(' ').filter((word) => word !== erased),
        text.split(' ').filter((word) => word !== subject),
      );
      assert.equal(textWithout(left, [subject]), left);
      assert.ok(wordsOf(text).includes(subject));
    }),
  );
});

test('a question loses ids anywhere, other values only where it asks for something personal', () => {
  const asks = (field: string, op: string, value: unknown) => ({ field, op, value });
  const kind = asks('attributes.kind', 'eq', 'Ann Lee');
  const before = {
    and: [
      asks('customerId', 'in', ['c-1042', 'c-1', 'ann@x.org', '7']),
      asks('attributes.name', 'startsWith', 'Ann Lee'),
      asks('attributes.address.number', 'eq', 42),
      asks('reason', 'contains', 'for Ann Lee'),
      { not: { or: [asks('attributes.note', 'contains', 'of c-1042'), kind] } },
      asks('attributes.level', 'eq', 7),
      asks('businessValue', 'ge', 42),
      asks('status', 'in', ['held']),
      { saved: 'c-1042' },
    ],
  };
  assert.deepEqual(questionWithout(before, telling), {
    and: [
      asks('customerId', 'in', [erasedQuestion, 'c-1', erasedQuestion, erasedQuestion]),
      asks('attributes.name', 'startsWith', erasedQuestion),
      asks('attributes.address.number', 'eq', erasedQuestion),
      asks('reason', 'contains', erasedQuestion),
      { not: { or: [asks('attributes.note', 'contains', erasedQuestion), kind] } },
      ...before.and.slice(5, 8),
      { saved: erasedQuestion },
    ],
  });
});

test('a question that was right stays right, and what it asks of others stays', () => {
  const value = fc.constantFrom<string | number>('c-1042', 'Ann Lee', '7', 42, 'somebody else', 'of c-1042 too');
  const field = fc.constantFrom('customerId', 'channel', 'attributes.name', 'attributes.address.street', 'reason');
  const condition = fc
    .tuple(field, fc.constantFrom('eq', 'ne', 'in', 'contains'), value, value)
    .map(([name, op, one, other]) => ({ field: name, op, value: op === 'in' ? [one, other] : one }));
  const { filter } = fc.letrec<{ filter: object }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      condition,
      fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
      tie('filter').map((not) => ({ not })),
    ),
  }));
  fc.assert(
    fc.property(filter, (before) => {
      fc.pre(!isRejection(parseFilter(before)));
      const after = questionWithout(before, telling);
      assert.equal(isRejection(parseFilter(after)), false, JSON.stringify(after));
      assert.deepEqual(questionWithout(after, telling), after);
      assert.ok(!JSON.stringify(after).includes('c-1042'));
      assert.deepEqual(questionWithout(before, { ...telling, subjects: ['nobody'], values: ['nothing'] }), before);
    }),
  );
});

test('a filter of the journal loses its name, and its id where that tells of the person', () => {
  const filter = { id: 'of.c-1042', name: 'for Ann Lee', shared: true, version: 3, filter: { saved: 'other' } };
  const saved = { type: 'filterSaved', at: 1, filter } as const;
  assert.deepEqual(filterEventWithout(saved, telling).filter, { ...filter, id: erased, name: 'for [erased]' });
  const removed = { type: 'filterRemoved', at: 2, filterId: 'of.c-1042' } as const;
  assert.equal(filterEventWithout(removed, telling).filterId, erased);
  const other = { type: 'filterRemoved', at: 2, filterId: 'other' } as const;
  assert.equal(filterEventWithout(other, telling), other);
});

test('an item’s personal values come with the field that a filter would ask', () => {
  const attributes = { name: 'Ann Lee', address: { street: 'High St', number: 42 }, kind: 'noise' };
  assert.deepEqual(personalValuesOf({ attributes: JSON.stringify(attributes), customerId: 'c' } as never, telling), [
    ['customerId', 'c'],
    ['attributes.name', 'Ann Lee'],
    ['attributes.address.street', 'High St'],
    ['attributes.address.number', '42'],
  ]);
});
