import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRedisServer } from '../stores/conformance/redis-server.js';
import { run as runDispatch, smokeDispatch } from './dispatch.js';
import { parsePeers } from './peers/system.js';
import { svgOf } from './plot.js';
import { run as runRecovery } from './recovery.js';
import { plotsOf, run as runScale, smokeScale } from './scale.js';

const skip = findRedisServer() === undefined && 'there is no redis-server';

test('a list of peers names both forms of BullMQ, and no unknown one', () => {
  assert.deepEqual(parsePeers('bullmq,pgboss'), ['bullmq-always', 'bullmq-everysec', 'pgboss']);
  assert.deepEqual(parsePeers(''), []);
  assert.throws(() => parsePeers('rabbit'), /no peer "rabbit"/);
});

test('the dispatch bench runs in miniature: pairs of ours and of a peer are all answered', { skip }, async () => {
  const { rows, toPeers } = await runDispatch({ ...smokeDispatch, peers: ['bullmq-always'] });
  const names = ['next + complete', 'next + complete at 70 %'];
  assert.deepEqual(
    rows.map(({ measure }) => measure),
    [...names, ...names.map((name) => `bullmq-always: ${name}`)],
  );
  for (const row of rows) assert.ok(row.failures === 0 && row.itemsPerSecond > 0 && row.nodeUs > 0, row.measure);
  assert.ok(toPeers['to bullmq-always']! > 0);
});

test('the recovery bench runs in miniature: every source gives all items back', { skip }, async () => {
  const rows = await runRecovery({ sizes: [500], rounds: 1 });
  assert.deepEqual(
    rows.map(({ from }) => from),
    ['snapshot, file', 'snapshot, Redis', 'tables'],
  );
  for (const { ms, msMax, residentMegabytes } of rows) assert.ok(ms > 0 && msMax >= ms && residentMegabytes > 10);
});

test('the scale bench runs in miniature and draws its curves', async () => {
  const result = await runScale(smokeScale);
  assert.deepEqual(
    result.growth.map(({ openItems }) => openItems),
    [500, 500, 1500, 1500],
  );
  assert.deepEqual([...new Set(result.tenants.map(({ tenants }) => tenants))], [2]);
  const rows = [...result.tenants, ...result.growth];
  for (const row of rows) assert.ok(row.itemsPerSecond > 0);
  // The system counts CPU time in steps of 10 ms, longer than some of these rows take.
  assert.ok(rows.some((row) => row.nodeUs > 0));
  const svg = svgOf(plotsOf(result));
  assert.equal(svg.match(/<polyline/g)?.length, 8);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});
