import { plainTexts, type WorkItem } from './work-item.js';

/**
 * What may be asked of each kind of field:
 * - id: a UUID. status: a state's name.
 * - text: ordered by code point, never by language, so that memory and database agree.
 * - number, time. Times in a filter are ISO 8601 or relative: `now`, `now+PT2H`, `now-P1D`.
 * - flag: true or false, and false when the item says nothing.
 * - attribute: whatever JSON the source sent; only values of the same type ever match.
 */
export type FieldKind = 'id' | 'status' | 'text' | 'number' | 'time' | 'flag' | 'attribute';

export const operators = ['eq', 'ne', 'in', 'lt', 'le', 'gt', 'ge', 'contains', 'startsWith', 'exists'] as const;
export type Operator = (typeof operators)[number];

const equality: readonly Operator[] = ['eq', 'ne', 'in'];
const ordered: readonly Operator[] = [...equality, 'lt', 'le', 'gt', 'ge', 'exists'];

export const operatorsOf: Readonly<Record<FieldKind, readonly Operator[]>> = {
  id: equality,
  status: equality,
  text: operators,
  number: ordered,
  time: ordered,
  flag: ['eq', 'ne'],
  attribute: operators,
};

/** Fields of a work item that a filter may name; `attributes` is followed by a path, `attributes.address.city`. */
export type FilterField = Exclude<keyof WorkItem, 'fingerprint' | 'override'>;

const kinds: Readonly<Record<FilterField, FieldKind>> = {
  id: 'id',
  seq: 'number',
  version: 'number',
  status: 'status',
  captureId: 'text',
  category: 'text',
  businessValue: 'number',
  customerSegment: 'text',
  departmentId: 'text',
  processId: 'text',
  assignedTo: 'text',
  createdDateTime: 'time',
  activationDateTime: 'time',
  dueDateTime: 'time',
  expirationDateTime: 'time',
  updatedDateTime: 'time',
  assignedDateTime: 'time',
  heldDateTime: 'time',
  completedDateTime: 'time',
  sourceCreatedDateTime: 'time',
  sourceDueDateTime: 'time',
  sourceFirstCreatedDateTime: 'time',
  sourceUpdatedDateTime: 'time',
  sourceVersion: 'number',
  ...(Object.fromEntries(plainTexts.map((name) => [name, 'text'])) as Record<(typeof plainTexts)[number], 'text'>),
  rule: 'text',
  error: 'text',
  reason: 'text',
  resultCode: 'text',
  preclassified: 'flag',
  stoppedMs: 'number',
  dueByCategory: 'flag',
  attributes: 'attribute',
};

/** The kind of each field, by name. */
export const filterFields: ReadonlyMap<string, FieldKind> = new Map(Object.entries(kinds));
