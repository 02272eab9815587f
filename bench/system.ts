import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cityCategories, citySchemas } from '../examples/city-settings.js';
import { query } from '../stores/conformance/test-database.js';
import { startEmbeddedPostgres } from '../stores/embedded/postgres.js';
import { type ServerProcess, startServerProcess } from '../tests/server-process.js';
import type { LoadResult, LoadSpec } from './load.js';

/** Clock ticks of /proc a second: 100 on every Linux that Node runs on. */
const ticksASecond = 100;
/** What `monitorEventLoopDelay` of prom-client counts as delay although it is its own sampling interval. */
const samplingSeconds = 0.01;
const catchUpPollMs = 50;

/** One scrape; each starts a new interval for the lags. */
export interface Look {
  /** Used up until now; `undefined`: cannot be seen from here. */
  nodeCpuSeconds: number;
  storeCpuSeconds: number | undefined;
  walBytes: number;
  /** Events that the tables do not have yet. */
  followerLagEvents: number;
  /** Event-loop lag since the last look; the `max` is the one longest stall. */
  mainLagP99Ms: number;
  mainLagMaxMs: number;
  shardLagP99Ms?: number;
  shardLagMaxMs?: number;
}

/** Something that takes the loads: our server, or a peer. */
export interface Target {
  load(load: Load): Promise<LoadResult>;
  /** What was used so far, and how the threads and the follower did since the look before. */
  look(): Promise<Look>;
  /** Waits until whatever follows has everything; how long that took, milliseconds. */
  catchUp(msMax: number): Promise<number>;
  stop(): Promise<void>;
}

export type Load = Omit<LoadSpec, 'port' | 'apiKey' | 'firstItem'>;

/** Postgres (the embedded one in a temporary folder, or a database of its own on DATABASE_URL) and the real server on it. */
export class System implements Target {
  readonly #server: ServerProcess;
  readonly #database: Database;
  readonly port: number;
  #nextItem = 0;

  private constructor(server: ServerProcess, database: Database) {
    this.#server = server;
    this.#database = database;
    this.port = Number(new URL(server.url).port);
  }

  /** Resolves when it serves, with a city's categories, rules and schemas in force. */
  static async start(): Promise<System> {
    const database = await openDatabase();
    try {
      // A long interval: a snapshot in one round and none in the next would be noise.
      const settings = { DATABASE_URL: database.url, IWD_HOST: '127.0.0.1', IWD_SNAPSHOT_INTERVAL: 'PT1H' };
      const server = await startServerProcess(settings);
      await server.client.request('PUT', '/settings/prioritization', { schemas: citySchemas });
      await server.client.request('PUT', '/settings/categories', { categories: cityCategories });
      return new System(server, database);
    } catch (error) {
      await database.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await this.#database.stop();
  }

  async load(load: Load): Promise<LoadResult> {
    const { apiKey } = this.#server;
    const result = await generate({ ...load, port: this.port, apiKey, firstItem: this.#nextItem });
    this.#nextItem = result.nextItem;
    return result;
  }

  /** What was used so far, and how the threads and the follower did since the look before. */
  async look(): Promise<Look> {
    const [samples, [row]] = await Promise.all([
      this.#samples(),
      query(this.#database.url, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes"),
    ]);
    const main = (name: string) =>
      Math.max(0, sampleOf(samples, `iwd_nodejs_eventloop_lag_${name}_seconds`) - samplingSeconds) * 1000;
    const shard = (quantile: string) => {
      const all = samples.filter(({ name, labels }) => name === shardLag && labels.includes(`quantile="${quantile}"`));
      return Math.max(...all.map(({ value }) => value)) * 1000;
    };
    return {
      nodeCpuSeconds: sampleOf(samples, 'iwd_process_cpu_seconds_total'),
      storeCpuSeconds: this.#database.cpuSeconds(),
      walBytes: Number(row!.bytes),
      followerLagEvents: sampleOf(samples, followerLag),
      mainLagP99Ms: main('p99'),
      mainLagMaxMs: main('max'),
      shardLagP99Ms: shard('0.99'),
      shardLagMaxMs: shard('1'),
    };
  }

  /** Waits until the tables have everything; how long that took, milliseconds. */
  async catchUp(msMax: number): Promise<number> {
    const from = performance.now();
    while (sampleOf(await this.#samples(), followerLag) > 0) {
      if (performance.now() - from > msMax) throw new Error(`the follower has not caught up within ${msMax} ms`);
      await new Promise((resolve) => setTimeout(resolve, catchUpPollMs));
    }
    return performance.now() - from;
  }

  async #samples(): Promise<Sample[]> {
    const response = await fetch(`${this.#server.url}/metrics`);
    return parseMetrics(await response.text());
  }
}

const shardLag = 'iwd_shard_eventloop_lag_seconds';
const followerLag = 'iwd_follower_lag_events';

interface Sample {
  name: string;
  labels: string;
  value: number;
}

/** The lines of Prometheus' text format. */
export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\w+)(\{.*\})? (\S+)/.exec(line);
    return match === null ? [] : [{ name: match[1]!, labels: match[2] ?? '', value: Number(match[3]) }];
  });
}

