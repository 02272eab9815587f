import { json, type Operation, smallBodyProblems } from './operation-form.js';

const subject = (id: string, path: string, summary: string, shape: 'SubjectExport' | 'ErasureReceipt'): Operation => ({
  id,
  method: 'POST',
  path,
  summary,
  access: 'iWD.Subjects.canExecute',
  body: { kind: 'small', content: { [json]: 'NoBody' }, required: false },
  answers: { 200: { description: 'As the summary says.', shape } },
  problems: smallBodyProblems,
});

/** What the tenant knows of one person, who is named by `customerId` or by a category's `subjectKeys`. */
export const subjectOperations: readonly Operation[] = [
  {
    ...subject(
      'exportSubject',
      '/subjects/{subject}/export',
      'Everything that is stored about a person: items, their history, what the journal has of them, and the saved filters and bulk actions that name the person',
      'SubjectExport',
    ),
    query: ['limit', 'cursor'],
    problems: [...smallBodyProblems, 'invalid-cursor'],
  },
  subject(
    'eraseSubject',
    '/subjects/{subject}/erase',
    'Erases a person from every store, for ever, with a receipt for each; the queue stays as it is. Takes as long as it takes: after a `timeout` ask again',
    'ErasureReceipt',
  ),
];
