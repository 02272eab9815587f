import type { CategoryDocument } from './category.js';
import type { SavedFilter } from './saved-filter.js';
import type { SchemaDocument } from './schema.js';

/**
 * The settings of a new tenant, which work for any source before anybody has configured anything: one category takes
 * every item. 0 to 1000 points over 30 days is a steady 33 points a day, so that the first schema somebody writes beside
 * it has room above and below; after 30 days age no longer tells items apart. A unit of business value is a point: what
 * a source says of value counts from the first item on, and what it leaves out counts nothing.
 */
export const defaultSchemas: readonly SchemaDocument[] = [
  {
    id: 'standard',
    origin: 'created',
    mode: 'linear',
    points: [
      { offset: 'PT0S', priority: 0 },
      { offset: 'P30D', priority: 1000 },
    ],
    businessValueWeight: 1,
  },
];

export const defaultCategories: readonly CategoryDocument[] = [
  { id: 'general', parent: null, name: 'General', rule: 'true', schema: 'standard' },
];

const open = { field: 'status', op: 'in', value: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'] };
const byDue = [{ field: 'dueDateTime', order: 'asc' }];

/** What whoever looks after a queue asks first. */
export const defaultFilters: readonly SavedFilter[] = [
  {
    id: 'overdue',
    name: 'Overdue',
    shared: true,
    filter: { and: [open, { field: 'dueDateTime', op: 'lt', value: 'now' }] },
    sort: byDue,
  },
  {
    id: 'due-soon',
    name: 'Due within 2 hours',
    shared: true,
    filter: {
      and: [
        open,
        { field: 'dueDateTime', op: 'ge', value: 'now' },
        { field: 'dueDateTime', op: 'lt', value: 'now+PT2H' },
      ],
    },
    sort: byDue,
  },
  {
    id: 'held',
    name: 'On hold',
    shared: true,
    filter: { field: 'status', op: 'eq', value: 'held' },
    sort: [{ field: 'heldDateTime', order: 'asc' }],
  },
  { id: 'errors', name: 'Errors', shared: true, filter: { field: 'status', op: 'eq', value: 'errorheld' } },
  {
    id: 'unassigned',
    name: 'Waiting for an agent',
    shared: true,
    filter: { field: 'status', op: 'eq', value: 'queued' },
  },
];
