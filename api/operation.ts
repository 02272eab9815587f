import { type ItemCommandName, itemCommands } from '../engine/command.js';
import { auditOperations } from './operation-audit.js';
import { bulkActionOperations } from './operation-bulk-action.js';
import { filterOperations } from './operation-filter.js';
import {
  contentProblems,
  json,
  type Operation,
  type OperationAnswer,
  read,
  smallBodyProblems,
} from './operation-form.js';
import { peopleOperations } from './operation-people.js';
import { registryOperations } from './operation-registry.js';
import { settingsOperations } from './operation-settings.js';
import { subjectOperations } from './operation-subject.js';
import type { Privilege } from './privilege.js';
import type { ProblemCode } from './problem.js';
import type { ShapeName } from './shape.js';

export type { Operation, OperationAnswer, OperationBody } from './operation-form.js';

/** Where the API lives; health and documents answer at the root as well. */
export const basePath = '/iwd/v3';

const item = (description: string): OperationAnswer => ({ description, shape: 'WorkItem', etag: true });

const create: Operation = {
  id: 'create',
  method: 'POST',
  path: '/workitems',
  summary: 'Hands in one work item',
  access: 'iWD.Workitems.canCreate',
  query: ['mode', 'dryRun'],
  takesIdempotencyKey: true,
  body: { kind: 'raw', content: { [json]: 'Draft' }, required: true },
  answers: {
    200: { ...item('It was there already with the same content, or was updated, or this is a dry run.'), dryRun: true },
    201: { ...item('Created, and durable.'), location: true },
  },
  problems: [...contentProblems, 'capture-conflict', 'key-reused', 'gone'],
};

const bulk: Operation = {
  id: 'createMany',
  method: 'POST',
  path: '/workitems/bulk',
  summary:
    'Hands in many work items, streamed; one bad line harms no other. A body that turns out longer than allowed answers 413 with the results so far: what they call accepted stays accepted',
  access: 'iWD.Workitems.canCreate',
  query: ['mode'],
  takesIdempotencyKey: true,
  body: {
    kind: 'stream',
    content: { [json]: 'DraftList', 'application/x-ndjson': 'Draft', 'application/jsonl': 'Draft' },
    required: true,
  },
  answers: { 200: { description: 'A result for each line, in order.', shape: 'BulkAnswer' } },
  problems: ['invalid-json', 'invalid-value', 'unknown-field', 'too-large', 'unsupported-media-type'],
};

const importMany: Operation = {
  ...bulk,
  id: 'importMany',
  path: '/workitems/import',
  summary:
    'Hands in the records of a CSV or NDJSON file as work items, streamed and answered like bulk: by a mapping of columns, or as an export wrote them',
  query: ['mapping', 'mode', 'dryRun'],
  body: {
    kind: 'stream',
    content: { 'text/csv': 'Csv', 'application/x-ndjson': 'FileRecord', 'application/jsonl': 'FileRecord' },
    required: true,
  },
  problems: [
    ...bulk.problems,
    'invalid-csv',
    'missing-field',
    'unsafe-text',
    'unsafe-key',
    'unsafe-number',
    'too-deep',
  ],
};

const update: Operation = {
  id: 'update',
  method: 'PATCH',
  path: '/workitems/{id}',
  summary: 'Changes fields of a work item',
  access: 'iWD.Workitems.canUpdate',
  query: ['dryRun'],
  takesIfMatch: true,
  takesIdempotencyKey: true,
  body: { kind: 'raw', content: { 'application/merge-patch+json': 'Patch', [json]: 'Patch' }, required: true },
  answers: { 200: { ...item('The item after the change.'), dryRun: true } },
  problems: [...contentProblems, 'not-found', 'gone', 'illegal-transition', 'version-mismatch', 'key-reused'],
};

/** `delete` has a method of its own in HTTP. */
type PostedCommand = Exclude<ItemCommandName, 'delete'>;

const commandBodies: Record<PostedCommand, ShapeName> = {
  hold: 'ReasonBody',
  resume: 'NoBody',
  cancel: 'EndBody',
  complete: 'EndBody',
  reject: 'EndBody',
  restart: 'NoBody',
  activate: 'NoBody',
  assign: 'AgentBody',
  unassign: 'NoBody',
  reprioritize: 'PriorityBody',
  move: 'CategoryBody',
};

const commandSummaries: Record<PostedCommand, string> = {
  hold: 'Puts the item on hold',
  resume: 'Puts a held item back into the queue, or tries to classify it again',
  cancel: 'Ends the item: no longer wanted',
  complete: 'Ends the item: the work is done',
  reject: 'Ends the item: refused by whoever should do it',
  restart: 'Puts an item back to the start of its life: classified again, whether it had ended, waits or is held',
  activate: 'Puts a scheduled item into the queue now',
  assign: 'Gives the item to one agent',
  unassign: 'Takes the item back into the queue',
  reprioritize: 'Sets the priority in place of the curve, until a time or until it is taken away with null',
  move: 'Puts the item into a category, which stays as if the source had named it',
};

