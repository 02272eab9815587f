import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documentPath, privilegeMarkdown, withPrivileges } from './privilege-table.js';

test('docs/privileges.md lists the privileges as they are (else: npm run build && node dist/scripts/privilege-table.js)', () => {
  const document = readFileSync(documentPath, 'utf8');
  assert.equal(document, withPrivileges(document));
});

test('the table says which roles and keys have a privilege', () => {
  const row = privilegeMarkdown()
    .split('\n')
    .find((line) => line.startsWith('| `iWD.Filters.canUpdate`'))!;
  assert.match(row, /^\| \S+ \| {2}\| yes \| yes \| {2}\| {2}\| /);
});

test('a document without the markers is refused', () => {
  assert.throws(() => withPrivileges('no markers'), /needs the lines/);
});
