import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { aboutRun } from './about.js';
import type { LoadResult } from './load.js';
import { generate, type Load, type Look, System, startEcho } from './system.js';

const help = `node dist/bench/ingest.js [--smoke] [--rounds N] [--json FILE] [--help]

Load over loopback HTTP on the real server with a real Postgres, the generator in a process of its own: single POSTs of
1 KB items at 64 connections (and at 70 % of that rate, evenly spaced), bulk of 100 at 16, pairs of next and complete at
64; a bare Fastify echo of the same body with the same checks beside, in every round. Each round has a fresh database;
the table shows medians of the rounds. Then 60 s of bulk at 15,000 items a second.
Without DATABASE_URL the embedded Postgres runs in a temporary folder; with it, a database of its own is made and dropped.

  --smoke      the same in miniature, to see that it runs: no figure means anything
  --rounds N   3 unless told
  --json FILE  also writes the result there`;

export interface IngestOptions {
  rounds: number;
  warmUpMs: number;
  ms: number;
  connections: { single: number; bulk: number; takes: number };
  itemsPerBulk: number;
  /** Absent: no sustained run. */
  sustained?: { ms: number; itemsPerSecond: number };
  /** Longest that the follower may take to catch up after a phase. */
  catchUpMsMax: number;
}

export const fullOptions: IngestOptions = {
  rounds: 3,
  warmUpMs: 3000,
  ms: 5000,
  connections: { single: 64, bulk: 16, takes: 64 },
  itemsPerBulk: 100,
  sustained: { ms: 60_000, itemsPerSecond: 15_000 },
  catchUpMsMax: 120_000,
};

export const smokeOptions: IngestOptions = {
  rounds: 1,
  warmUpMs: 0,
  ms: 250,
  connections: { single: 8, bulk: 2, takes: 4 },
  itemsPerBulk: 20,
  sustained: { ms: 250, itemsPerSecond: 400 },
  catchUpMsMax: 20_000,
};

/** One kind of load; an item is one POST, one element of a bulk, or one pair of next and complete. Times in ms. */
export interface IngestRow {
  measure: string;
  connections: number;
  itemsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
  failures: number;
  /** CPU an item, of the server or of the echo. */
  nodeUs: number;
  postgresUs?: number;
  clientUs: number;
  /** Event-loop lag; the `max` is the one longest stall. */
  mainLagP99Ms?: number;
  mainLagMaxMs?: number;
  shardLagP99Ms?: number;
  shardLagMaxMs?: number;
  walBytes?: number;
  /** Events that the tables did not have when the load ended, and how long they took to get them. */
  followerLagEvents?: number;
  catchUpMs?: number;
}

export interface IngestResult {
  rows: IngestRow[];
  /** Of the medians of the rounds' own ratios, so that what slows a whole round cancels out. */
  ratios: { singleToEcho: number; bulkToSingle: number; singleCpuToEcho: number };
}

/** All measures, medians of `rounds`; throws when the server, the generator or the follower gives up. */
export async function run(options: IngestOptions): Promise<IngestResult> {
  const rounds: IngestRow[][] = [];
  for (let round = 0; round < options.rounds; round++) rounds.push(await runRound(options));
  const rows = rounds[0]!.map((_, at) => medianRow(rounds.map((round) => round[at]!)));
  const ratio = (above: string, below: string) =>
    median(rounds.map((round) => find(round, above).itemsPerSecond / find(round, below).itemsPerSecond));
  const ratios = {
    singleToEcho: ratio('single', 'echo'),
    bulkToSingle: ratio('bulk', 'single'),
    singleCpuToEcho: median(rounds.map((round) => find(round, 'single').nodeUs / find(round, 'echo').nodeUs)),
  };
  if (options.sustained !== undefined) rows.push(await withSystem((system) => sustain(system, options)));
  return { rows, ratios };
}

async function runRound(options: IngestOptions): Promise<IngestRow[]> {
  const { connections, itemsPerBulk, ms } = options;
  const single: Load = { ...posts(1), connections: connections.single, ms };
  const bulk: Load = { ...posts(itemsPerBulk), connections: connections.bulk, ms };
  const takes: Load = { ...posts(1), kind: 'takes', connections: connections.takes, ms };
  const echo = await measureEcho(single, options);
  return withSystem(async (system) => {
    const rows = [echo, await measure(system, 'single', single, options)];
    const ratePerSecond = Math.max(1, 0.7 * rows[1]!.itemsPerSecond);
    rows.push(await measure(system, 'single at 70 %', { ...single, ratePerSecond }, { ...options, warmUpMs: 0 }));
    rows.push(await measure(system, 'bulk', bulk, options));
    rows.push(await measure(system, 'next + complete', takes, options));
    return rows;
  });
}

function posts(itemsPerRequest: number): Pick<Load, 'kind' | 'path' | 'itemsPerRequest'> {
  return { kind: 'post', path: `/iwd/v3/workitems${itemsPerRequest === 1 ? '' : '/bulk'}`, itemsPerRequest };
}

