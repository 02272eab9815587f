import { contentProblems, json, type Operation, type OperationAnswer, read } from './operation-form.js';

const access = 'iWD.Workitems.BulkActions.canExecute';
const answer = (description: string): OperationAnswer => ({ description, shape: 'BulkAction' });

/** The same command for many items, carried out in the background. */
export const bulkActionOperations: readonly Operation[] = [
  {
    id: 'start-bulk-action',
    method: 'POST',
    path: '/bulk-actions',
    summary: 'Does the same to many items, named by ids or by a filter; needs the privilege of the action as well',
    access,
    query: ['dryRun'],
    takesIdempotencyKey: true,
    body: { kind: 'raw', content: { [json]: 'BulkActionBody' }, required: true },
    answers: {
      200: { description: 'A dry run: how many items, and the first of them.', shape: 'BulkPreview' },
      202: { ...answer('Begun: durable with its items, and carried out whatever happens.'), location: true },
    },
    problems: [...contentProblems, 'key-reused', 'query-too-slow', 'too-many-requests'],
  },
  read(
    'list-bulk-actions',
    access,
    '/bulk-actions',
    'The bulk actions of the last 30 days, newest first',
    { description: 'One page.', shape: 'BulkActionPage' },
    ['limit', 'cursor'],
  ),
  read('get-bulk-action', access, '/bulk-actions/{id}', 'How far a bulk action is', answer('The action.')),
  {
    id: 'cancel-bulk-action',
    method: 'DELETE',
    path: '/bulk-actions/{id}',
    summary: 'Cancels a bulk action: what is done stays done; one that is finished stays finished',
    access,
    answers: { 200: answer('The action as it is now.') },
    problems: ['not-found'],
  },
];
