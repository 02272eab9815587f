import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './imports-check.js';

/** Paths of our files in code spans, and npm scripts, that a document names but nobody has. */
function missing(document: string, scripts: Record<string, string>): string[] {
  const spans = [...document.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
  const paths = spans.filter((span) => /^[\w.-]+(\/[\w.-]+)*\/[\w.-]+\.(ts|sql|json|mjs|md)$/.test(span));
  const commands = [...document.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map((match) => match[1]!);
  return [
    ...paths.filter((path) => !existsSync(join(root, path))),
    ...commands.filter((name) => !(name in scripts)).map((name) => `npm run ${name}`),
  ];
}

test('every file and every npm script that the documents name exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const documents = [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ];
  assert.ok(documents.length > 0);
  const faults = documents.flatMap((name) =>
    missing(readFileSync(join(root, name), 'utf8'), scripts).map((what) => `${name} names ${what}`),
  );
  assert.deepEqual(faults, []);
});

test('a name that leads nowhere is found', () => {
  assert.deepEqual(missing('see `engine/queue.ts`, `engine/nowhere.ts` and npm run nothing', {}), [
    'engine/nowhere.ts',
    'npm run nothing',
  ]);
});
