import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalServer } from '../../bin/demo/local-server.js';
import { ApiClient } from '../../bin/intake/api-client.js';
import { type RedisServer, startRedisServer } from '../../stores/conformance/redis-server.js';
import { query } from '../../stores/conformance/test-database.js';
import { categories, schemas } from '../crash/load-item.js';
import { bareEnvironment, freePort } from '../server-process.js';
import { PostgresServer } from './postgres-server.js';
import { type FaultyLink, Toxiproxy } from './toxiproxy.js';

export interface SystemOptions {
  /** Settings of the server on top of the harness's. */
  env?: NodeJS.ProcessEnv;
  postgresSettings?: Record<string, string>;
  /** Where the Postgres keeps its data; a folder of the system's own unless told. */
  postgresDir?: string;
  /** A toxiproxy before Postgres, before Redis. */
  proxied?: readonly ('postgres' | 'redis')[];
  /** Without one, snapshots go to files. */
  redis?: boolean;
}

const apiKey = 'fault-harness-key';
const pollMs = 25;
const settleMsMax = 60_000;
const clockTicksASecond = 100;
const pageBytes = 4096;

/** The real server as a child process, with a Postgres and a Redis of its own and proxies where they are asked for. */
export class FaultSystem {
  readonly apiKey = apiKey;
  readonly port: number;
  readonly dir: string;
  readonly postgres: PostgresServer;
  redis: RedisServer | undefined;
  server: LocalServer;
  readonly #env: NodeJS.ProcessEnv;
  readonly #toxiproxy: Toxiproxy | undefined;
  readonly #postgresProxy: FaultyLink | undefined;
  readonly #redisProxy: FaultyLink | undefined;

  private constructor(parts: Parts) {
    this.port = parts.port;
    this.dir = parts.dir;
    this.postgres = parts.postgres;
    this.redis = parts.redis;
    this.#toxiproxy = parts.toxiproxy;
    this.#postgresProxy = parts.postgresProxy;
    this.#redisProxy = parts.redisProxy;
    this.#env = this.#environment(parts);
    this.server = this.#newServer();
  }

