import type { LoadResult } from './load.js';
import { generate, type Load, type Look, startEcho, type Target } from './system.js';

/** One kind of load; an item is one POST, one element of a bulk, or one pair of next and complete. Times in ms. */
export interface LoadRow {
  measure: string;
  connections: number;
  itemsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
  failures: number;
  /** CPU an item, of the server, the peer's front or the echo. */
  nodeUs: number;
  /** CPU an item of Postgres or Redis. */
  storeUs?: number;
  clientUs: number;
  /** Event-loop lag; the `max` is the one longest stall. */
  mainLagP99Ms?: number;
  mainLagMaxMs?: number;
  shardLagP99Ms?: number;
  shardLagMaxMs?: number;
  /** What the store wrote to its log: Postgres' WAL, Redis' append-only file. */
  walBytes?: number;
  /** Events that the tables did not have when the load ended, and how long they took to get them. */
  followerLagEvents?: number;
  catchUpMs?: number;
}

/** How a load is prepared and how long is waited after it. */
export interface Preparation {
  warmUpMs: number;
  /** Longest that the follower may take to catch up after a phase. */
  catchUpMsMax: number;
}

/** Where single items or arrays of them are posted. */
export function posts(itemsPerRequest: number): Pick<Load, 'kind' | 'path' | 'itemsPerRequest'> {
  return { kind: 'post', path: `/iwd/v3/workitems${itemsPerRequest === 1 ? '' : '/bulk'}`, itemsPerRequest };
}

/** Warms up, runs the load, waits for the follower; throws when one of them gives up. */
export async function measure(target: Target, name: string, load: Load, options: Preparation): Promise<LoadRow> {
  if (options.warmUpMs > 0) {
    await target.load({ ...load, ms: options.warmUpMs });
    await target.catchUp(options.catchUpMsMax);
  }
  const before = await target.look();
  const result = await target.load(load);
  const atEnd = await target.look();
  const catchUpMs = await target.catchUp(options.catchUpMsMax);
  const { mainLagP99Ms, mainLagMaxMs, shardLagP99Ms, shardLagMaxMs, followerLagEvents } = atEnd;
  return {
    ...rowOf(name, load, result),
    // The follower's work belongs to the items, also what of it comes after the last answer.
    ...usePerItem(before, await target.look(), result.items),
    mainLagP99Ms,
    mainLagMaxMs,
    ...(shardLagP99Ms !== undefined && { shardLagP99Ms, shardLagMaxMs, followerLagEvents, catchUpMs }),
  };
}

/** The same load on a bare echo of the same body with the same checks. */
export async function measureEcho(load: Load, warmUpMs: number): Promise<LoadRow> {
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

function rowOf(name: string, { connections }: Load, result: LoadResult): Omit<LoadRow, 'nodeUs'> {
  const { items, seconds, failures, cpuSeconds, p50Ms, p99Ms, p999Ms, maxMs } = result;
  return {
    measure: name,
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

function usePerItem(before: Look, after: Look, items: number): Pick<LoadRow, 'nodeUs' | 'walBytes' | 'storeUs'> {
  const row: ReturnType<typeof usePerItem> = {
    nodeUs: ((after.nodeCpuSeconds - before.nodeCpuSeconds) * 1e6) / items,
    walBytes: (after.walBytes - before.walBytes) / items,
  };
  if (after.storeCpuSeconds !== undefined && before.storeCpuSeconds !== undefined) {
    row.storeUs = ((after.storeCpuSeconds - before.storeCpuSeconds) * 1e6) / items;
  }
  return row;
}

/** The median of each figure over the rounds, by the rows' names. */
export function medianRows(rounds: readonly LoadRow[][]): LoadRow[] {
  return rounds[0]!.map(({ measure: name }) => medianRow(rounds.map((round) => find(round, name))));
}

/** The median over the rounds of one row's rate to another's, so that what slows a whole round cancels out. */
export function medianRatio(rounds: readonly LoadRow[][], above: string, below: string): number {
  return median(rounds.map((round) => find(round, above).itemsPerSecond / find(round, below).itemsPerSecond));
}

/** The round's row of that name. */
export function find(round: readonly LoadRow[], name: string): LoadRow {
  return round.find((row) => row.measure === name)!;
}

function medianRow(rows: readonly LoadRow[]): LoadRow {
  const [first] = rows as [LoadRow];
  const entries = Object.entries(first).map(([name, value]) => [
    name,
    typeof value === 'number' ? median(rows.map((row) => row[name as keyof LoadRow] as number)) : value,
  ]);
  return Object.fromEntries(entries) as LoadRow;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Three significant digits are more than a repetition shows again. */
export function rounded<T extends object>(row: T): T {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === 'number' ? (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))) : value,
  ]);
  return Object.fromEntries(entries) as T;
}
