import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedisServer } from '../stores/conformance/redis-server.js';
import { aboutRun } from './about.js';
import { startManyDatabases } from './many-databases.js';
import { median, rounded } from './measure.js';
import type { LifeResult, LifeSpec } from './tenant-life.js';

const help = `node dist/bench/recovery.js [--smoke] [--rounds N] [--json FILE] [--help]

How long a tenant with 100,000 and 1,000,000 open items of 1 KB takes from its start to serving: from a snapshot in a
file, from one in Redis, and from the tables. Each recovery is a process of its own that has never run the code before;
medians of the rounds. Real Postgres; the snapshot is what the drained predecessor has left.

  --smoke      the same in miniature
  --rounds N   5 unless told
  --json FILE  also writes the result there`;

export interface RecoveryRow {
  items: number;
  from: string;
  /** From the start, which takes the lease, to serving. */
  ms: number;
  /** The slowest of the rounds. */
  msMax: number;
  residentMegabytes: number;
  /** JavaScript heap and array buffers after garbage collection, beyond those of the process before it began. */
  heapBytesAnItem: number;
  arrayBytesAnItem: number;
}

/** All sizes, from every source; throws when a recovery takes another way than it should or misses items. */
export async function run(options: { sizes: number[]; rounds: number }): Promise<RecoveryRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'iwd-bench-snapshots-'));
  const [postgres, redis] = await Promise.all([startManyDatabases(), startRedisServer()]);
  const rows: RecoveryRow[] = [];
  try {
    for (const items of options.sizes) {
      const databaseUrl = await postgres.create(`recovery_${items}`);
      const life = (snapshots: LifeSpec['snapshots'], more: Partial<LifeSpec> = {}) =>
        live({ tenantId: `recovery-${items}`, databaseUrl, snapshots, fill: 0, drain: false, ...more });
      const [file, inRedis] = [{ dir }, { redisUrl: redis.url }];
      await life(file, { fill: items, drain: true });
      // Whoever finds no snapshot there recovers from the tables and leaves one.
      await life(inRedis, { drain: true });
      for (const [from, snapshots] of [
        ['snapshot, file', file],
        ['snapshot, Redis', inRedis],
        ['tables', undefined],
      ] as const) {
        const lives: LifeResult[] = [];
        for (let round = 0; round < options.rounds; round++) lives.push(await life(snapshots));
        rows.push(rowOf(items, from, lives));
      }
    }
  } finally {
    await Promise.all([postgres.stop(), redis.stop(), rm(dir, { recursive: true, force: true })]);
  }
  return rows;
}

function rowOf(items: number, from: string, lives: readonly LifeResult[]): RecoveryRow {
  for (const { source, openItems } of lives) {
    if (!from.startsWith(source)) throw new Error(`recovered from ${source} instead of ${from}`);
    if (openItems !== items) throw new Error(`recovered ${openItems} of ${items} items`);
  }
  const of = (value: (life: LifeResult) => number) => median(lives.map(value));
  return {
    items,
    from,
    ms: of(({ ms }) => ms),
    msMax: Math.max(...lives.map(({ ms }) => ms)),
    residentMegabytes: of(({ residentBytes }) => residentBytes / 1e6),
    heapBytesAnItem: of(({ heapBytes }) => heapBytes / items),
    arrayBytesAnItem: of(({ arrayBytes }) => arrayBytes / items),
  };
}

/** One life of the tenant's actor, in a process of its own. */
async function live(spec: LifeSpec): Promise<LifeResult> {
  const program = fileURLToPath(new URL('./tenant-life.js', import.meta.url));
  const child = fork(program, { execArgv: ['--expose-gc'] });
  child.send(spec);
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the tenant's process ended with code ${code}`);
  });
  exited.catch(() => {});
  const [result] = (await Promise.race([once(child, 'message'), exited])) as [LifeResult];
  await exited.catch(() => {});
  return result;
}

async function main(): Promise<void> {
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({
    options: { smoke: flag, help: flag, rounds: { type: 'string' }, json: { type: 'string' } },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const options = values.smoke
    ? { sizes: [1000], rounds: 1 }
    : { sizes: [100_000, 1_000_000], rounds: Number(values.rounds ?? 5) };
  const rows = (await run(options)).map(rounded);
  console.table(rows);
  if (values.json === undefined) return;
  writeFileSync(values.json, `${JSON.stringify({ ...aboutRun('recovery'), options, rows }, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await main();
