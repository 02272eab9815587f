import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { observeLag } from './loop-lag.js';
import type { Runtime } from './ports.js';
import { systemRuntime } from './runtime.js';

/** Counts by bucket of the histogram, cumulative, as Prometheus reads them. */
async function buckets(registry: Registry): Promise<Map<string, number>> {
  const text = await registry.metrics();
  const lines = [...text.matchAll(/_(?:bucket\{le="([^"]+)"|count).* (\d+)$/gm)];
  return new Map(lines.map(([, le = 'count', value]) => [le, Number(value)]));
}

test('a pause of 100 ms counts for all that was due in it, each with the rest that it waited', async () => {
  const registry = new Registry();
  let now = 0;
  let due: (() => void) | undefined;
  const timer: Runtime['timer'] = (_ms, fire) => {
    due = fire;
    return () => {};
  };
  observeLag(registry, { ...systemRuntime, monotonic: () => now, timer }, 'shard');
  const wake = (afterMs: number) => {
    now += afterMs;
    due!();
  };
  for (let turn = 0; turn < 5; turn++) wake(20);
  assert.equal((await buckets(registry)).get('0.001'), 5);
  wake(120);
  // 100, 80, 60, 40 and 20 ms late.
  const found = await buckets(registry);
  assert.deepEqual([found.get('0.01'), found.get('0.02'), found.get('0.05'), found.get('0.1')], [5, 6, 7, 10]);
  assert.equal(found.get('count'), 10);
  wake(3_600_000);
  assert.equal((await buckets(registry)).get('count'), 1010, 'an hour of suspension costs a thousand steps');
});

test('a loop that is really blocked shows in the histogram of its thread', async () => {
  const registry = new Registry();
  observeLag(registry, systemRuntime, 'main');
  assert.equal((await buckets(registry)).get('count'), 0);
  const until = performance.now() + 150;
  while (performance.now() < until);
  // The timer does not keep a process alive that has nothing else to do.
  const alive = setInterval(() => {}, 10);
  while ((await buckets(registry)).get('count') === 0) await new Promise((resolve) => setImmediate(resolve));
  clearInterval(alive);
  const found = await buckets(registry);
  assert.ok(found.get('0.2')! > found.get('0.1')! || found.get('count')! > found.get('0.2')!, 'a wait above 100 ms');
});
