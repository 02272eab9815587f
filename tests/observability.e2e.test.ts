import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../scripts/imports-check.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const chart = join(root, 'charts', 'iwd');
const dashboards = readdirSync(join(chart, 'dashboards')).map((name) => join('dashboards', name));
const name = /\biwd(?:TenantDB)?_[a-zA-Z0-9_]+/g;

let server: ServerProcess;
before(async () => {
  server = await startServerProcess();
});
after(() => server?.stop());

/** Names of the metrics that a file of the chart asks for, without the endings of histograms. */
function namesIn(file: string): string[] {
  const text = readFileSync(join(chart, file), 'utf8');
  const found = [...text.matchAll(name)].map(([match]) => match.replace(/_(bucket|sum|count)$/, ''));
  return [...new Set(found)];
}

for (const file of ['templates/prometheus-rule.yaml', 'values.yaml', ...dashboards]) {
  test(`each metric that ${file} names is one of a running server`, async () => {
    const metrics = await (await fetch(`${server.url}/iwd/v3/metrics`)).text();
    const there = new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!));
    const names = namesIn(file);
    assert.ok(names.length > 0);
    assert.deepEqual(
      names.filter((one) => !there.has(one)),
      [],
    );
  });
}