function sampleOf(samples: readonly Sample[], name: string): number {
  const found = samples.filter((sample) => sample.name === name);
  if (found.length === 0) throw new Error(`/metrics has no ${name}`);
  return found.reduce((sum, { value }) => sum + value, 0);
}

/** Runs one load in a process of its own. */
export async function generate(spec: LoadSpec): Promise<LoadResult> {
  const child = fork(fileURLToPath(new URL('./load.js', import.meta.url)));
  child.send(spec);
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the load generator ended with code ${code}`);
  });
  ended.catch(() => {});
  const [result] = (await Promise.race([once(child, 'message'), ended])) as [LoadResult];
  return result;
}

/** The bare echo server (`echo.ts`) and its port. */
export async function startEcho(): Promise<{
  port: number;
  cpuSeconds: () => Promise<number>;
  stop: () => Promise<void>;
}> {
  const program = fileURLToPath(new URL('./echo.js', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line);
  const cpuSeconds = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/cpu`);
    return ((await response.json()) as { seconds: number }).seconds;
  };
  return { port, cpuSeconds, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** A Postgres for one system. */
export interface Database {
  url: string;
  cpuSeconds(): number | undefined;
  stop(): Promise<void>;
}

/** The embedded Postgres in a temporary folder, or a database of its own on the server of DATABASE_URL. */
export async function openDatabase(): Promise<Database> {
  const server = process.env.DATABASE_URL;
  if (server) {
    const name = `iwd_bench_${randomBytes(6).toString('hex')}`;
    await query(server, `CREATE DATABASE ${name} TEMPLATE template0`);
    return {
      url: Object.assign(new URL(server), { pathname: `/${name}` }).href,
      cpuSeconds: () => undefined,
      stop: async () => void (await query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
    };
  }
  const dir = await mkdtemp(join(tmpdir(), 'iwd-bench-'));
  const postgres = await startEmbeddedPostgres({
    dataDir: join(dir, 'postgres'),
    logger: { info() {} },
    endWithUs: true,
  });
  return {
    url: postgres.url,
    cpuSeconds: () => familyCpuSeconds(postgres.pid),
    stop: async () => {
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** CPU of a process, its children that live and those that it has waited for; undefined where there is no /proc. */
export function familyCpuSeconds(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readStat(name) : undefined;
    if (stat === undefined || (Number(name) !== pid && Number(stat[1]) !== pid)) continue;
    // utime and stime; of the parent also those of ended children.
    ticks += Number(stat[11]) + Number(stat[12]);
    if (Number(name) === pid) ticks += Number(stat[13]) + Number(stat[14]);
  }
  return ticks / ticksASecond;
}

/** The fields of /proc/PID/stat from the state on; undefined when the process has ended meanwhile. */
function readStat(pid: string): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
  } catch {
    return undefined;
  }
}
