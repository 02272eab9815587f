import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, afterEach, before, describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { findRedisServer, freePort, type RedisServer, startRedisServer } from '../conformance/redis-server.js';
import { manifestOf, pattern, snapshotConformance } from '../conformance/snapshot.js';
import { missing } from '../conformance/test-database.js';
import { RedisMetrics } from './redis-metrics.js';
import { openRedisSnapshots, type RedisSnapshots } from './snapshot-store.js';

const opened: RedisSnapshots[] = [];
function open(url: string): RedisSnapshots {
  const store = openRedisSnapshots(url);
  opened.push(store);
  return store;
}
afterEach(() => Promise.all(opened.splice(0).map((store) => store.close())));

const large = [pattern(3_000_000)];
const largeManifest = manifestOf('demo', 1, large);

describe('redis', { skip: missing('TEST_REDIS_URL') }, () => {
  const url = process.env.TEST_REDIS_URL ?? '';
  let redis: Redis;
  before(() => {
    redis = new Redis(url);
  });
  after(() => redis.disconnect());

  snapshotConformance(async () => open(url));

  test('values are at most 256 KB, expire within seven days, and no old generation stays', async () => {
    const store = open(url);
    await store.save(manifestOf('kept', 1, large), large);
    await store.save(manifestOf('kept', 2, large), large);
    const keys = await redis.keys('iwd:{kept}:*');
    assert.equal(keys.length, Math.ceil(3_000_000 / 262_144) + 1);
    for (const key of keys) {
      assert.ok((await redis.strlen(key)) <= 262_144);
      const seconds = await redis.ttl(key);
      assert.ok(seconds > 7 * 24 * 3600 - 60 && seconds <= 7 * 24 * 3600);
    }
  });

  test('a snapshot that lost a piece is refused; a foreign value in its place counts as none and is replaced', async () => {
    const store = open(url);
    await store.save(manifestOf('damaged', 1, large), large);
    const piece = (await redis.keys('iwd:{damaged}:snapshot:*')).find((key) => key.endsWith(':5'))!;
    await redis.del(piece);
    await assert.rejects(store.load('damaged'), /lacks a piece/);
    for (const foreign of [
      '{',
      '7',
      '{"generation":"x","chunkBytes":[-1]}',
      '{"generation":"x","chunkBytes":[1e15]}',
    ]) {
      await redis.set('iwd:{damaged}:snapshot', foreign);
      assert.equal(await store.load('damaged'), undefined);
    }
    await store.save(manifestOf('damaged', 2, large), large);
    assert.equal((await store.load('damaged'))?.manifest.seq, 2);
  });
});

const noServer = missing('TEST_REDIS_URL') || (findRedisServer() ? false : 'no redis-server on the PATH');

