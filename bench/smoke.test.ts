import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Check, checkIngest, checkQueue } from './guard.js';
import { type IngestResult, run, smokeOptions } from './ingest.js';
import { run as runQueue } from './queue.js';
import { parseMetrics } from './system.js';

test('the ingest bench runs in miniature: every load is answered, measured and followed', async () => {
  const { rows, ratios } = await run(smokeOptions);
  const measures = rows.map(({ measure }) => measure);
  const sustained = 'bulk, 400 items/s for 0.25 s';
  assert.deepEqual(measures, ['echo', 'single', 'single at 70 %', 'bulk', 'next + complete', sustained]);
  for (const row of rows) {
    assert.equal(row.failures, 0, row.measure);
    assert.ok(row.itemsPerSecond > 0 && row.p50Ms > 0 && row.p50Ms <= row.p999Ms, row.measure);
  }
  for (const row of rows.slice(1)) {
    assert.ok(row.nodeUs! > 0 && row.walBytes! > 0 && row.catchUpMs! > 0, row.measure);
    assert.ok(row.mainLagP99Ms! <= row.mainLagMaxMs! && row.shardLagP99Ms! <= row.shardLagMaxMs!, row.measure);
  }
  assert.ok(ratios.singleToEcho > 0 && ratios.bulkToSingle > 0 && ratios.singleCpuToEcho > 0);
  const names = (checks: Check[]) => checks.map(({ what }) => what);
  assert.equal(new Set(names(checkIngest({ rows, ratios }))).size, 9);
});

test('the guard sees a single POST that has become slow, and a failure', () => {
  const row = {
    connections: 1,
    itemsPerSecond: 1000,
    p50Ms: 1,
    p99Ms: 1,
    p999Ms: 1,
    maxMs: 1,
    failures: 0,
    clientUs: 1,
  };
  const seen = { ...row, nodeUs: 100, mainLagP99Ms: 1, shardLagP99Ms: 1 };
  const rows = ['echo', 'single', 'bulk', 'next + complete'].map((measure) => ({ ...seen, measure }));
  const crossed = (result: IngestResult) => checkIngest(result).flatMap(({ what, ok }) => (ok ? [] : [what]));
  const good = { singleToEcho: 0.5, bulkToSingle: 4, singleCpuToEcho: 2 };
  assert.deepEqual(crossed({ rows, ratios: good }), []);
  assert.deepEqual(crossed({ rows, ratios: { ...good, singleToEcho: 0.05 } }), ['single POST/s to bare echo/s']);
  const failing = rows.map((one) => ({ ...one, failures: one.measure === 'bulk' ? 1 : 0 }));
  assert.deepEqual(crossed({ rows: failing, ratios: good }), ['answers that are no success']);
});

test('the guard sees a slow re-order, and a re-key that looks at every item', () => {
  const rows = [10_000, 100_000, 1_000_000].flatMap((items) =>
    runQueue({ sizes: [1000], probes: 100 }).map((row) => ({ ...row, items })),
  );
  const crossed = (factor: number, measure: string) => {
    const slower = rows.map((row) =>
      row.items === 1_000_000 && row.measure.startsWith(measure) ? { ...row, value: row.value * factor } : row,
    );
    return checkQueue([slower]).flatMap(({ what, ok }) => (ok ? [] : [what]));
  };
  assert.deepEqual(crossed(1e6, 're-order sliced, work'), [
    're-order of 1,000,000, ms',
    're-order, 1,000,000 to 100,000',
  ]);
  assert.deepEqual(crossed(1e6, 're-key one by id'), [
    're-key one of 1,000,000 by id, p50, us',
    're-key one, p50, 1,000,000 to 10,000',
  ]);
});

test('metrics are read with their labels, without comments and time stamps', () => {
  assert.deepEqual(parseMetrics('# HELP a b\na 1\nb{x="y z",q="0.5"} 2.5e3 1700\n'), [
    { name: 'a', labels: '', value: 1 },
    { name: 'b', labels: '{x="y z",q="0.5"}', value: 2500 },
  ]);
});
