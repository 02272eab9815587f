import { contentProblems, json, type Operation, type OperationAnswer, read } from './operation-form.js';

const saved: OperationAnswer = { description: 'The saved filter.', shape: 'SavedFilter', etag: true };

/** Searching by filter, and filters that are kept. */
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
