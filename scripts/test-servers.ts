import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer, startRedisServer } from '../stores/conformance/redis-server.js';
import { startEmbeddedPostgres } from '../stores/embedded/postgres.js';

/** What the tests of the stores run against; a server that cannot be had has no entry in `env` and a reason in `notes`. */
export interface TestServers {
  env: { TEST_DATABASE_URL?: string; TEST_REDIS_URL?: string };
  /** One line for people about each server. */
  notes: string[];
  /** Ends what was started here and removes its folders; may be called twice. */
  stop(): Promise<void>;
}

interface Started {
  url?: string;
  note: string;
  stop(): Promise<void>;
}

/**
 * Postgres: TEST_DATABASE_URL (tests create and drop databases there), or the embedded one in a temporary folder. Redis:
 * TEST_REDIS_URL or REDIS_URL, or `redis-server` on the PATH, which root gets from apt. All of ours listens on the
 * loopback interface or a Unix socket only.
 */
export async function startTestServers(): Promise<TestServers> {
  const started = await Promise.allSettled([startPostgres(), startRedis()]);
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  stopOnSignals(stop);
  const [postgres, redis] = servers as [Started, Started];
  return {
    env: {
      ...(postgres.url !== undefined && { TEST_DATABASE_URL: postgres.url }),
      ...(redis.url !== undefined && { TEST_REDIS_URL: redis.url }),
    },
    notes: servers.map((server) => server.note),
    stop,
  };
}

async function startPostgres(): Promise<Started> {
  const given = process.env.TEST_DATABASE_URL;
  if (given) return { url: given, note: 'Postgres: the one of TEST_DATABASE_URL', stop: async () => {} };
  const dir = await mkdtemp(join(tmpdir(), 'iwd-test-pg-'));
  const server = await startEmbeddedPostgres({ dataDir: join(dir, 'data'), logger: { info() {} }, endWithUs: true });
  const stop = async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
  return { url: server.url, note: `Postgres: embedded, in ${dir}`, stop };
}

async function startRedis(): Promise<Started> {
  const given = process.env.TEST_REDIS_URL ?? process.env.REDIS_URL;
  if (given) return { url: given, note: 'Redis: the one of TEST_REDIS_URL or REDIS_URL', stop: async () => {} };
  const reason = findRedisServer() ? undefined : installRedis();
  if (reason !== undefined) return { note: `Redis: none, its tests are skipped (${reason})`, stop: async () => {} };
  const server = await startRedisServer();
  return { url: server.url, note: `Redis: redis-server on port ${server.port}`, stop: server.stop };
}

/** Why it could not be installed, or undefined. */
function installRedis(): string | undefined {
  if (process.getuid?.() !== 0) return 'no redis-server on the PATH; install it, run as root, or set REDIS_URL';
  console.log('No redis-server here: installing it (apt-get update, apt-get install redis-server) ...');
  // RUNLEVEL=1: the package must not start a server of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    const { status, error, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: 300_000 });
    if (status !== 0) return `apt-get ${args[0]} failed: ${error?.message ?? stderr.slice(-300)}`;
  }
  return findRedisServer() ? undefined : 'apt installed no redis-server on the PATH';
}

/** The servers go before we do. A SIGKILL of us ends Postgres too; a Redis would stay, idle and without data. */
function stopOnSignals(stop: () => Promise<void>): void {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.once(signal, () => {
      stop().finally(() => process.exit(128 + number));
    });
  }
}
