import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { findRedisServer, startRedisServer } from '../stores/conformance/redis-server.js';
import { missing, testDatabase } from '../stores/conformance/test-database.js';
import { bareEnvironment, freePort, type ServerProcess, startServerProcess } from './server-process.js';

const clients = 8;

interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are JSON of many shapes, and a test says what it expects of them
  body: any;
}

async function call(server: ServerProcess, method: string, path: string, body?: unknown, headers = {}): Promise<Reply> {
  const response = await fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: {
      'x-api-key': server.apiKey,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

/** Clients that create items one by one until they are told to stop; keeps what was acknowledged and what was refused. */
class Load {
  readonly acknowledged = new Map<string, string>();
  readonly refused: number[] = [];
  readonly broken: unknown[] = [];
  #running = true;
  readonly #done: Promise<unknown>;

  constructor(server: ServerProcess, name: string) {
    this.#done = Promise.all(Array.from({ length: clients }, (_, client) => this.#run(server, `${name}-${client}`)));
  }

  async reach(count: number): Promise<void> {
    while (this.acknowledged.size < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(server: ServerProcess, name: string): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const captureId = `${name}-${n}`;
      try {
        const { status, body } = await call(server, 'POST', '/workitems', { captureId, businessValue: n % 50 });
        if (status === 201) this.acknowledged.set(captureId, body.id);
        else this.refused.push(status);
        if (status === 503) await new Promise((resolve) => setTimeout(resolve, 20));
      } catch (error) {
        this.broken.push(error);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

/** Every item of the list, by pages. */
async function allItems(server: ServerProcess): Promise<{ id: string; captureId: string; priority: number }[]> {
  const items = [];
  for (let cursor = ''; ; ) {
    const { body } = await call(server, 'GET', `/workitems?limit=1000${cursor}`);
    items.push(...body.items);
    if (body.next === null) return items;
    cursor = `&cursor=${body.next}`;
  }
}

async function assertAllThere(server: ServerProcess, acknowledged: Map<string, string>): Promise<void> {
  const items = await allItems(server);
  const byCapture = new Map(items.map((item) => [item.captureId, item.id]));
  assert.equal(byCapture.size, items.length, 'no captureId is there twice');
  for (const [captureId, id] of acknowledged)
    assert.equal(byCapture.get(captureId), id, `${captureId} was acknowledged`);
}

/** The head of the queue and what `next` hands out are in the same order: priority, then age. */
async function assertOrdered(server: ServerProcess): Promise<void> {
  const { body } = await call(server, 'GET', '/queue?limit=1000');
  for (let n = 1; n < body.items.length; n++) {
    const [a, b] = [body.items[n - 1], body.items[n]];
    assert.ok(a.priority >= b.priority, `${a.priority} before ${b.priority}`);
    if (a.priority === b.priority) assert.ok(a.createdDateTime <= b.createdDateTime);
  }
  for (const expected of body.items.slice(0, 3)) {
    const taken = await call(server, 'POST', '/workitems/next', { agentId: 'order' });
    assert.equal(taken.body.businessValue, expected.businessValue);
    assert.equal((await call(server, 'POST', `/workitems/${taken.body.id}/unassign`, {})).status, 200);
    assert.equal((await call(server, 'POST', `/workitems/${taken.body.id}/hold`, { reason: 'seen' })).status, 200);
  }
}

let server: ServerProcess;
before(async () => {
  server = await startServerProcess();
});
after(() => server?.stop());

test('the life of an item over HTTP has the shapes that others build on', async () => {
  const created = await call(server, 'POST', '/workitems', {
    captureId: 'shape-1',
    businessValue: 900,
    customerSegment: 'gold',
    departmentId: 'roads',
    attributes: { subject: 'pothole', nested: { deep: [1, 2] } },
  });
  assert.equal(created.status, 201);
  const { id } = created.body;
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const names =
    'id captureId status category priority businessValue customerSegment departmentId processId createdDateTime activationDateTime dueDateTime expirationDateTime assignedTo attributes version';
  for (const name of names.split(' ')) assert.ok(Object.hasOwn(created.body, name), name);
  assert.equal(created.headers.get('etag'), '"1"');
  assert.equal(
    (await call(server, 'POST', '/workitems', { captureId: 'shape-1', businessValue: 1 })).body.code,
    'capture-conflict',
  );

  const read = await call(server, 'GET', `/workitems/${id}`);
  assert.deepEqual(read.body.attributes, { subject: 'pothole', nested: { deep: [1, 2] } });
  const queue = await call(server, 'GET', '/queue?limit=5');
  assert.deepEqual(Object.keys(queue.body), ['at', 'items']);
  assert.equal(queue.body.items[0].id, id);
  const next = await call(server, 'POST', '/workitems/next', { agentId: 'anna' });
  assert.deepEqual([next.status, next.body.id, next.body.assignedTo, next.body.status], [200, id, 'anna', 'assigned']);
  assert.equal((await call(server, 'POST', '/workitems/next', { agentId: 'anna' })).status, 204);
  const patched = await call(
    server,
    'PATCH',
    `/workitems/${id}`,
    { attributes: { subject: null, more: 1 } },
    { 'if-match': '"2"', 'content-type': 'application/merge-patch+json' },
  );
  assert.deepEqual(patched.body.attributes, { nested: { deep: [1, 2] }, more: 1 });
  const stale = await call(server, 'POST', `/workitems/${id}/complete`, {}, { 'if-match': '"1"' });
  assert.deepEqual([stale.status, stale.body.code], [412, 'version-mismatch']);
  const completed = await call(server, 'POST', `/workitems/${id}/complete`, { resultCode: 'fixed' });
  assert.deepEqual([completed.status, completed.body.status, completed.body.resultCode], [200, 'completed', 'fixed']);
  const refused = await call(server, 'POST', `/workitems/${id}/hold`, {});
  assert.deepEqual([refused.status, refused.body.code], [409, 'illegal-transition']);
  assert.match(refused.headers.get('content-type')!, /application\/problem\+json/);
  assert.match(refused.body.detail, /completed/);

  const history = await call(server, 'GET', `/workitems/${id}/history`);
  assert.deepEqual(
    history.body.items.map((entry: { type: string }) => entry.type),
    ['created', 'assigned', 'updated', 'completed'],
  );
  const list = await call(server, 'GET', '/workitems?status=completed&limit=10');
  assert.deepEqual([list.body.items[0].id, list.body.next], [id, null]);
  const explained = await call(server, 'GET', `/workitems/${id}/explain`);
  assert.equal(explained.status, 200);
  assert.ok(explained.body.schema && explained.body.classification && explained.body.score);
});

test('bulk answers a line for each item in order, and one bad line harms no other', async () => {
  const items = Array.from({ length: 300 }, (_, n) =>
    n === 7 ? { businessValue: 'much' } : { captureId: `bulk-${n}` },
  );
  const { status, body } = await call(server, 'POST', '/workitems/bulk', items);
  assert.equal(status, 200);
  assert.deepEqual([body.accepted, body.rejected], [299, 1]);
  assert.deepEqual(
    body.results.map(({ line }: { line: number }) => line),
    items.map((_, n) => n),
  );
  const { line, status: lineStatus, code, detail } = body.results[7];
  assert.deepEqual([line, lineStatus, code, typeof detail], [7, 400, 'invalid-value', 'string']);
  const again = await call(server, 'POST', '/workitems/bulk', items);
  assert.ok(again.body.results.every((one: { status: number }, n: number) => one.status === (n === 7 ? 400 : 200)));
  assert.deepEqual(
    again.body.results.map(({ id }: { id: string }) => id),
    body.results.map(({ id }: { id: string }) => id),
  );
});

test('a dry run says what would happen and stores nothing', async () => {
  const { status, body } = await call(server, 'POST', '/workitems?dryRun=true', { captureId: 'dry' });
  assert.equal(status, 200);
  assert.equal(body.dryRun, true);
  assert.equal(body.item.category, 'general');
  assert.deepEqual((await call(server, 'GET', '/workitems?captureId=dry')).body.items, []);
});

test('100 requests at once with one Idempotency-Key make one item, with another body 422', async () => {
  const post = (businessValue: number) =>
    call(server, 'POST', '/workitems', { businessValue }, { 'idempotency-key': 'once' });
  const replies = await Promise.all(Array.from({ length: 100 }, () => post(3)));
  assert.ok(replies.every(({ status }) => status === 201));
  assert.equal(new Set(replies.map(({ body }) => body.id)).size, 1);
  assert.deepEqual([(await post(4)).status, (await post(4)).body.code], [422, 'key-reused']);
});

test('health, metrics and the OpenAPI document are there', async () => {
  for (const path of ['/livez', '/readyz', '/healthz'])
    assert.equal((await fetch(server.url + path)).status, 200, path);
  assert.equal((await call(server, 'POST', '/workitems', { captureId: 'counted' })).status, 201);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  for (const name of [
    'iwd_shard_eventloop_lag_seconds',
    'iwd_mailbox_depth',
    'iwd_commit_events',
    'iwd_queue_length',
    'iwd_open_items',
    'iwd_eventloop_lag_seconds_count\\{thread="main"\\} [1-9]',
    'iwd_eventloop_lag_seconds_count\\{.*thread="shard".*\\} [1-9]',
    'iwd_success_total\\{ccid="demo"\\} [1-9]',
    'iwdTenantDB_db_success_total\\{.*command="INSERT".*\\} [1-9]',
    'iwd_redis_connections_ready ',
  ]) {
    assert.match(metrics, new RegExp(`^${name}`, 'm'));
  }
  assert.doesNotMatch(metrics, /^iwd(TenantDB|_redis)_.*shard=/m, 'what the guide has no shard for is added up');
  const openapi = (await (await fetch(`${server.url}/openapi.json`)).json()) as { openapi: string };
  assert.match(openapi.openapi, /^3\.1/);
});

test('after SIGKILL under load every acknowledged item is there, and the order is right', async () => {
  const load = new Load(server, 'killed');
  await load.reach(400);
  await server.server.kill();
  await load.stop();
  await server.restart();
  await assertAllThere(server, load.acknowledged);
  await assertOrdered(server);
  const [captureId, id] = [...load.acknowledged][0];
  const again = await call(server, 'POST', '/workitems', { captureId, businessValue: 0 });
  assert.deepEqual([again.status, again.body.id], [200, id], 'a retry after the crash finds its item');
});

test('SIGTERM under load ends with code 0 within 10 s and loses nothing; the next start has a snapshot', async () => {
  const load = new Load(server, 'ended');
  await load.reach(400);
  const begunAt = performance.now();
  assert.equal(await server.server.stop(), 0, server.server.output);
  assert.ok(performance.now() - begunAt < 10_000, `${performance.now() - begunAt} ms`);
  await load.stop();
  assert.ok(
    load.refused.every((status) => status === 503),
    `refused with ${[...new Set(load.refused)]}`,
  );
  assert.ok(existsSync(join(server.dataDir, 'snapshots')));
  await server.restart();
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /iwd_recoveries_total\{[^}]*source="snapshot"[^}]*\} 1/);
  await assertAllThere(server, load.acknowledged);
  await assertOrdered(server);
});

/** User and group `nobody`. */
const nobody = 65_534;

test('the first start as an ordinary user prints the key and a curl line that works when pasted; the second finds the data', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'iwd-user-'));
  const program = fileURLToPath(new URL('../bin/server.js', import.meta.url));
  // A checkout below /root cannot be read by others: then the start as root must do.
  const isRoot = process.getuid?.() === 0 && spawnSync('true', { uid: nobody, gid: nobody }).status === 0;
  const readable =
    isRoot && spawnSync(process.execPath, ['--check', program], { uid: nobody, gid: nobody }).status === 0;
  const user = readable ? { uid: nobody, gid: nobody } : {};
  if (readable) chownSync(dataDir, nobody, nobody);
  const port = await freePort();
  const env = { ...bareEnvironment(), HOME: dataDir, IWD_PORT: `${port}`, IWD_DATA_DIR: join(dataDir, 'data') };
  try {
    for (const start of ['first', 'second']) {
      const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'], ...user });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text) => (output += text));
      const ended = once(child, 'exit');
      while (!/curl -s.*\n/.test(output) && child.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(child.exitCode, null, output);
      assert.equal(/API key of the demo tenant: \S+/.test(output), start === 'first', output);
      const line = /curl -s.*/.exec(output)![0];
      const { status, stdout } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
      if (status !== 127)
        assert.deepEqual([JSON.parse(stdout).captureId, JSON.parse(stdout).version], ['first', 1], stdout);
      child.kill('SIGTERM');
      assert.deepEqual(await ended, [0, null]);
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});

const database = testDatabase();
const noRedis = findRedisServer() === undefined && 'no redis-server on the PATH';

test('a Redis that is flushed, dies and comes back costs no request, and neither does a start without it', {
  skip: missing('TEST_DATABASE_URL') || noRedis,
}, async () => {
  let redis = await startRedisServer();
  const own = await startServerProcess({
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    IWD_SNAPSHOT_INTERVAL: 'PT1S',
  });
  try {
    const load = new Load(own, 'redis');
    await load.reach(200);
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    await load.reach(load.acknowledged.size + 100);
    await redis.stop();
    await load.reach(load.acknowledged.size + 400);
    redis = await startRedisServer(['--maxmemory', '1mb'], redis.port);
    await load.reach(load.acknowledged.size + 200);
    await load.stop();
    assert.deepEqual([load.refused, load.broken], [[], []]);
    await redis.stop();
    await own.server.kill();
    await own.restart();
    await assertAllThere(own, load.acknowledged);
    await assertOrdered(own);
  } finally {
    await own.stop();
    await redis.stop();
  }
});
