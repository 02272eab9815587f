import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { startRedisServer } from '../../stores/conformance/redis-server.js';
import { query } from '../../stores/conformance/test-database.js';
import type { LoadResult } from '../load.js';
import { familyCpuSeconds, generate, type Load, type Look, openDatabase, type Target } from '../system.js';

/** What the benches can stand beside: the queue and how durable its store is. */
export const peerNames = ['bullmq-always', 'bullmq-everysec', 'pgboss', 'graphile'] as const;
export type PeerName = (typeof peerNames)[number];

/** Names of a list as `--peers` has it: "bullmq" means both of its forms. Throws for an unknown one. */
export function parsePeers(list: string): PeerName[] {
  const names = list.split(',').filter((name) => name !== '');
  return names.flatMap((name) => {
    const found = peerNames.filter((one) => one === name || one.startsWith(`${name}-`));
    if (found.length === 0) throw new Error(`there is no peer "${name}"; there are ${peerNames.join(', ')}`);
    return found;
  });
}

interface Store {
  url: string;
  cpuSeconds(): number | undefined;
  writtenBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** A peer's front in a process of its own, on a store of its own. */
export class PeerSystem implements Target {
  readonly #child: ChildProcess;
  readonly #store: Store;
  readonly #port: number;
  #nextItem = 0;

  private constructor(child: ChildProcess, store: Store, port: number) {
    this.#child = child;
    this.#store = store;
    this.#port = port;
  }

  /** Resolves when it takes requests. */
  static async start(name: PeerName): Promise<PeerSystem> {
    const [peer = name, fsync] = name.split('-');
    const store = fsync === undefined ? await openPostgres() : await openRedis(fsync);
    const program = fileURLToPath(new URL('./front.js', import.meta.url));
    const child = spawn(process.execPath, [program, peer, store.url], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit').then(() => undefined);
    const line = await Promise.race([once(child.stdout!, 'data'), ended]);
    if (line !== undefined) return new PeerSystem(child, store, Number(line[0]));
    await store.stop();
    throw new Error(`the front of ${name} did not start`);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await exited;
    await this.#store.stop();
  }

  async load(load: Load): Promise<LoadResult> {
    const result = await generate({ ...load, port: this.#port, apiKey: 'none', firstItem: this.#nextItem });
    this.#nextItem = result.nextItem;
    return result;
  }

  async look(): Promise<Look> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/look`);
    const seen = (await response.json()) as { cpuSeconds: number; lagP99Ms: number; lagMaxMs: number };
    return {
      nodeCpuSeconds: seen.cpuSeconds,
      storeCpuSeconds: this.#store.cpuSeconds(),
      walBytes: await this.#store.writtenBytes(),
      followerLagEvents: 0,
      mainLagP99Ms: seen.lagP99Ms,
      mainLagMaxMs: seen.lagMaxMs,
    };
  }

  /** Nothing follows: what is acknowledged is where it belongs. */
  async catchUp(): Promise<number> {
    return 0;
  }
}

async function openPostgres(): Promise<Store> {
  const database = await openDatabase();
  const writtenBytes = async () => {
    const [row] = await query(database.url, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes");
    return Number(row!.bytes);
  };
  return { ...database, writtenBytes };
}

/** The append-only file is never rewritten meanwhile: that would only take time. */
async function openRedis(fsync: string): Promise<Store> {
  const settings = ['--appendonly', 'yes', '--appendfsync', fsync, '--auto-aof-rewrite-percentage', '0'];
  const server = await startRedisServer(settings);
  const client = new Redis(server.url);
  return {
    url: server.url,
    cpuSeconds: () => familyCpuSeconds(server.process.pid!),
    async writtenBytes() {
      return Number(/aof_current_size:(\d+)/.exec(await client.info('persistence'))?.[1] ?? 0);
    },
    async stop() {
      client.disconnect();
      await server.stop();
    },
  };
}