export const commandAccess: Record<ItemCommandName, Privilege> = {
  hold: 'iWD.Workitems.Hold.canExecute',
  resume: 'iWD.Workitems.Resume.canExecute',
  cancel: 'iWD.Workitems.Cancel.canExecute',
  complete: 'iWD.Workitems.Complete.canExecute',
  reject: 'iWD.Workitems.Reject.canExecute',
  restart: 'iWD.Workitems.Restart.canExecute',
  activate: 'iWD.Workitems.Activate.canExecute',
  assign: 'iWD.Workitems.Assign.canExecute',
  unassign: 'iWD.Workitems.Assign.canExecute',
  reprioritize: 'iWD.Workitems.canUpdate',
  move: 'iWD.Workitems.canUpdate',
  delete: 'iWD.Workitems.canDelete',
};

const needsBody: ReadonlySet<ShapeName> = new Set(['AgentBody', 'PriorityBody', 'CategoryBody']);

const command = (name: PostedCommand): Operation => ({
  id: name,
  method: 'POST',
  path: `/workitems/{id}/${name}`,
  summary: commandSummaries[name],
  access: commandAccess[name],
  takesIfMatch: true,
  takesIdempotencyKey: true,
  body: { kind: 'small', content: { [json]: commandBodies[name] }, required: needsBody.has(commandBodies[name]) },
  answers: { 200: item('The item after the command.') },
  problems: [...smallBodyProblems, 'not-found', 'gone', 'illegal-transition', 'version-mismatch', 'key-reused'],
});

const remove: Operation = {
  id: 'delete',
  method: 'DELETE',
  path: '/workitems/{id}',
  summary: 'Deletes a work item in any state; its history stays, without what people wrote, and its captureId is free',
  access: commandAccess.delete,
  takesIfMatch: true,
  takesIdempotencyKey: true,
  answers: { 204: { description: 'It is gone.' } },
  problems: ['not-found', 'version-mismatch', 'key-reused'],
};

const next: Operation = {
  id: 'next',
  method: 'POST',
  path: '/workitems/next',
  summary: 'Assigns the best item of this instant to the agent',
  access: 'iWD.Next.canExecute',
  takesIdempotencyKey: true,
  body: { kind: 'small', content: { [json]: 'AgentBody' }, required: true },
  answers: { 200: item('The item, assigned.'), 204: { description: 'The queue is empty.' } },
  problems: [...smallBodyProblems, 'key-reused'],
};

const open = (id: string, summary: string, answers: Operation['answers'], problems: ProblemCode[] = []): Operation => ({
  id,
  method: 'GET',
  path: `/${id}`,
  summary,
  access: 'open',
  service: true,
  answers,
  problems,
});

const health: OperationAnswer = { description: 'As the summary says.', shape: 'Health' };

/** Answered at the root and under the base path. */
export const openOperations: readonly Operation[] = [
  open('livez', 'The process is alive', { 200: health }),
  open('readyz', 'Every tenant has an owner that answers, and the server is not draining', {
    200: health,
    503: health,
  }),
  open('healthz', 'A summary for people; always 200 while the process is alive', { 200: health }),
  open(
    'metrics',
    'Prometheus metrics of the front and of every shard',
    {
      200: { description: 'Text format 0.0.4.', media: 'text/plain; version=0.0.4; charset=utf-8' },
    },
    ['unauthorized'],
  ),
  open('openapi.json', 'This document', { 200: { description: 'OpenAPI 3.1.', media: json } }),
  open('docs', 'This document, for people', { 200: { description: 'A page.', media: 'text/html; charset=utf-8' } }),
];

export const operations: readonly Operation[] = [
  create,
  bulk,
  importMany,
  read(
    'list',
    'iWD.Workitems.Search.canExecute',
    '/workitems',
    'Finds work items, newest first',
    { description: 'One page.', shape: 'WorkItemPage' },
    ['captureId', 'status', 'category', 'limit', 'cursor'],
  ),
  ...filterOperations,
  ...bulkActionOperations,
  next,
  read('get', 'iWD.Workitems.canRead', '/workitems/{id}', 'One work item', item('The item.')),
  update,
  remove,
  ...itemCommands.filter((name) => name !== 'delete').map(command),
  read(
    'history',
    'iWD.Workitems.canRead',
    '/workitems/{id}/history',
    'What happened to the item, oldest first',
    {
      description: 'One page.',
      shape: 'HistoryPage',
    },
    ['limit', 'cursor'],
  ),
  read(
    'explain',
    'iWD.Workitems.canRead',
    '/workitems/{id}/explain',
    'Why the item stands where it stands in the queue',
    {
      description: 'The explanation.',
      shape: 'Explanation',
    },
  ),
  read(
    'queue',
    'iWD.Workitems.canRead',
    '/queue',
    'The head of the queue in its exact order at this instant',
    {
      description: 'The items in order.',
      shape: 'Queue',
    },
    ['limit'],
  ),
  ...settingsOperations,
  ...auditOperations,
  ...subjectOperations,
  ...peopleOperations,
  ...registryOperations,
  ...openOperations,
];

/** Every URL template that an operation answers, `{id}` not filled in. */
export function urlsOf(operation: Operation): string[] {
  return operation.service ? [operation.path, basePath + operation.path] : [basePath + operation.path];
}
