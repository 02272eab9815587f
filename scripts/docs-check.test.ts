import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { documentPaths, faultsOf } from './docs-check.js';
import { root } from './imports-check.js';

test('every link and every path in the documents leads somewhere, and no line is too long', () => {
  const faults = documentPaths().flatMap((path) => faultsOf(path, readFileSync(join(root, path), 'utf8')));
  assert.deepEqual(faults, []);
  assert.ok(documentPaths().includes(join('docs', 'api.md')));
});

test('links and paths that lead nowhere are found, whatever form they have', () => {
  const text = [
    '[a](nowhere.md) [b](operations.md#no-such-heading) [c](#here) [d](https://example.org/x) [e](../README.md)',
    '`engine/{queue,nowhere}.ts` and `engine/queue.ts`, `a/b`, `docs/decisions`, `npm run nothing`',
    '# Here',
    'x'.repeat(141),
    '```sh\n[f](in-a-code-block.md)\n```',
  ].join('\n');
  assert.deepEqual(faultsOf('docs/api.md', text), [
    'docs/api.md: the link nowhere.md leads nowhere',
    'docs/api.md: the link operations.md#no-such-heading leads nowhere',
    'docs/api.md: the link #here leads nowhere',
    'docs/api.md: there is no engine/nowhere.ts',
    'docs/api.md: line 4 has 141 characters, at most 140',
  ]);
});