describe('redis in trouble', { skip: noServer, timeout: 60_000 }, () => {
  const servers: RedisServer[] = [];
  const start = async (...args: Parameters<typeof startRedisServer>) => {
    const server = await startRedisServer(...args);
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  test('a server that is not there fails save and load quickly, and serves once it comes', async () => {
    const port = await freePort();
    const store = open(`redis://127.0.0.1:${port}`);
    await failsQuickly(() => store.load('demo'));
    await failsQuickly(() => store.save(largeManifest, large));
    await start([], port);
    await eventually(() => store.save(largeManifest, large));
    assert.deepEqual((await store.load('demo'))?.manifest, largeManifest);
  });

  test('a server that is killed and comes back empty costs the snapshot and nothing else', async () => {
    const server = await start();
    const store = open(server.url);
    await store.save(largeManifest, large);
    await server.stop();
    await failsQuickly(() => store.load('demo'));
    await start([], server.port);
    await eventually(async () => assert.equal(await store.load('demo'), undefined));
  });

  test('connections, how long they took and what failed are counted from first to last', async () => {
    const registry = new Registry();
    const metrics = new RedisMetrics(registry);
    const value = async (name: string) =>
      Number(new RegExp(`^iwd_redis_${name} (\\S+)$`, 'm').exec(await registry.metrics())![1]);
    const states = async () => [
      await value('connections_established'),
      await value('connections_ready'),
      await value('connections_reconnecting'),
    ];
    const text = await registry.metrics();
    for (const state of ['established', 'reconnecting', 'ready'])
      assert.match(text, new RegExp(`^# TYPE iwd_redis_connections_${state} gauge$`, 'm'));
    assert.match(text, /^# TYPE iwd_redis_duration_until_ready histogram$/m);
    assert.match(text, /^# TYPE iwd_redis_errors_total counter$/m);
    assert.deepEqual([await states(), await value('errors_total')], [[0, 0, 0], 0]);
    const server = await start();
    const store = openRedisSnapshots(server.url, metrics);
    opened.push(store);
    await store.save(largeManifest, large);
    assert.deepEqual([await states(), await value('errors_total')], [[1, 1, 0], 0]);
    assert.equal(await value('duration_until_ready_count'), 1);
    await server.stop();
    await failsQuickly(() => store.load('demo'));
    await eventually(async () => assert.deepEqual(await states(), [0, 0, 1]));
    assert.ok((await value('errors_total')) >= 1);
    await start([], server.port);
    await eventually(() => store.save(largeManifest, large));
    assert.deepEqual([await states(), await value('duration_until_ready_count')], [[1, 1, 0], 2]);
    await store.close();
    await eventually(async () => assert.deepEqual(await states(), [0, 0, 0]));
  });

  test('a server that hangs fails the save within the time-out', async () => {
    const server = await start();
    const store = open(server.url);
    await store.save(largeManifest, large);
    server.process.kill('SIGSTOP');
    await failsQuickly(() => store.save(manifestOf('demo', 2, large), large));
    server.process.kill('SIGCONT');
    await eventually(() => store.save(manifestOf('demo', 3, large), large));
  });

  test('a full server refuses the save, keeps the earlier snapshot whole or has none', async () => {
    const server = await start(['--maxmemory', '8mb', '--maxmemory-policy', 'noeviction']);
    const store = open(server.url);
    const small = [pattern(1000)];
    await store.save(manifestOf('demo', 1, small), small);
    const huge = [pattern(9_000_000)];
    await assert.rejects(store.save(manifestOf('demo', 2, huge), huge), /OOM/);
    assert.equal((await store.load('demo'))?.manifest.seq, 1);
  });

  test('a cluster of three takes the same snapshots', async () => {
    const nodes = await Promise.all([0, 1, 2].map(async () => start(await clusterArguments())));
    await joinCluster(nodes);
    const store = open(nodes.map(({ url }) => url).join(','));
    for (const tenantId of ['a', 'b', 'c', '}d']) {
      await eventually(() => store.save(manifestOf(tenantId, 1, large), large));
      assert.deepEqual((await store.load(tenantId))?.manifest, manifestOf(tenantId, 1, large));
    }
    await Promise.all(nodes.map((node) => node.stop()));
    await failsQuickly(() => store.load('a'));
  });

  test('rediss:// speaks TLS to a server whose certificate the process trusts, and to no other', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'iwd-tls-'));
    try {
      const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
      const request = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1`;
      execFileSync('openssl', [...request.split(' '), '-keyout', key, '-out', certificate], { stdio: 'ignore' });
      const port = await freePort();
      const tls = ['--tls-port', `${port}`, '--tls-cert-file', certificate, '--tls-key-file', key];
      await start([...tls, '--tls-ca-cert-file', certificate, '--tls-auth-clients', 'no']);
      const url = `rediss://127.0.0.1:${port}`;
      await failsQuickly(() => open(url).load('demo'));
      // Node reads the trusted certificates at its start, so the trusting side is a process of its own.
      const module = new URL('./snapshot-store.js', import.meta.url).href;
      const code = `const { openRedisSnapshots } = await import(${JSON.stringify(module)});
        const store = openRedisSnapshots(${JSON.stringify(url)});
        console.log(String(await store.load('demo')));
        await store.close();`;
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificate };
      const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], { env, encoding: 'utf8' });
      assert.equal(output, 'undefined\n');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

async function failsQuickly(attempt: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await assert.rejects(attempt);
  const tookMs = performance.now() - start;
  assert.ok(tookMs < 2000, `took ${tookMs} ms`);
}

/** Each attempt waits for the connection by itself, so this only bounds how often. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 400; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

async function clusterArguments(): Promise<string[]> {
  return ['--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`];
}

async function joinCluster(nodes: RedisServer[]): Promise<void> {
  const clients = nodes.map(({ url }) => new Redis(url));
  const busPort = async (client: Redis) => (await client.config('GET', 'cluster-port')) as string[];
  const third = Math.ceil(16384 / nodes.length);
  for (const [index, client] of clients.entries()) {
    const last = Math.min((index + 1) * third, 16384) - 1;
    await client.call('CLUSTER', 'ADDSLOTSRANGE', index * third, last);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  }
  for (const [index, client] of clients.entries()) {
    if (index > 0)
      await clients[0]!.call('CLUSTER', 'MEET', '127.0.0.1', nodes[index]!.port, (await busPort(client))[1]!);
  }
  for (const client of clients) {
    await eventually(async () => assert.match(String(await client.call('CLUSTER', 'INFO')), /cluster_state:ok/));
    await eventually(async () => {
      const slots = (await client.call('CLUSTER', 'SLOTS')) as unknown[];
      assert.equal(slots.length, nodes.length);
    });
  }
  for (const client of clients) client.disconnect();
}
