import { contentProblems, json, type Operation, type OperationAnswer, read } from './operation-form.js';

const saved: OperationAnswer = { description: 'The saved filter.', shape: 'SavedFilter', etag: true };

const exported = {
  path: '/workitems/export',
  access: 'iWD.Workitems.Export.canExecute',
  answers: {
    200: {
      description: 'Items by `seq`, oldest first, streamed. The connection breaks off where the export does.',
      media: 'text/csv; charset=utf-8',
      example: 'seq,captureId,businessValue\r\n17,crm-4711,120\r\n',
    },
  },
} as const;

/** Searching by filter, exporting, and filters that are kept. */
export const filterOperations: readonly Operation[] = [
  {
    id: 'search',
    method: 'POST',
    path: '/workitems/query',
    summary: 'Finds work items by a filter, in any order, page by page',
    access: 'iWD.Workitems.Search.canExecute',
    body: { kind: 'raw', content: { [json]: 'Search' }, required: true },
    answers: { 200: { description: 'One page.', shape: 'SearchPage' } },
    problems: [...contentProblems, 'invalid-cursor', 'query-too-slow'],
  },
  {
    ...exported,
    id: 'export',
    method: 'GET',
    summary: 'Exports all work items, or those of a saved filter, as CSV or NDJSON (by Accept)',
    query: ['saved', 'after', 'at'],
    problems: ['invalid-value', 'unknown-field', 'query-too-slow'],
  },
  {
    ...exported,
    id: 'export-matching',
    method: 'POST',
    summary: 'Exports the work items that a filter matches, in columns of one’s own, as CSV or NDJSON (by Accept)',
    query: ['after', 'at'],
    body: { kind: 'raw', content: { [json]: 'Export' }, required: true },
    problems: [...contentProblems, 'query-too-slow'],
  },
  read(
    'get-filters',
    'iWD.Filters.canRead',
    '/settings/filters',
    'The saved filters that the caller may see, by name',
    {
      description: 'The shared ones, and the caller’s own.',
      shape: 'SavedFilters',
    },
  ),
  read('get-filter', 'iWD.Filters.canRead', '/settings/filters/{filterId}', 'One saved filter', saved),
  {
    id: 'save-filter',
    method: 'PUT',
    path: '/settings/filters/{filterId}',
    summary: 'Saves a filter under the id, shared or for the caller alone',
    access: 'iWD.Filters.canUpdate',
    takesIfMatch: true,
    body: { kind: 'raw', content: { [json]: 'SavedFilter' }, required: true },
    answers: { 200: saved, 201: { ...saved, description: 'Saved; there was none under this id.' } },
    problems: [...contentProblems, 'not-found', 'conflict', 'version-mismatch'],
  },
  {
    id: 'remove-filter',
    method: 'DELETE',
    path: '/settings/filters/{filterId}',
    summary: 'Removes a saved filter',
    access: 'iWD.Filters.canUpdate',
    takesIfMatch: true,
    answers: { 204: { description: 'It is gone.' } },
    problems: ['invalid-value', 'unknown-field', 'not-found', 'version-mismatch'],
  },
];
