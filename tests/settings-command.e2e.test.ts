import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type ServerProcess, startServerProcess } from './server-process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let server: ServerProcess;

before(async () => {
  server = await startServerProcess();
});
after(() => server.stop());

function iwd(...args: string[]): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'dist/bin/iwd.js'), 'settings', ...args, '--url', server.url, '--api-key', server.apiKey],
    { encoding: 'utf8' },
  );
  return { code: status, out: stdout + stderr };
}

test('a settings file is imported, exported as YAML and JSON, and an import of what is in force publishes nothing', () => {
  const city = join(root, 'examples/settings-tests/city-settings.yaml');
  const tried = iwd('import', city, '--dry-run');
  assert.deepEqual(
    [tried.code, tried.out],
    [0, 'prioritization would become version 1\ncategories would become version 1\n'],
  );
  assert.deepEqual(iwd('import', city).out, 'prioritization is now version 1\ncategories is now version 1\n');
  const yaml = join(server.dataDir, 'settings.yaml');
  const json = join(server.dataDir, 'settings.json');
  assert.equal(iwd('export', yaml).code, 0);
  assert.equal(iwd('export', json).code, 0);
  const { filters, ...exported } = parse(readFileSync(yaml, 'utf8'));
  assert.deepEqual(exported, parse(readFileSync(city, 'utf8')));
  assert.ok(filters.length > 0, 'those that a tenant begins with');
  assert.deepEqual(JSON.parse(readFileSync(json, 'utf8')), { ...exported, filters });
  assert.match(iwd('import', json).out, /nothing differs/);
});

test('an import that is refused says why and fails', () => {
  const { code, out } = iwd('import', join(root, 'examples/settings-tests/default.yaml'));
  assert.equal(code, 1);
  assert.match(out, /\/cases/);
});
