import Type from 'typebox';
import { operators } from '../engine/filter-field.js';
import {
  exportColumnsMax,
  filterConditionsMax,
  filterDepthMax,
  pageItemsDefault,
  pageItemsMax,
  sortFieldsMax,
  textLengthMax,
} from '../engine/limits.js';

/** The shapes around filters: they document what `engine/filter-parser.ts` and `engine/item-sort.ts` read. */

const closed = { additionalProperties: false };

export const filterExample = {
  and: [
    { field: 'status', op: 'in', value: ['queued', 'held'] },
    { field: 'attributes.region', op: 'eq', value: 'north' },
    { field: 'dueDateTime', op: 'lt', value: 'now+PT2H' },
  ],
};

const filterReference = Type.Ref('#/components/schemas/Filter');

/** Not a reference to itself: many tools that read the document cannot follow one. */
const inner = Type.Object({}, { additionalProperties: true, description: 'A filter again.' });

const condition = Type.Object(
  {
    field: Type.String({ description: 'A field of the work item, or `attributes.` and a path of keys.' }),
    op: Type.Enum([...operators]),
    value: Type.Unknown({ description: 'Of the field’s type; a list for `in`; true or false for `exists`.' }),
  },
  closed,
);

const filter = Type.Union(
  [
    Type.Object({ and: Type.Array(inner, { minItems: 1 }) }, closed),
    Type.Object({ or: Type.Array(inner, { minItems: 1 }) }, closed),
    Type.Object({ not: inner }, closed),
    Type.Object({ saved: Type.String({ description: 'Id of a saved filter that the caller may see.' }) }, closed),
    condition,
  ],
  {
    description: `A question about one item (docs/filters.md): at most ${filterConditionsMax} conditions, ${filterDepthMax} groups inside one another.`,
    examples: [filterExample],
  },
);

const sortExample = [{ field: 'dueDateTime', order: 'asc' }];

const sort = Type.Array(
  Type.Object({ field: Type.String(), order: Type.Optional(Type.Enum(['asc', 'desc'])) }, closed),
  {
    minItems: 1,
    maxItems: sortFieldsMax,
    description: 'What lacks the field comes last; ties go by seq. Without it: newest first.',
    examples: [sortExample],
  },
);

const savedExample = { name: 'Due soon, north', shared: true, filter: filterExample, sort: sortExample };

const savedFilter = Type.Object(
  {
    id: Type.Optional(Type.String({ description: 'As in the path.' })),
    name: Type.String({ minLength: 1, maxLength: textLengthMax }),
    shared: Type.Optional(
      Type.Boolean({ description: 'True: everybody of the tenant sees it. False, the default: its owner only.' }),
    ),
    owner: Type.Optional(Type.Union([Type.String(), Type.Null()], { description: 'Who saved it first.' })),
    filter: filterReference,
    sort: Type.Optional(Type.Union([Type.Ref('#/components/schemas/Sort'), Type.Null()])),
    version: Type.Optional(Type.Integer({ description: 'The ETag.' })),
    updatedDateTime: Type.Optional(Type.Union([Type.String({ format: 'date-time' }), Type.Null()])),
  },
  { ...closed, examples: [savedExample] },
);

const cursor = Type.Union([Type.String(), Type.Null()], { description: '`next` of the page before.' });

export const filterShapes = {
  Filter: filter,
  Sort: sort,
  SavedFilter: savedFilter,
  SavedFilters: Type.Object(
    { filters: Type.Array(Type.Ref('#/components/schemas/SavedFilter')) },
    { examples: [{ filters: [savedExample] }] },
  ),
  Export: Type.Object(
    {
      filter: Type.Optional(filterReference),
      columns: Type.Optional(
        Type.Array(
          Type.Union([
            Type.String({ description: 'A field, `attributes`, `attributes.<path>` or `priority`.' }),
            Type.Object({ field: Type.String(), name: Type.Optional(Type.String()) }, closed),
          ]),
          { minItems: 1, maxItems: exportColumnsMax, description: 'Without it: every field, attributes as JSON.' },
        ),
      ),
    },
    {
      ...closed,
      examples: [{ filter: filterExample, columns: ['seq', { field: 'attributes.region', name: 'Region' }] }],
    },
  ),
  Search: Type.Object(
    {
      filter: Type.Optional(filterReference),
      sort: Type.Optional(Type.Ref('#/components/schemas/Sort')),
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: pageItemsMax, description: `By default ${pageItemsDefault}.` }),
      ),
      cursor: Type.Optional(cursor),
    },
    { ...closed, examples: [{ filter: filterExample, sort: sortExample, limit: 20 }] },
  ),
  SearchPage: Type.Object(
    {
      items: Type.Array(Type.Ref('#/components/schemas/WorkItem')),
      next: cursor,
      total: Type.Integer({ description: 'How many items match, exact up to 10,000; counted for the first page.' }),
      totalIsAtLeast: Type.Boolean({ description: 'True when more match than were counted.' }),
      at: Type.String({ format: 'date-time', description: 'What relative times counted from, on every page.' }),
      stale: Type.Optional(
        Type.Literal(true, { description: 'The tables behind this page lag behind what has been acknowledged.' }),
      ),
    },
    { examples: [{ items: [], next: null, total: 0, totalIsAtLeast: false, at: '2026-03-02T09:00:00Z' }] },
  ),
} as const;
