import Type from 'typebox';

const id = '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e';
const free = (example: unknown) => Type.Object({}, { additionalProperties: true, examples: [example] });

/** Shapes of what is asked about persons. */
export const subjectShapes = {
  SubjectExport: Type.Object(
    {
      subject: Type.String(),
      at: Type.String({ format: 'date-time' }),
      items: Type.Array(free({ id, item: { customerId: 'c-1' }, history: [], journal: [] })),
      savedFilters: Type.Array(free({ id: 'mine', name: 'Calls of c-1', shared: false, owner: 'ann', filter: {} }), {
        description: 'Those that name the person; on the first page.',
      }),
      bulkActions: Type.Array(free({ id, action: 'hold', arguments: {}, filter: {}, by: 'ann' }), {
        description: 'Those that name the person; on the first page.',
      }),
      next: Type.Union([Type.String(), Type.Null()], { description: 'Cursor of the next page.' }),
    },
    {
      examples: [
        { subject: 'c-1', at: '2026-03-02T09:00:00Z', items: [], savedFilters: [], bulkActions: [], next: null },
      ],
    },
  ),
  ErasureReceipt: Type.Object(
    {
      id: Type.String({ format: 'uuid', description: 'Of the entry in the ledger of erasures.' }),
      at: Type.String({ format: 'date-time' }),
      stores: free({ workItem: { items: 3 }, journal: { rows: 5 } }),
    },
    { examples: [{ id, at: '2026-03-02T09:00:00Z', stores: { workItem: { items: 3 }, journal: { rows: 5 } } }] },
  ),
} as const;
