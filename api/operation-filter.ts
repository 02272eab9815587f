import { contentProblems, json, type Operation } from './operation-form.js';

/** Searching by filter. */
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
];
