import fc from 'fast-check';
import { type FieldKind, filterFields, operatorsOf } from '../../engine/filter-field.js';
import { formatInstant } from '../../engine/instant.js';
import { type Instant, plainTexts, statuses, type WorkItem } from '../../engine/work-item.js';
import { idOf, item } from './sample.js';

/** Random items and random filters (as a client writes them) over few values, so that most conditions split the items. */

/** The moment at which the filters are asked. */
export const sampleNow: Instant = Date.UTC(2026, 2, 8, 7, 30, 0, 123);

/** Where orders of texts differ: cases, accents, composed and not, above U+FFFF, what SQL and LIKE take as special. */
const texts = fc.constantFrom(
  ...[
    'a',
    'A',
    'ab',
    'b',
    'z',
    'Z',
    'ä',
    'a\u0308',
    'ß',
    'ss',
    'é',
    '\ue000',
    '\uffff',
    '\u{1f6a7}',
    '\u{1d4b3}',
    '\u{10ffff}',
  ],
  ...[
    ' ',
    'a b',
    '%',
    '_',
    "'",
    '"',
    '\\',
    '$1',
    '{}',
    '[]',
    'null',
    '1',
    '10',
    '9',
    '\n',
    '\t',
    'noise/street',
    'noise',
  ],
);
const numbers = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 9, 10, 0.1, 0.3, 0.1 + 0.2, 1 / 3, -2.5, 1e-300, 5e-324, 2 ** 53 - 1, 1 - 2 ** 53),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }),
);
const instants = fc.oneof(
  fc.constantFrom(sampleNow, sampleNow - 1, sampleNow + 1, sampleNow + 7_200_000, sampleNow - 86_400_000),
  fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(2200, 11, 31) }),
);
const keys = fc.constantFrom('region', 'a.b', 'ключ', 'x\\y', '0', 'constructor', '\u{1f6a7}', ' ', "it's");
const scalars = fc.oneof(texts, numbers, fc.boolean(), fc.constant(''));
const attributeValues = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 5, arbitrary: scalars },
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 3 }),
  ),
})).value;
const attributes = fc.dictionary(keys, attributeValues, { maxKeys: 5 }).map((value) => JSON.stringify(value));

const alwaysThere = new Set(['id', 'seq', 'version', 'status', 'createdDateTime', 'updatedDateTime', 'attributes']);
const optionalFields = Object.fromEntries(
  [...filterFields].filter(([name]) => !alwaysThere.has(name)).map(([name, kind]) => [name, fieldValue(name, kind)]),
);

function fieldValue(name: string, kind: FieldKind): fc.Arbitrary<string | number | boolean> {
  if (kind === 'time') return instants;
  if (kind === 'flag') return fc.constant(true);
  if (kind === 'text') return texts;
  return name === 'sourceVersion' ? fc.integer({ min: 0, max: 9 }) : numbers.map((value) => value + 0);
}

/** An item with the number as its seq: every field there or not, whatever a life of the engine would say. */
export function sampleItem(number: number): fc.Arbitrary<WorkItem> {
  return fc
    .record(
      {
        ...optionalFields,
        status: fc.constantFrom(...statuses),
        createdDateTime: instants,
        updatedDateTime: instants,
        version: fc.integer({ min: 1, max: 9 }),
        attributes,
      },
      { requiredKeys: ['status', 'createdDateTime', 'updatedDateTime', 'version', 'attributes'] },
    )
    .map((fields) => item(number, fields as Partial<WorkItem>));
}

const times = fc.oneof(
  instants.map(formatInstant),
  fc.constantFrom('now', 'now+PT2H', 'now-P1D', 'now+PT0.001S', 'now-PT0.001S', 'now-P10000D'),
);

const valuesByKind = {
  id: fc.integer({ min: 1, max: 400 }).map(idOf),
  status: fc.constantFrom(...statuses),
  text: texts,
  number: numbers,
  time: times,
  flag: fc.boolean(),
  attribute: scalars,
};

const paths = fc
  .array(keys, { minLength: 1, maxLength: 3 })
  .map((path) => `attributes.${path.map((key) => key.replace(/[\\.]/g, '\\$&')).join('.')}`);

const orders = ['lt', 'le', 'gt', 'ge'];

const condition = fc
  .oneof(
    fc.constantFrom(...[...filterFields.keys()].filter((name) => name !== 'attributes')),
    fc.constantFrom(...plainTexts, 'dueDateTime', 'businessValue', 'status', 'category'),
    { weight: 2, arbitrary: paths },
  )
  .chain((field) => {
    const kind = filterFields.get(field) ?? 'attribute';
    return fc.constantFrom(...operatorsOf[kind]).chain((op) => {
      const isText = op === 'contains' || op === 'startsWith';
      const filled = texts.filter((text) => text !== '');
      const one = kind !== 'attribute' ? valuesByKind[kind] : orders.includes(op) ? fc.oneof(filled, numbers) : scalars;
      const plain = isText
        ? op === 'contains' && kind === 'attribute'
          ? fc.oneof(filled, numbers, fc.boolean())
          : filled
        : one;
      const value =
        op === 'exists' ? fc.boolean() : op === 'in' ? fc.array(plain, { minLength: 1, maxLength: 4 }) : plain;
      return value.map((given) => ({ field, op, value: given as unknown }));
    });
  });

/** A filter as a client writes it; always valid. */
export const sampleFilter: fc.Arbitrary<object> = fc.letrec<{ filter: object }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 3, arbitrary: condition },
    tie('filter').map((not) => ({ not })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((or) => ({ or })),
  ),
})).filter;
