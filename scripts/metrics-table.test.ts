import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documentPath, withMetrics } from './metrics-table.js';

test('docs/operations.md lists the metrics as they are (else: npm run build && node dist/scripts/metrics-table.js)', async () => {
  const document = readFileSync(documentPath, 'utf8');
  assert.equal(document, await withMetrics(document));
});

test('a stale table is replaced by one that names the labels, and nothing else', async () => {
  const [begin, end] = readFileSync(documentPath, 'utf8').match(/<!-- \/?metrics.*-->/g)!;
  const changed = await withMetrics(`before\n${begin}\n| \`iwd_gone\` |\n${end}\nafter\n`);
  assert.match(changed, /^before\n<!-- metrics[\s\S]*\n<!-- \/metrics -->\nafter\n$/);
  assert.match(changed, /\| `iwd_api_request_total` \| counter \| `method`, `path`, `code`, `ccid` \|/);
  assert.match(changed, /\| `iwd_open_items` \| gauge \| `shard`, `tenant`, `status` \|/);
  assert.doesNotMatch(changed, /iwd_gone/);
  await assert.rejects(withMetrics('no markers'), /needs the lines/);
});
