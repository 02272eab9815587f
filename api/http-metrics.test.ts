import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { apiKeys } from './api-keys.js';
import { itemId, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

const engine = new ScriptedEngine();
const tenants = apiKeys([
  { key: 'k', tenantId: 'acme', name: 'crm' },
  { key: 'other', tenantId: 'umbrella', name: 'crm' },
]);
const settings = { slowMs: 20 };
const server = buildServer({ engine, tenants, settings, loop: { p99Ms: () => 0 } });
after(() => server.close());

async function scrape(): Promise<string[]> {
  return (await server.inject({ url: '/iwd/v3/metrics' })).body.split('\n');
}

/** Values by series, the labels in the order of their names. */
async function samples(): Promise<Map<string, number>> {
  const lines = (await scrape()).filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [sorted(line.slice(0, line.lastIndexOf(' '))), Number(line.split(' ').at(-1))]));
}

function sorted(series: string): string {
  const [name = '', labels = ''] = series.split(/[{}]/);
  return labels === '' ? name : `${name}{${labels.split(',').sort().join()}}`;
}

const item = '/iwd/v3/workitems/:id';
const get = (key?: string, path = `/iwd/v3/workitems/${itemId}`) =>
  server.inject({ url: path, ...(key !== undefined && { headers: { 'x-api-key': key } }) });

/** A pause that the loop is blocked for: what happens at the same time takes at least as long. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

interface Row {
  what: string;
  act: () => Promise<unknown>;
  changes: Record<string, number>;
}

/** Whatever a scrape itself changes is left out, but where it says. */
const rows: Row[] = [
  {
    what: 'a request that succeeds',
    act: () => get('k'),
    changes: {
      'iwd_success_total{ccid="acme"}': 1,
      'iwd_errors_total{ccid="acme"}': 0,
      [`iwd_api_request_total{ccid="acme",code="200",method="GET",path="${item}"}`]: 1,
      [`iwd_api_request_duration_milliseconds_count{ccid="acme",code="200",method="GET",path="${item}"}`]: 1,
      [`iwd_api_request_duration_milliseconds_bucket{ccid="acme",code="200",le="+Inf",method="GET",path="${item}"}`]: 1,
      // The request and the scrape before it.
      iwd_request_total: 2,
      iwd_api_request_long: 0,
    },
  },
  {
    what: "a client's mistake",
    act: () => get('other', '/iwd/v3/workitems?limit=0'),
    changes: {
      'iwd_client_error_total{ccid="umbrella"}': 1,
      'iwd_errors_total{ccid="umbrella"}': 1,
      'iwd_server_error_total{ccid="umbrella"}': 0,
      'iwd_success_total{ccid="umbrella"}': 0,
      'iwd_success_total{ccid="acme"}': 0,
      'iwd_api_request_total{ccid="umbrella",code="400",method="GET",path="/iwd/v3/workitems"}': 1,
    },
  },
  {
    what: 'a request without a key, which is nobody’s',
    act: () => get(),
    changes: {
      'iwd_client_error_total{ccid=""}': 1,
      [`iwd_api_request_total{ccid="",code="401",method="GET",path="${item}"}`]: 1,
      [`iwd_api_request_total{ccid="acme",code="401",method="GET",path="${item}"}`]: 0,
    },
  },
  {
    what: 'a path that is not ours',
    act: () => get('k', '/iwd/v3/whatever-a-client-sends'),
    changes: {
      'iwd_client_error_total{ccid=""}': 1,
      'iwd_api_request_total{ccid="",code="404",method="GET",path="none"}': 1,
    },
  },
  {
    what: 'a fault of the server',
    act: () => {
      engine.reply = () => ({ rejected: true, code: 'unavailable', detail: 'the database is away' }) as never;
      return get('k');
    },
    changes: {
      'iwd_server_error_total{ccid="acme"}': 1,
      'iwd_errors_total{ccid="acme"}': 1,
      'iwd_client_error_total{ccid="acme"}': 0,
      [`iwd_api_request_total{ccid="acme",code="503",method="GET",path="${item}"}`]: 1,
    },
  },
  {
    what: 'an answer that takes longer than the setting',
    act: () => {
      engine.reply = () => {
        block(settings.slowMs + 10);
        return { status: 200, json: '{}' };
      };
      return get('k');
    },
    changes: {
      iwd_api_request_long: 1,
      [`iwd_api_request_duration_milliseconds_bucket{ccid="acme",code="200",le="25",method="GET",path="${item}"}`]: 0,
      [`iwd_api_request_duration_milliseconds_bucket{ccid="acme",code="200",le="+Inf",method="GET",path="${item}"}`]: 1,
    },
  },
];

