import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { apiKeys } from './api-keys.js';
import { itemId, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

const engine = new ScriptedEngine();
const tenants = apiKeys([{ key: 'k', tenantId: 'acme', name: 'crm' }]);
const server = buildServer({ engine, tenants, loop: { p99Ms: () => 0 } });
after(() => server.close());

async function scrape(): Promise<string[]> {
  return (await server.inject({ url: '/metrics' })).body.split('\n');
}

test('requests are counted and timed by method, route template and code', async () => {
  const headers = { 'x-api-key': 'k' };
  for (let count = 0; count < 3; count++) await server.inject({ url: `/iwd/v3/workitems/${itemId}`, headers });
  await server.inject({ url: `/iwd/v3/workitems/${itemId}` });
  await server.inject({ url: '/iwd/v3/whatever-a-client-sends' });
  const lines = await scrape();
  const route = 'route="/iwd/v3/workitems/:id"';
  assert.ok(lines.includes(`iwd_http_requests_total{method="GET",${route},code="200"} 3`));
  assert.ok(lines.includes(`iwd_http_requests_total{method="GET",${route},code="401"} 1`));
  assert.ok(lines.includes('iwd_http_requests_total{method="GET",route="none",code="404"} 1'));
  assert.ok(lines.includes(`iwd_http_request_duration_seconds_count{method="GET",${route}} 4`));
  assert.ok(lines.includes('iwd_http_requests_in_flight 0'));
  assert.ok(!lines.some((line) => line.includes('whatever') || line.includes(itemId)));
});

test('the event loop of this thread is there with its percentiles, and the process with its start', async () => {
  const lines = await scrape();
  for (const name of ['eventloop_lag_p50_seconds', 'eventloop_lag_p99_seconds', 'eventloop_lag_max_seconds']) {
    assert.ok(
      lines.some((line) => line.startsWith(`iwd_nodejs_${name} `)),
      name,
    );
  }
  assert.ok(lines.some((line) => line.startsWith('iwd_process_start_time_seconds ')));
});

test('metrics of the shards stand beside ours under one heading, each with its shard', async () => {
  const dump = async (depth: number) => {
    const registers = [new Registry()];
    new Gauge({ name: 'iwd_mailbox_depth', help: 'd', registers }).set(depth);
    new Gauge({ name: 'iwd_nodejs_eventloop_lag_p99_seconds', help: 'p', aggregator: 'average', registers }).set(depth);
    new Gauge({ name: 'iwd_shard_started', help: 's', aggregator: 'omit', registers }).set(1);
    new Counter({ name: 'iwd_commits_total', help: 'c', labelNames: ['outcome'], registers }).inc(
      { outcome: 'committed' },
      depth,
    );
    new Histogram({ name: 'iwd_commit_seconds', help: 'h', buckets: [1], registers }).observe(0.5);
    return (await registers[0]!.getMetricsAsJSON()) as object[];
  };
  engine.dumps = [await dump(5), await dump(9)];
  const lines = await scrape();
  for (const expected of [
    'iwd_mailbox_depth{shard="0"} 5',
    'iwd_mailbox_depth{shard="1"} 9',
    'iwd_nodejs_eventloop_lag_p99_seconds{shard="1"} 9',
    'iwd_shard_started{shard="0"} 1',
    'iwd_commits_total{shard="1",outcome="committed"} 9',
    'iwd_commit_seconds_bucket{le="1",shard="0"} 1',
    'iwd_commit_seconds_count{shard="1"} 1',
  ]) {
    const labels = (line: string) => line.split(/[{},]/).sort().join();
    assert.ok(
      lines.some((line) => labels(line) === labels(expected)),
      expected,
    );
  }
  const headings = lines.filter((line) => line.startsWith('# TYPE'));
  assert.equal(new Set(headings).size, headings.length);
});
