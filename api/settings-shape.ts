import Type, { type TSchema } from 'typebox';

/** Shapes of what concerns all kinds of settings together: versions, files, what-if. */

const list = (description: string) =>
  Type.Optional(Type.Array(Type.Record(Type.String(), Type.Unknown()), { description }));

/** Each kind's list, as its own `PUT` takes it. */
const kinds = {
  categories: list('As in `PUT /settings/categories`.'),
  prioritization: list('As `schemas` in `PUT /settings/prioritization`.'),
  calendars: list('As in `PUT /settings/calendars`.'),
};

const draftExample = {
  prioritization: [
    {
      id: 'standard',
      origin: 'created',
      mode: 'step',
      points: [
        { offset: 'PT0S', priority: 100 },
        { offset: 'PT2H', priority: 500 },
      ],
    },
  ],
};

const rankExample = (rank: number, priority: number) => ({ rank, priority, category: 'noise' });
const moveExample = {
  id: '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e',
  before: rankExample(40, 100),
  after: rankExample(2, 500),
};

const object = (fields: Record<string, TSchema>, example: unknown) =>
  Type.Object(fields, { additionalProperties: true, examples: [example] });

const settingsFile = {
  format: Type.Optional(Type.Literal('iwd-settings/1')),
  ...kinds,
  filters: list('Shared saved filters, as in `PUT /settings/filters/{id}` with their `id`; those not named stay.'),
};
const fileExample = { format: 'iwd-settings/1', ...draftExample };
const publishedExample = [{ kind: 'prioritization', version: 5 }];

export const settingsShapes = {
  SettingsFile: Type.Object(settingsFile, {
    additionalProperties: false,
    description: 'All kinds of settings in one document; a kind that is absent stays as it is.',
    examples: [fileExample],
  }),
  ImportAnswer: object(
    {
      dryRun: Type.Optional(Type.Literal(true)),
      published: Type.Array(
        Type.Object({ kind: Type.String(), id: Type.Optional(Type.String()), version: Type.Integer() }),
        {
          description: 'The kinds, and the filters, that differ from what was in force, with their new versions.',
        },
      ),
      versions: Type.Optional(Type.Record(Type.String(), Type.Integer())),
      warnings: Type.Optional(Type.Array(Type.String())),
    },
    {
      published: publishedExample,
      versions: { categories: 2, prioritization: 5, calendars: 0 },
      warnings: [],
    },
  ),
  VersionPage: object(
    {
      items: Type.Array(
        Type.Object({
          version: Type.Integer(),
          at: Type.String({ format: 'date-time' }),
          by: Type.Union([Type.String(), Type.Null()]),
        }),
      ),
      next: Type.Union([Type.String(), Type.Null()], { description: 'Cursor of the next page.' }),
    },
    { items: [{ version: 2, at: '2026-03-02T08:30:00.000Z', by: 'crm' }], next: null },
  ),
  RollbackBody: Type.Object(
    { version: Type.Integer({ minimum: 1, description: 'The version whose document is published again.' }) },
    { additionalProperties: false, examples: [{ version: 3 }] },
  ),
  WhatIf: Type.Object(
    {
      ...kinds,
      at: Type.Optional(Type.String({ format: 'date-time', description: 'Instant of both orders; by default now.' })),
      window: Type.Optional(
        Type.String({ description: 'How far ahead misses of the SLA are looked for; by default PT24H.' }),
      ),
      top: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 100, description: 'Entries of each list; by default 20.' }),
      ),
      ratePerHour: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, description: 'Items done in an hour; by default as in the last day.' }),
      ),
      reclassify: Type.Optional(
        Type.Boolean({ description: 'Classify the waiting items anew, as a restart of each would do.' }),
      ),
      journalHours: Type.Optional(
        Type.Integer({ minimum: 1, description: 'Replay so many hours of the journal instead of looking ahead.' }),
      ),
    },
    {
      additionalProperties: false,
      description: 'A draft of one or more kinds, and the question.',
      examples: [draftExample],
    },
  ),
  WhatIfAnswer: object(
    {
      at: Type.Optional(Type.String({ format: 'date-time' })),
      moved: Type.Optional(Type.Record(Type.String(), Type.Integer())),
    },
    {
      at: '2026-03-02T09:00:00.000Z',
      window: 'P1D',
      queueLength: { before: 41, after: 41 },
      moved: { up: 1, down: 38, unchanged: 2, entered: 0, left: 0 },
      up: [moveExample],
      down: [],
    },
  ),
} as const;