for (const { what, act, changes } of rows) {
  test(`${what} changes ${Object.keys(changes).length} series by what it is`, async (t) => {
    const { reply } = engine;
    t.after(() => {
      engine.reply = reply;
    });
    const before = await samples();
    await act();
    const now = await samples();
    for (const [series, change] of Object.entries(changes))
      assert.equal((now.get(series) ?? 0) - (before.get(series) ?? 0), change, series);
  });
}

test('nothing that a client sends becomes a label', async () => {
  const lines = await scrape();
  assert.ok(!lines.some((line) => line.includes('whatever') || line.includes(itemId)));
  assert.ok(lines.some((line) => line.includes('path="none"')));
});

/** The guide's names and types of what this thread knows; the others are tested beside the stores. */
const guide: Record<string, string> = {
  ...types('counter', 'iwd_process_cpu_', 'user_seconds_total', 'system_seconds_total', 'seconds_total'),
  ...types('gauge', 'iwd_process_', 'start_time_seconds', 'resident_memory_bytes', 'virtual_memory_bytes'),
  ...types('gauge', 'iwd_process_', 'heap_bytes', 'open_fds', 'max_fds'),
  ...types('gauge', 'iwd_nodejs_', 'eventloop_lag_seconds', 'active_handles_total', 'active_requests_total'),
  ...types('gauge', 'iwd_nodejs_', 'heap_size_total_bytes', 'heap_size_used_bytes', 'external_memory_bytes'),
  ...types('gauge', 'iwd_nodejs_', 'active_handles', 'active_requests', 'version_info'),
  ...types('gauge', 'iwd_nodejs_heap_space_size_', 'total_bytes', 'used_bytes', 'available_bytes'),
  ...types('counter', 'iwd_', 'request_total', 'success_total', 'errors_total', 'client_error_total'),
  ...types('counter', 'iwd_', 'server_error_total', 'api_request_total', 'api_request_long', 'api_blacklist'),
  ...types('counter', 'iwd_', 'api_request_closed'),
  ...types('histogram', 'iwd_', 'api_request_duration_milliseconds', 'cometd_request_duration_milliseconds'),
  ...types('gauge', 'iwd_cometd_', 'connections_total', 'request_current'),
  ...types('counter', 'iwd_cometd_', 'errors_total', 'request_errors_total', 'events_total'),
  ...types('summary', 'iwd_cometd_', 'request_duration_milliseconds_summary'),
};

function types(type: string, prefix: string, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [prefix + name, type]));
}

test("the guide's metrics of the front and the process have its names and types", async () => {
  const lines = await scrape();
  const found = new Map(
    lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ').slice(2) as [string, string]),
  );
  for (const [name, type] of Object.entries(guide)) {
    // Only Linux says these.
    if (process.platform !== 'linux' && /virtual_memory|heap_bytes|_fds/.test(name)) continue;
    assert.equal(found.get(name), type, name);
  }
});

