import Type from 'typebox';
import { bulkActionNames } from '../engine/bulk-action.js';
import { bulkActionIdsMax, bulkActionItemsMax } from '../engine/limits.js';
import { filterExample } from './shape-filter.js';

/** The shapes of bulk actions: they document what `engine/bulk-action.ts` reads. */

const closed = { additionalProperties: false };
const exampleId = '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e';

const actionExample = {
  id: '0198c5a0-9b10-7c3d-9f00-5b8f4a2c6d1e',
  action: 'hold',
  arguments: { reason: 'Storm' },
  filter: filterExample,
  state: 'running',
  matched: 1200,
  done: 400,
  failed: 1,
  failures: [{ id: exampleId, code: 'illegal-transition', detail: 'cannot hold an item that is completed' }],
  by: 'crm',
  createdDateTime: '2026-03-02T09:00:00Z',
  finishedDateTime: null,
};

const action = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    action: Type.Enum([...bulkActionNames]),
    arguments: Type.Object({}, { additionalProperties: true }),
    filter: Type.Optional(Type.Unknown()),
    state: Type.Enum(['running', 'done', 'cancelled']),
    matched: Type.Integer({ description: 'Items that were found when it began.' }),
    done: Type.Integer(),
    failed: Type.Integer({ description: 'Items that refused the command in the state that they were in.' }),
    failures: Type.Array(Type.Object({}, { additionalProperties: true }), { description: 'The first 100 of them.' }),
    by: Type.Union([Type.String(), Type.Null()]),
    createdDateTime: Type.String({ format: 'date-time' }),
    finishedDateTime: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  },
  { examples: [actionExample] },
);

export const bulkActionShapes = {
  BulkAction: action,
  BulkActionPage: Type.Object(
    {
      items: Type.Array(Type.Ref('#/components/schemas/BulkAction')),
      next: Type.Union([Type.String(), Type.Null()], { description: 'Cursor of the next page.' }),
    },
    { examples: [{ items: [actionExample], next: null }] },
  ),
  BulkActionBody: Type.Object(
    {
      action: Type.Enum([...bulkActionNames]),
      ids: Type.Optional(
        Type.Array(Type.String({ format: 'uuid' }), {
          minItems: 1,
          maxItems: bulkActionIdsMax,
          description: 'Either these or a filter.',
        }),
      ),
      filter: Type.Optional(Type.Ref('#/components/schemas/Filter')),
      arguments: Type.Optional(
        Type.Object(
          {},
          { additionalProperties: true, description: 'As the command for one item takes them; the same for all.' },
        ),
      ),
      dryRun: Type.Optional(Type.Boolean()),
    },
    {
      ...closed,
      description: `A filter may match ${bulkActionItemsMax} items.`,
      examples: [{ action: 'hold', filter: filterExample, arguments: { reason: 'Storm' } }],
    },
  ),
  BulkPreview: Type.Object(
    {
      dryRun: Type.Literal(true),
      action: Type.Enum([...bulkActionNames]),
      matched: Type.Integer(),
      sample: Type.Array(Type.Object({}, { additionalProperties: true })),
    },
    {
      examples: [
        {
          dryRun: true,
          action: 'hold',
          matched: 1200,
          sample: [{ id: exampleId, captureId: 'a', status: 'queued', category: 'noise', version: 1, refused: null }],
        },
      ],
    },
  ),
} as const;
