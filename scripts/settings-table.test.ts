import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { documentPath, withSettings } from './settings-table.js';

test('docs/operations.md lists the settings as they are (else: npm run docs:settings)', () => {
  const document = readFileSync(documentPath, 'utf8');
  assert.equal(document, withSettings(document));
});

test('only what stands between the markers is replaced', () => {
  const markers = withSettings(readFileSync(documentPath, 'utf8')).match(/<!-- \/?settings.*-->/g)!;
  const changed = withSettings(`before\n${markers[0]}\nSTALE\n${markers[1]}\nafter\n`);
  assert.match(changed, /^before\n<!-- settings[\s\S]*\| `IWD_PORT` \|[\s\S]*<!-- \/settings -->\nafter\n$/);
  assert.doesNotMatch(changed, /STALE/);
  assert.throws(() => withSettings('no markers'), /needs the lines/);
});