async function sustain(system: System, options: IngestOptions): Promise<IngestRow> {
  const { itemsPerBulk, sustained, connections } = options;
  const { ms, itemsPerSecond } = sustained!;
  const load = {
    ...posts(itemsPerBulk),
    connections: connections.bulk,
    ms,
    ratePerSecond: itemsPerSecond / itemsPerBulk,
  };
  return measure(system, `bulk, ${itemsPerSecond} items/s for ${ms / 1000} s`, load, { ...options, warmUpMs: 0 });
}

async function withSystem<T>(work: (system: System) => Promise<T>): Promise<T> {
  const system = await System.start();
  try {
    return await work(system);
  } finally {
    await system.stop();
  }
}

async function measureEcho(load: Load, { warmUpMs }: IngestOptions): Promise<IngestRow> {
  const echo = await startEcho();
  try {
    const spec = { ...load, path: '/echo', port: echo.port, apiKey: 'none', firstItem: 0 };
    if (warmUpMs > 0) await generate({ ...spec, ms: warmUpMs });
    const before = await echo.cpuSeconds();
    const result = await generate(spec);
    const nodeUs = (((await echo.cpuSeconds()) - before) * 1e6) / result.items;
    return { ...rowOf('echo', load, result), nodeUs };
  } finally {
    await echo.stop();
  }
}

async function measure(system: System, name: string, load: Load, options: IngestOptions): Promise<IngestRow> {
  if (options.warmUpMs > 0) {
    await system.load({ ...load, ms: options.warmUpMs });
    await system.catchUp(options.catchUpMsMax);
  }
  const before = await system.look();
  const result = await system.load(load);
  const atEnd = await system.look();
  const catchUpMs = await system.catchUp(options.catchUpMsMax);
  const { mainLagP99Ms, mainLagMaxMs, shardLagP99Ms, shardLagMaxMs, followerLagEvents } = atEnd;
  return {
    ...rowOf(name, load, result),
    // The follower's work belongs to the items, also what of it comes after the last answer.
    ...usePerItem(before, await system.look(), result.items),
    mainLagP99Ms,
    mainLagMaxMs,
    shardLagP99Ms,
    shardLagMaxMs,
    followerLagEvents,
    catchUpMs,
  };
}

function rowOf(measure: string, { connections }: Load, result: LoadResult): Omit<IngestRow, 'nodeUs'> {
  const { items, seconds, failures, cpuSeconds, p50Ms, p99Ms, p999Ms, maxMs } = result;
  return {
    measure,
    connections,
    itemsPerSecond: items / seconds,
    p50Ms,
    p99Ms,
    p999Ms,
    maxMs,
    failures: Object.values(failures).reduce((sum, count) => sum + count, 0),
    clientUs: (cpuSeconds * 1e6) / items,
  };
}

function usePerItem(before: Look, after: Look, items: number): Pick<IngestRow, 'nodeUs' | 'walBytes' | 'postgresUs'> {
  const row: ReturnType<typeof usePerItem> = {
    nodeUs: ((after.nodeCpuSeconds - before.nodeCpuSeconds) * 1e6) / items,
    walBytes: (after.walBytes - before.walBytes) / items,
  };
  if (after.postgresCpuSeconds !== undefined && before.postgresCpuSeconds !== undefined) {
    row.postgresUs = ((after.postgresCpuSeconds - before.postgresCpuSeconds) * 1e6) / items;
  }
  return row;
}

function find(round: readonly IngestRow[], measure: string): IngestRow {
  return round.find((row) => row.measure === measure)!;
}

function medianRow(rows: readonly IngestRow[]): IngestRow {
  const [first] = rows as [IngestRow];
  const entries = Object.entries(first).map(([name, value]) => [
    name,
    typeof value === 'number' ? median(rows.map((row) => row[name as keyof IngestRow] as number)) : value,
  ]);
  return Object.fromEntries(entries) as IngestRow;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Three significant digits are more than a repetition shows again. */
function rounded<T extends object>(row: T): T {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === 'number' ? (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))) : value,
  ]);
  return Object.fromEntries(entries) as T;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      smoke: { type: 'boolean' },
      help: { type: 'boolean' },
      rounds: { type: 'string' },
      json: { type: 'string' },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const options = { ...(values.smoke ? smokeOptions : fullOptions) };
  if (values.rounds !== undefined) options.rounds = Number(values.rounds);
  const result = await run(options);
  const rows = result.rows.map(rounded);
  console.table(Object.fromEntries(rows.map(({ measure, ...row }) => [measure, row])));
  console.table(rounded(result.ratios));
  if (values.json === undefined) return;
  const about = { ...aboutRun('ingest'), options };
  writeFileSync(values.json, `${JSON.stringify({ ...about, rows, ratios: rounded(result.ratios) }, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await main();
