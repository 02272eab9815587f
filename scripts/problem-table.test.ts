import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documentPath, withProblems } from './problem-table.js';

test('docs/api.md lists the problem codes as they are (else: npm run build && node dist/scripts/problem-table.js)', () => {
  const document = readFileSync(documentPath, 'utf8');
  assert.equal(document, withProblems(document));
});

test('a stale table is replaced, and nothing else', () => {
  const [begin, end] = readFileSync(documentPath, 'utf8').match(/<!-- \/?problems.*-->/g)!;
  const changed = withProblems(`before\n${begin}\n| 418 | \`teapot\` | gone |\n${end}\nafter\n`);
  assert.match(changed, /^before\n<!-- problems[\s\S]*\| 404 \| `not-found` \|[\s\S]*<!-- \/problems -->\nafter\n$/);
  assert.doesNotMatch(changed, /teapot/);
  assert.throws(() => withProblems('no markers'), /needs the lines/);
});
