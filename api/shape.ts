import Type, { type TSchema } from 'typebox';
import { serviceNames } from '../actors/ports/tenant-directory.js';
import { weekdays } from '../engine/calendar.js';
import { overrideMax, pageItemsDefault, pageItemsMax, reasonLengthMax, textLengthMax } from '../engine/limits.js';
import { plainTexts, statuses } from '../engine/work-item.js';
import { settingsShapes } from './settings-shape.js';
import { bulkActionShapes } from './shape-bulk-action.js';
import { filterShapes } from './shape-filter.js';
import { importShapes } from './shape-import.js';
import { peopleShapes } from './shape-people.js';
import { registryShapes } from './shape-registry.js';
import { subjectShapes } from './shape-subject.js';

/**
 * The JSON shapes of the API. Those of small bodies validate requests; those of items and settings document what the
 * engine itself parses and writes.
 */

/** A text that can be stored: no NUL (Postgres refuses it) and no lone surrogate (it would silently become U+FFFD). */
export const storablePattern = '^[^\\u0000\\p{Surrogate}]*$';

const text = (lengthMax: number, description: string, example: string) =>
  Type.String({ minLength: 1, maxLength: lengthMax, pattern: storablePattern, description, examples: [example] });

const agentId = text(textLengthMax, 'The resource that does the work: a person, a team, a bot.', 'agent-7');
const reason = Type.Optional(text(reasonLengthMax, 'Why, kept in the history.', 'Waiting for the customer'));
const resultCode = Type.Optional(text(reasonLengthMax, 'How it ended, in the source system’s words.', 'RESOLVED'));

const closed = { additionalProperties: false };

const instant = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-03-02T08:30:00Z'] });
const sourceInstant = (description: string) => Type.Optional(instant(`${description} ISO 8601 with an offset.`));
const short = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: textLengthMax, description }));

const draftFields = {
  captureId: short('The source’s own id; makes a repeated create safe.'),
  category: short('A category path: the source has classified the item itself.'),
  businessValue: Type.Optional(Type.Number({ description: 'What the item is worth, in the tenant’s own measure.' })),
  customerSegment: short('For example gold.'),
  departmentId: short('Owning department.'),
  processId: short('Owning process.'),
  createdDateTime: sourceInstant('When the work began to wait; not in the future.'),
  activationDateTime: sourceInstant('Not handed out before.'),
  dueDateTime: sourceInstant('When it should be done.'),
  expirationDateTime: sourceInstant('When it is worthless.'),
  sourceCreatedDateTime: sourceInstant('When the source created it.'),
  sourceDueDateTime: sourceInstant('When the source wants it done.'),
  sourceFirstCreatedDateTime: sourceInstant('When the matter first came up at the source.'),
  sourceVersion: Type.Optional(Type.Integer({ minimum: 0, description: 'Orders the messages of a source.' })),
  sourceUpdatedDateTime: sourceInstant('Orders the messages of a source.'),
  ...Object.fromEntries(plainTexts.map((name) => [name, short('Kept as the source gave it.')])),
  attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'Free JSON object.' })),
};

const draftExample = {
  captureId: 'crm-4711',
  businessValue: 120,
  customerSegment: 'gold',
  dueDateTime: '2026-03-02T16:30:00Z',
  attributes: { complaintType: 'Noise - Street' },
};

export const workItemId = '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e';

export const itemExample = {
  id: workItemId,
  ...draftExample,
  status: 'queued',
  category: 'noise/street',
  priority: 212.5,
  createdDateTime: '2026-03-02T08:30:00Z',
  version: 1,
};

const draft = Type.Object(draftFields, { ...closed, examples: [draftExample] });

const patch = Type.Object(
  Object.fromEntries(
    Object.entries(draftFields).map(([name, schema]) => [name, Type.Optional(Type.Union([schema, Type.Null()]))]),
  ),
  {
    ...closed,
    description: 'JSON Merge Patch (RFC 7396): null takes a field away.',
    examples: [{ businessValue: 200 }],
  },
);

