import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseMetrics } from '../../bench/system.js';
import { LocalServer } from '../../bin/demo/local-server.js';
import { ApiClient } from '../../bin/intake/api-client.js';
import { type RedisServer, startRedisServer } from '../../stores/conformance/redis-server.js';
import { query } from '../../stores/conformance/test-database.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../stores/embedded/postgres.js';
import { bareEnvironment, freePort } from '../server-process.js';
import { categories, schemas } from './load-item.js';

export const faultKinds = ['server', 'postgres', 'redis'] as const;
export type FaultKind = (typeof faultKinds)[number];

const apiKey = 'crash-harness-key';
/** How long a Redis stays away: the next fault may come meanwhile. */
const redisAwayMs = 3000;
const pollMs = 50;
const metricsMsMax = 500;
const settleMsMax = 60_000;

/** The real server as a child process, on a Postgres and a Redis of its own, all of which may be killed. */
export class CrashSystem {
  readonly port: number;
  readonly apiKey = apiKey;
  readonly #dir: string;
  readonly #postgres: EmbeddedPostgres;
  readonly #env: NodeJS.ProcessEnv;
  /** Where the server's memory came from at each start of a term. */
  readonly recoveries = { snapshot: 0, tables: 0 };
  #redis: Promise<RedisServer>;
  #server: LocalServer;

  private constructor(parts: { dir: string; port: number; postgres: EmbeddedPostgres; redis: RedisServer }) {
    const { dir, port, postgres, redis } = parts;
    this.#dir = dir;
    this.port = port;
    this.#postgres = postgres;
    this.#redis = Promise.resolve(redis);
    this.#env = {
      ...bareEnvironment(),
      IWD_PORT: `${port}`,
      IWD_HOST: '127.0.0.1',
      IWD_DATA_DIR: join(dir, 'server'),
      IWD_DEMO_APIKEY: apiKey,
      IWD_LOG_LEVEL: 'error',
      // Snapshots are always being written when something dies.
      IWD_SNAPSHOT_INTERVAL: 'PT1S',
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
    };
    this.#server = this.#startServer();
  }

  /** Resolves when it serves, with settings in force that stay for the whole run. */
  static async start(): Promise<CrashSystem> {
    const dir = await mkdtemp(join(tmpdir(), 'iwd-crash-'));
    const logger = { info() {} };
    const postgres = await startEmbeddedPostgres({ dataDir: join(dir, 'postgres'), logger, endWithUs: true });
    const redis = await startRedisServer().catch(async (error: unknown) => {
      await postgres.stop();
      throw error;
    });
    const system = new CrashSystem({ dir, port: await freePort(), postgres, redis });
    try {
      await system.#server.ready();
      const api = new ApiClient({ base: `http://127.0.0.1:${system.port}/iwd/v3`, apiKey });
      await api.request('PUT', '/settings/prioritization', { schemas });
      await api.request('PUT', '/settings/categories', { categories });
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  get databaseUrl(): string {
    return this.#postgres.url;
  }

  /** The end of what the server has printed. */
  get serverOutput(): string {
    return this.#server.output;
  }

  /** SIGKILL, and a new start. @returns whether the process that was meant is really dead. */
  async kill(kind: FaultKind): Promise<boolean> {
    if (kind === 'server') return this.#killServer();
    return kind === 'postgres' ? this.#killPostgres() : this.#killRedis();
  }

  async #killServer(): Promise<boolean> {
    await this.#countRecoveries();
    const wasAlive = this.#server.exitCode === null;
    await this.#server.kill();
    this.#server = this.#startServer();
    return wasAlive;
  }

  /** Its supervisor starts it again. */
  async #killPostgres(): Promise<boolean> {
    const before = await this.#postmasterOtherThan(undefined);
    if (before === undefined) return false;
    process.kill(before, 'SIGKILL');
    return (await this.#postmasterOtherThan(before)) !== undefined;
  }

  /** Number of the main process, as soon as there is one and it is not `before`. */
  async #postmasterOtherThan(before: number | undefined): Promise<number | undefined> {
    const path = join(this.#dir, 'postgres', 'postmaster.pid');
    for (let waitedMs = 0; waitedMs < settleMsMax; waitedMs += pollMs) {
      // For a moment of each start the file is not there, or empty.
      const pid = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
      if (!Number.isNaN(pid) && pid !== before) return pid;
      await sleep(pollMs);
    }
    return undefined;
  }

  /** Comes back later, empty. */
  async #killRedis(): Promise<boolean> {
    const { process: child, port, stop } = await this.#redis;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.#redis = stop()
      .then(() => sleep(redisAwayMs))
      .then(() => startRedisServer([], port));
    return child.signalCode === 'SIGKILL';
  }

  /** Of the server that is about to end; one that has never served has nothing to tell. */
  async #countRecoveries(): Promise<void> {
    const text = await fetch(`http://127.0.0.1:${this.port}/metrics`, { signal: AbortSignal.timeout(metricsMsMax) })
      .then((response) => response.text())
      .catch(() => '');
    for (const { name, labels, value } of parseMetrics(text)) {
      const source = /source="(snapshot|tables)"/.exec(labels)?.[1] as 'snapshot' | 'tables' | undefined;
      if (name === 'iwd_recoveries_total' && source !== undefined) this.recoveries[source] += value;
    }
  }

  #startServer(): LocalServer {
    return new LocalServer(`http://127.0.0.1:${this.port}`, this.#env);
  }

  /** Waits until the tables have everything, then lets the server drain. @returns why it did not go well, if so. */
  async settle(): Promise<string | undefined> {
    await this.#server.ready();
    const behind = `SELECT last_seq - (SELECT seq FROM iwd.follower_cursor WHERE name = 'work_item') AS events
                      FROM iwd.tenant_lease`;
    for (let waitedMs = 0; ; waitedMs += pollMs) {
      const [row] = await query(this.databaseUrl, behind);
      if (row?.events === 0) break;
      if (waitedMs > settleMsMax) return `the follower is ${row?.events} events behind after ${settleMsMax} ms`;
      await sleep(pollMs);
    }
    await this.#countRecoveries();
    const code = await this.#server.stop();
    return code === 0 ? undefined : `the server's exit code is ${code}:\n${this.serverOutput}`;
  }

  /** Ends everything and removes its folder. */
  async stop(): Promise<void> {
    await this.#server.stop();
    await (await this.#redis).stop();
    await this.#postgres.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