  /** Resolves when it serves, with settings in force that stay for the whole run. */
  static async start(options: SystemOptions = {}): Promise<FaultSystem> {
    const dir = mkdtempSync(join(tmpdir(), 'iwd-fault-'));
    chmodSync(dir, 0o755);
    const started: { stop(): Promise<void> }[] = [];
    try {
      const parts = await startParts(dir, options, started);
      const system = new FaultSystem(parts);
      started.push({ stop: () => system.server.kill() });
      await system.server.ready();
      await system.api.request('PUT', '/settings/prioritization', { schemas });
      await system.api.request('PUT', '/settings/categories', { categories });
      return system;
    } catch (error) {
      for (const part of started.reverse()) await part.stop();
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get api(): ApiClient {
    return new ApiClient({ base: `${this.url}/iwd/v3`, apiKey });
  }

  /** Past any proxy: for the test's own looks. */
  get databaseUrl(): string {
    return this.postgres.url;
  }

  get postgresProxy(): FaultyLink {
    if (this.#postgresProxy === undefined) throw new Error('Postgres is not proxied');
    return this.#postgresProxy;
  }

  get redisProxy(): FaultyLink {
    if (this.#redisProxy === undefined) throw new Error('Redis is not proxied');
    return this.#redisProxy;
  }

  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    return query(this.databaseUrl, text, values);
  }

  async epoch(): Promise<number> {
    const [row] = await this.query('SELECT epoch FROM iwd.tenant_lease');
    return row!.epoch as number;
  }

  /** The server's process: the lease names it. */
  async serverPid(): Promise<number> {
    const [row] = await this.query('SELECT owner_pod FROM iwd.tenant_lease');
    return Number((row!.owner_pod as string).split('/')[1]);
  }

  /** Begins a start; `server.ready()` says when it serves. */
  beginServer(extra: NodeJS.ProcessEnv = {}): void {
    this.server = this.#newServer(extra);
  }

  /** SIGKILL, and a new start. Resolves when the new one serves. */
  async killAndRestart(): Promise<void> {
    await this.server.kill();
    this.beginServer();
    await this.server.ready();
  }

  /** Resolves when the server serves its tenant. */
  async untilServing(msMax = settleMsMax): Promise<void> {
    await this.server.ready(msMax);
  }

  /** The sum of a metric's values whose labels hold `label`, e.g. `outcome="unknown"`; 0 when there is none. */
  async metric(name: string, label = ''): Promise<number> {
    const response = await fetch(`${this.url}/metrics`);
    const lines = (await response.text()).split('\n');
    const own = lines.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return own.filter((line) => line.includes(label)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Waits until the tables have everything that is durable, and the server serves. */
  async settle(): Promise<void> {
    await this.server.ready();
    const behind = `SELECT last_seq - (SELECT seq FROM iwd.follower_cursor WHERE name = 'work_item') AS events
                      FROM iwd.tenant_lease`;
    for (let waitedMs = 0; ; waitedMs += pollMs) {
      const [row] = await this.query(behind);
      if (row?.events === 0) return;
      if (waitedMs > settleMsMax) throw new Error(`the follower is ${row?.events} events behind`);
      await sleep(pollMs);
    }
  }

  async stop(): Promise<void> {
    await this.#postgresProxy?.heal().catch(() => {});
    await this.server.kill();
    await this.redis?.stop();
    this.postgres.signal('SIGCONT');
    await this.postgres.stop();
    await this.#toxiproxy?.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  #newServer(extra: NodeJS.ProcessEnv = {}): LocalServer {
    return new LocalServer(this.url, { ...this.#env, ...extra });
  }

  #environment({ options, postgres, redis, postgresProxy, redisProxy }: Parts): NodeJS.ProcessEnv {
    const postgresPort = postgresProxy?.port ?? postgres.port;
    return {
      ...bareEnvironment(),
      IWD_PORT: `${this.port}`,
      IWD_HOST: '127.0.0.1',
      IWD_DATA_DIR: join(this.dir, 'server'),
      IWD_DEMO_APIKEY: apiKey,
      IWD_LOG_LEVEL: 'warn',
      // Snapshots are always being written when something fails.
      IWD_SNAPSHOT_INTERVAL: 'PT1S',
      DATABASE_URL: postgres.url.replace(`:${postgres.port}/`, `:${postgresPort}/`),
      ...(redis && { REDIS_URL: `redis://127.0.0.1:${redisProxy?.port ?? redis.port}` }),
      ...options.env,
    };
  }
}

interface Parts {
  options: SystemOptions;
  port: number;
  dir: string;
  postgres: PostgresServer;
  redis: RedisServer | undefined;
  toxiproxy: Toxiproxy | undefined;
  postgresProxy: FaultyLink | undefined;
  redisProxy: FaultyLink | undefined;
}

async function startParts(dir: string, options: SystemOptions, started: { stop(): Promise<void> }[]): Promise<Parts> {
  const proxied = options.proxied ?? [];
  const postgresDir = options.postgresDir ?? join(dir, 'postgres');
  mkdirSync(postgresDir, { recursive: true });
  const postgres = await PostgresServer.create(postgresDir, options.postgresSettings);
  started.push(postgres);
  const redis = options.redis === true ? await startRedisServer() : undefined;
  if (redis) started.push(redis);
  const toxiproxy = proxied.length > 0 ? await Toxiproxy.start() : undefined;
  if (toxiproxy) started.push(toxiproxy);
  const postgresProxy = proxied.includes('postgres') ? await toxiproxy!.proxy('postgres', postgres.port) : undefined;
  const redisProxy = redis && proxied.includes('redis') ? await toxiproxy!.proxy('redis', redis.port) : undefined;
  return { options, port: await freePort(), dir, postgres, redis, toxiproxy, postgresProxy, redisProxy };
}

/** What a process uses at this moment, from /proc. */
export interface Usage {
  residentBytes: number;
  cpuMs: number;
  openFiles: number;
}

export function usageOf(pid: number): Usage {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  // The name, in parentheses, may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    residentBytes: pages * pageBytes,
    cpuMs: (ticks * 1000) / clockTicksASecond,
    openFiles: readdirSync(`/proc/${pid}/fd`).length,
  };
}