const workItem = Type.Object(
  {
    ...draftFields,
    id: Type.String({ format: 'uuid' }),
    status: Type.Enum([...statuses]),
    priority: Type.Optional(Type.Number({ description: 'At the instant of the answer; it changes with time.' })),
    version: Type.Integer({ description: 'The ETag.' }),
    assignedTo: Type.Optional(Type.String()),
  },
  { additionalProperties: true, examples: [itemExample] },
);

const page = (item: TSchema, example: unknown) =>
  Type.Object(
    {
      items: Type.Array(item),
      next: Type.Union([Type.String(), Type.Null()], { description: 'Cursor of the next page.' }),
      stale: Type.Optional(
        Type.Literal(true, { description: 'The tables behind this page lag behind what has been acknowledged.' }),
      ),
    },
    { examples: [{ items: [example], next: null }] },
  );

const reference = (name: string) => Type.Ref(`#/components/schemas/${name}`);

const historyEntryExample = {
  seq: 17,
  at: '2026-03-02T09:00:00Z',
  type: 'held',
  by: 'crm',
  version: 2,
  status: 'held',
};

const bulkResult = Type.Object({
  line: Type.Integer({
    minimum: 0,
    description: 'Index in the array, number of the NDJSON line, or of the CSV record behind the header, from 0.',
  }),
  status: Type.Integer(),
  id: Type.Optional(Type.String({ format: 'uuid' })),
  code: Type.Optional(Type.String()),
  detail: Type.Optional(Type.String()),
});

const bulkExample = {
  accepted: 1,
  rejected: 1,
  results: [
    { line: 0, id: workItemId, status: 201 },
    { line: 1, status: 400, code: 'invalid-value', detail: 'businessValue must be a number.' },
  ],
};

const categoriesExample = {
  categories: [
    {
      id: 'noise',
      parent: null,
      name: 'Noise',
      rule: "item.attributes.complaintType.startsWith('Noise')",
      schema: 'standard',
      sla: 'PT8H',
      defaults: { dueAfter: 'PT8H' },
    },
  ],
};

const prioritizationExample = {
  schemas: [
    {
      id: 'standard',
      origin: 'created',
      mode: 'step',
      points: [
        { offset: 'PT0S', priority: 100 },
        { offset: 'PT4H', priority: 300 },
      ],
      businessValueWeight: 0.1,
      segmentWeights: { gold: 50 },
    },
  ],
};

const calendarsExample = {
  calendars: [
    {
      id: 'office',
      timeZone: 'Europe/Berlin',
      weekly: [
        { day: 'MO', from: '08:00', to: '17:00' },
        { day: 'TU', from: '08:00', to: '17:00' },
      ],
      holidays: ['2026-12-25'],
    },
  ],
};

const clock = (example: string) =>
  Type.String({ description: 'HH:MM as the clocks of the time zone show it.', examples: [example] });

const weeklyHours = Type.Object(
  { day: Type.Enum([...weekdays]), from: clock('08:00'), to: clock('17:00') },
  { ...closed, description: 'Opening hours of one day of every week; `to` may be 24:00.' },
);

const calendar = Type.Object(
  {
    id: Type.String(),
    timeZone: Type.String({ description: 'IANA name, such as Europe/Berlin.' }),
    weekly: Type.Array(weeklyHours),
    holidays: Type.Optional(Type.Array(Type.String({ format: 'date' }), { description: 'Closed days.' })),
  },
  closed,
);

const clockFields = {
  calendar: Type.Optional(
    Type.String({ description: 'Id of the business calendar in whose time ages, `sla` and `dueAfter` run.' }),
  ),
  clockStopsWhileHeld: Type.Optional(Type.Boolean({ description: 'The time that an item is on hold does not count.' })),
};

