import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documentPath, figure, withTables } from './performance-tables.js';

test('docs/performance.md says what the stored results say (else: npm run docs:performance)', () => {
  const document = readFileSync(documentPath, 'utf8');
  assert.equal(document, withTables(document));
});

test('a document without a place for a table is refused by the markers that it lacks', () => {
  assert.throws(() => withTables('# Performance'), /<!-- measured: runs -->/);
});

test('figures have three digits', () => {
  assert.deepEqual([1567554.2, 20100, 0.30912, 9.999, 0.000639, undefined].map(figure), [
    '1,570,000',
    '20,100',
    '0.309',
    '10',
    '0.000639',
    '',
  ]);
});
