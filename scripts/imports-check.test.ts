import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkImports, readSources, root } from './imports-check.js';

const check = (files: Record<string, string>) => checkImports(new Map(Object.entries(files)));

/** Asserts that exactly one problem is found, and that it names both. */
function finds(files: Record<string, string>, ...words: string[]) {
  const problems = check(files);
  assert.equal(problems.length, 1, problems.join('\n'));
  for (const word of words) assert.ok(problems[0]?.includes(word), `"${problems[0]}" should name ${word}`);
}

test('the sources of this repository keep the directions', () => {
  assert.deepEqual(checkImports(readSources(root)), []);
});

test('a room imports only what lies below it, by value, by type, dynamically or as a worker', () => {
  finds({ 'engine/queue.ts': "import { x } from '../actors/x.js';" }, 'engine/queue.ts', 'actors/x.ts');
  finds({ 'engine/queue.ts': "import type { X } from '../actors/x.js';" }, 'nothing of ours');
  finds({ 'engine/queue.ts': "export * from '../actors/x.js';" }, 'actors/x.ts');
  finds({ 'engine/queue.ts': "import {\n  a,\n  b,\n} from '../actors/x.js';" }, 'actors/x.ts');
  finds({ 'actors/a.ts': "const x = await import('../stores/postgres/x.js');" }, 'stores/postgres/x.ts');
  finds({ 'actors/a.ts': "import '../bin/server.js';" }, 'bin/server.ts');
  finds({ 'api/a.ts': "new Worker(new URL('../bin/shard.js', import.meta.url));" }, 'bin/shard.ts');
  finds({ 'stores/a.ts': "import { x } from '../actors/mailbox.js';" }, 'actors/ports');
  finds({ 'api/a.ts': "import { x } from '../actors/ports-of-call.js';" }, 'actors/client');
  assert.deepEqual(
    check({
      'actors/a.ts': "import { x } from '../engine/x.js';",
      'stores/a.ts': "import type { x } from '../actors/ports.js';",
      'api/a.ts': "import { x } from '../actors/client.js';",
      'bin/a.ts': "import { x } from '../api/a.js';",
      'engine/b.ts': "// import { x } from '../actors/x.js';\n/* import '../api/a.js' */ const a = 'https://x';",
    }),
    [],
  );
});

test('a file outside the rooms is told', () => {
  finds({ 'plugins/a.ts': '' }, 'no room "plugins"');
});

test('engine does no I/O', () => {
  finds({ 'engine/a.ts': "import { readFileSync } from 'node:fs';" }, 'node:fs');
  finds({ 'engine/a.ts': "import pg from 'pg';" }, 'pg');
  assert.deepEqual(check({ 'engine/a.ts': "import assert from 'node:assert';" }), []);
});

test('nothing depends on a test, while a test may reach anywhere', () => {
  finds({ 'stores/a.ts': "import { x } from './b.test.js';" }, 'test');
  assert.deepEqual(check({ 'engine/a.test.ts': "import { x } from '../stores/memory/x.js'; Date.now();" }), []);
});

test('a circle is told once, with its way', () => {
  finds(
    {
      'engine/a.ts': "import { b } from './b.js';",
      'engine/b.ts': "import { c } from './c.js';",
      'engine/c.ts': "import { a } from './a.js';",
      'engine/d.ts': "import { a } from './a.js';",
    },
    'engine/a.ts -> engine/b.ts -> engine/c.ts -> engine/a.ts',
  );
});

test('engine and actors have no clock, no timers and no randomness of their own', () => {
  for (const use of [
    'Date.now()',
    'new Date()',
    'Math.random()',
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'setImmediate(f)',
    'performance.now()',
    'crypto.randomUUID()',
    'process.hrtime.bigint()',
  ]) {
    finds({ 'actors/a.ts': `const x = ${use};` }, 'actors/a.ts', use.split('(')[0]!.split('.')[1] ?? '');
  }
  assert.deepEqual(
    check({
      'actors/runtime.ts': 'Date.now(); setTimeout(f, 1);',
      'stores/a.ts': 'Date.now();',
      'engine/a.ts': '/** Never Date.now(). */\nconst d = new Date(at); // no Math.random()',
    }),
    [],
  );
});

test('a quote inside a regular expression does not hide the code after it', () => {
  finds({ 'engine/a.ts': 'const quote = /[\'`"]/;\nconst at = Date.now();\nconst text = `x`;' }, 'Date.now');
});

test('file names say something', () => {
  for (const path of ['engine/index.ts', 'engine/string-utils.ts', 'actors/queue-manager.ts', 'api/helpers/a.ts']) {
    finds({ [path]: '' }, 'says nothing');
  }
  assert.deepEqual(check({ 'engine/slot-index.ts': '' }), []);
  finds({ 'engine/itemTable.ts': '' }, 'kebab-case');
});