test('those of the process say what is true of this process', async () => {
  const before = await samples();
  const pressure = Buffer.alloc(64 * 1024 * 1024, 1);
  block(100);
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  // A large file: requests of libuv are under way while the scrape counts them.
  const read = new Promise((resolve) => readFile(process.execPath, resolve));
  const now = await samples();
  await read;
  listening.close();
  const grown = (name: string) => now.get(name)! - (before.get(name) ?? 0);
  for (const [name, atLeast] of Object.entries({
    iwd_process_cpu_user_seconds_total: 0.02,
    iwd_process_cpu_seconds_total: 0.05,
    iwd_nodejs_external_memory_bytes: pressure.length * 0.9,
    iwd_process_resident_memory_bytes: pressure.length / 2,
    iwd_process_open_fds: 1,
    iwd_nodejs_active_handles_total: 1,
    'iwd_nodejs_active_handles{type="Server"}': 1,
    iwd_nodejs_active_requests_total: 1,
    'iwd_nodejs_active_requests{type="FSReqCallback"}': 1,
  })) {
    assert.ok(grown(name) >= atLeast, `${name} has grown by ${grown(name)}`);
  }
  const started = Date.now() / 1000 - process.uptime();
  assert.ok(Math.abs(now.get('iwd_process_start_time_seconds')! - started) < 5);
  const [major, minor, patch] = process.versions.node.split('.');
  const version = `iwd_nodejs_version_info{major="${major}",minor="${minor}",patch="${patch}",version="${process.version}"}`;
  assert.equal(now.get(version), 1);
  const spaces = [...now].filter(([series]) => series.startsWith('iwd_nodejs_heap_space_size_total_bytes{space='));
  const heap = spaces.reduce((sum, [, bytes]) => sum + bytes, 0);
  assert.ok(Math.abs(heap / now.get('iwd_nodejs_heap_size_total_bytes')! - 1) < 0.2);
});

test('what CometD will count is there and zero, each with the labels of the guide', async () => {
  const all = [...(await samples())].filter(([series]) => series.startsWith('iwd_cometd_'));
  assert.ok(all.length > 10);
  for (const [series, value] of all) assert.equal(value, 0, series);
  const has = (series: string) =>
    assert.ok(
      all.some(([name]) => name === series),
      series,
    );
  has('iwd_cometd_connections_total{ccid="",type=""}');
  has('iwd_cometd_errors_total{ccid="",type=""}');
  has('iwd_cometd_request_errors_total{ccid="",domain="",name="",type=""}');
  has('iwd_cometd_request_current{ccid="",domain="",name="",type=""}');
  has('iwd_cometd_request_duration_milliseconds_count{ccid="",domain="",name="",type=""}');
  has('iwd_cometd_request_duration_milliseconds_summary{ccid="",domain="",name="",quantile="0.5",type=""}');
  has('iwd_cometd_events_total{ccid="",name="",type=""}');
});

test('metrics of the shards stand under one heading: beside each other by shard, or added up without', async () => {
  const dump = async (shard: number, depth: number) => {
    const registry = new Registry();
    registry.setDefaultLabels({ shard: String(shard) });
    const registers = [registry];
    new Gauge({ name: 'iwd_mailbox_depth', help: 'd', registers }).set(depth);
    new Gauge({ name: 'iwd_nodejs_eventloop_lag_p99_seconds', help: 'p', aggregator: 'average', registers }).set(depth);
    new Gauge({ name: 'iwd_shard_started', help: 's', aggregator: 'omit', registers }).set(1);
    new Counter({ name: 'iwd_commits_total', help: 'c', labelNames: ['outcome'], registers }).inc(
      { outcome: 'committed' },
      depth,
    );
    new Histogram({ name: 'iwd_commit_seconds', help: 'h', buckets: [1], registers }).observe(0.5);
    const stores = new Registry();
    new Counter({ name: 'iwd_redis_errors_total', help: 'e', registers: [stores] }).inc(depth);
    return [...(await registry.getMetricsAsJSON()), ...(await stores.getMetricsAsJSON())] as object[];
  };
  engine.dumps = [await dump(0, 5), await dump(1, 9)];
  const all = await samples();
  for (const [series, value] of [
    ['iwd_mailbox_depth{shard="0"}', 5],
    ['iwd_mailbox_depth{shard="1"}', 9],
    ['iwd_nodejs_eventloop_lag_p99_seconds{shard="1"}', 9],
    ['iwd_shard_started{shard="0"}', 1],
    ['iwd_commits_total{outcome="committed",shard="1"}', 9],
    ['iwd_commit_seconds_bucket{le="1",shard="0"}', 1],
    ['iwd_commit_seconds_count{shard="1"}', 1],
    ['iwd_redis_errors_total', 14],
  ] as const) {
    assert.equal(all.get(series), value, series);
  }
  const headings = (await scrape()).filter((line) => line.startsWith('# TYPE'));
  assert.equal(new Set(headings).size, headings.length);
});