const category = Type.Object(
  {
    id: Type.String(),
    parent: Type.Union([Type.String(), Type.Null()]),
    name: Type.String(),
    rule: Type.Optional(Type.String({ description: 'CEL over `item`; first match among siblings wins.' })),
    schema: Type.Optional(Type.String()),
    sla: Type.Optional(Type.String({ description: 'ISO 8601 duration.' })),
    retention: Type.Optional(Type.String({ description: 'How long after its end an item is deleted.' })),
    defaults: Type.Optional(Type.Object({ dueAfter: Type.Optional(Type.String()) }, closed)),
    ...clockFields,
    pii: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Paths into the attributes that hold personal data: `address.street`.',
      }),
    ),
    subjectKeys: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Where else than in `customerId` an item names its person: a field, `captureId`, or `attributes.` and a path.',
      }),
    ),
  },
  closed,
);

const schema = Type.Object(
  {
    id: Type.String(),
    origin: Type.Enum(['created', 'activation', 'due']),
    mode: Type.Enum(['step', 'linear']),
    points: Type.Array(Type.Object({ offset: Type.String(), priority: Type.Number() }, closed)),
    businessValueWeight: Type.Optional(Type.Number()),
    segmentWeights: Type.Optional(Type.Record(Type.String(), Type.Number())),
    ...clockFields,
  },
  closed,
);

const free = (description: string, example: unknown) =>
  Type.Object({}, { additionalProperties: true, description, examples: [example] });

const auditLineExample = {
  seq: 17,
  at: '2026-03-02T09:00:00.000Z',
  type: 'held',
  by: 'crm',
  from: '10.1.2.3',
  itemId: workItemId,
  details: { reason: 'Waiting for the customer' },
};

/** The named shapes, as the document's `components/schemas`. */
export const shapes = {
  ...peopleShapes,
  ...subjectShapes,
  Draft: draft,
  DraftList: Type.Array(reference('Draft'), { examples: [[draftExample]] }),
  Patch: patch,
  WorkItem: workItem,
  ...filterShapes,
  ...importShapes,
  WorkItemPage: page(reference('WorkItem'), itemExample),
  Queue: Type.Object(
    {
      at: instant('The instant at which the order and all priorities hold.'),
      items: Type.Array(reference('WorkItem')),
    },
    { examples: [{ at: '2026-03-02T09:00:00Z', items: [itemExample] }] },
  ),
  HistoryPage: page(free('One event of the item.', historyEntryExample), historyEntryExample),
  AuditPage: page(
    free('Who did what to which item, setting or tenant, and from where.', auditLineExample),
    auditLineExample,
  ),
  Explanation: free(
    'Why the item stands where it stands: rule, schema, segment, terms of the score, rank, what is next.',
    {
      id: workItemId,
      category: 'noise/street',
      rank: 3,
    },
  ),
  DryRun: free('What would happen; nothing is stored.', { category: 'noise/street', priority: 100 }),
  BulkAnswer: Type.Object(
    { accepted: Type.Integer(), rejected: Type.Integer(), results: Type.Array(bulkResult) },
    { examples: [bulkExample] },
  ),
  Categories: Type.Object(
    {
      categories: Type.Array(category),
      version: Type.Optional(Type.Integer()),
      warnings: Type.Optional(Type.Array(Type.String())),
    },
    { additionalProperties: true, examples: [categoriesExample] },
  ),
  Prioritization: Type.Object(
    {
      schemas: Type.Array(schema),
      version: Type.Optional(Type.Integer()),
      warnings: Type.Optional(Type.Array(Type.String())),
    },
    { additionalProperties: true, examples: [prioritizationExample] },
  ),
  Calendars: Type.Object(
    {
      calendars: Type.Array(calendar),
      version: Type.Optional(Type.Integer()),
      warnings: Type.Optional(Type.Array(Type.String())),
    },
    { additionalProperties: true, examples: [calendarsExample] },
  ),
  ...bulkActionShapes,
  ...settingsShapes,
  NoBody: Type.Object({}, { ...closed, examples: [{}] }),
  ReasonBody: Type.Object({ reason }, { ...closed, examples: [{ reason: 'Waiting for the customer' }] }),
  EndBody: Type.Object({ resultCode, reason }, { ...closed, examples: [{ resultCode: 'RESOLVED' }] }),
  PriorityBody: Type.Object(
    {
      priority: Type.Union([Type.Number({ minimum: -overrideMax, maximum: overrideMax }), Type.Null()], {
        description: 'Points in place of the curve; null takes an earlier one away.',
      }),
      until: Type.Optional(
        Type.Union([instant('From when on the curve counts again; null or absent: never by itself.'), Type.Null()]),
      ),
      reason,
    },
    { ...closed, examples: [{ priority: 5000, until: '2026-12-01T00:00:00Z', reason: 'The mayor called' }] },
  ),
  CategoryBody: Type.Object(
    { category: text(2048, 'The path of a category.', 'noise/street') },
    { ...closed, examples: [{ category: 'noise/street' }] },
  ),
  AgentBody: Type.Object({ agentId }, { ...closed, examples: [{ agentId: 'agent-7' }] }),
  ...registryShapes,
  Health: free('Liveness or readiness.', { status: 'ready' }),
} as const;

export type ShapeName = keyof typeof shapes;

/** The query parameters, by name: validation and documentation read the same entry. */
export const queryFields = {
  captureId: { kind: 'text', lengthMax: textLengthMax, description: 'The item with this captureId.' },
  category: { kind: 'text', lengthMax: 2048, description: 'A category path: it and everything below it.' },
  cursor: { kind: 'text', lengthMax: 512, description: '`next` of the page before.' },
  status: { kind: 'list', of: statuses, description: 'One or more states, repeated or comma-separated.' },
  saved: { kind: 'text', lengthMax: 64, description: 'Id of a saved filter.' },
  after: {
    kind: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    description: 'Only items after this `seq`: that of the last whole line of an export that broke off.',
  },
  at: { kind: 'instant', description: '`IWD-Export-At` of the export that broke off, ISO 8601.' },
  limit: {
    kind: 'integer',
    min: 1,
    max: pageItemsMax,
    description: `Items of one page, by default ${pageItemsDefault}.`,
  },
  version: {
    kind: 'integer',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    description: 'An earlier version of the settings.',
  },
  returnTo: { kind: 'text', lengthMax: 1024, description: 'Path to go to after signing in.' },
  mode: {
    kind: 'list',
    of: ['create', 'upsert'],
    single: true,
    description: '`upsert`: update what the captureId names.',
  },
  mapping: {
    kind: 'text',
    lengthMax: 8192,
    description:
      'How columns become fields, as JSON (docs/api.md, "Import"); without it the columns are those of an export.',
  },
  format: {
    kind: 'list',
    of: ['json', 'yaml'],
    single: true,
    description: 'Of the answer; by default what Accept says, else JSON.',
  },
  service: { kind: 'list', of: serviceNames, description: 'The services to remove, repeated or comma-separated.' },
  deleteTenant: {
    kind: 'list',
    of: ['true', 'false'],
    single: true,
    description: '`true`: remove the tenant with all its services and keys.',
  },
  dryRun: {
    kind: 'list',
    of: ['true', 'false'],
    single: true,
    description: '`true`: answer what would happen, store nothing.',
  },
  by: { kind: 'text', lengthMax: textLengthMax, description: 'Name of the key or the person.' },
  from: { kind: 'text', lengthMax: 64, description: 'Address of the client.' },
  type: { kind: 'text', lengthMax: 64, description: 'What happened, e.g. `held` or `categoriesReplaced`.' },
  itemId: { kind: 'text', lengthMax: 36, description: 'Id of a work item.' },
  since: { kind: 'instant', description: 'From this time on, ISO 8601 with offset.' },
  until: { kind: 'instant', description: 'Before this time, ISO 8601 with offset.' },
} as const satisfies Record<string, QueryField>;

export type QueryField = { description: string } & (
  | { kind: 'text'; lengthMax: number }
  | { kind: 'integer'; min: number; max: number }
  | { kind: 'instant' }
  | { kind: 'list'; of: readonly string[]; single?: boolean }
);

export type QueryName = keyof typeof queryFields;
