import { PriorityHeap } from '../engine/heap.js';
import { fullOptions, type IngestOptions, type IngestResult, run as runIngest } from './ingest.js';
import { type QueueRow, run as runQueue } from './queue.js';

const help = `npm run bench:guard [-- --slow-heap]

Runs the queue bench with 10,000, 100,000 and 1,000,000 items and a short ingest bench with pg-boss behind the same front
beside it, compares what it sees with limits and ends with 1 when one is crossed. The limits leave room for a busy machine
of two cores and are ratios of things measured in the same minute where that is possible: they catch what makes the engine
several times slower, not tenths.

  --slow-heap   the queue bench alone, with a heap that wastes three microseconds for each node that it puts in order and ten for
                each item that it moves: to see that the guard fails`;

/** One thing that is watched; the text says which way the limit goes. */
export interface Check {
  what: string;
  limit: string;
  seen: number;
  ok: boolean;
}

const options: IngestOptions = {
  ...fullOptions,
  rounds: 3,
  // V8 has compiled what is hot after some 10,000 requests, which takes a busy machine this long.
  warmUpMs: 4000,
  ms: 2000,
  sustained: undefined,
  peers: ['pgboss'],
  posts: ['single', 'bulk'],
  postsToPeers: ['single'],
  catchUpMsMax: 60_000,
};

/** The best of this many runs of the queue bench counts: a neighbour's build and its garbage only ever add. */
const queueRuns = 3;

export function checkQueue(runs: readonly QueueRow[][]): Check[] {
  const seen = (items: number, measure: string) => {
    const values = runs.map(
      (rows) => rows.find((row) => row.items === items && row.measure.startsWith(measure))!.value,
    );
    return Math.min(...values);
  };
  const million = 1_000_000;
  const work = 're-order sliced, work';
  return [
    atMost('re-order of 100,000, ms', 60, seen(100_000, work)),
    atMost('re-order of 1,000,000, ms', 400, seen(million, work)),
    atMost('re-order, 1,000,000 to 100,000', 30, seen(million, work) / seen(100_000, work)),
    atMost('re-order of 1,000,000, longest slice, ms', 20, seen(million, 're-order sliced, longest slice, median')),
    atMost('re-key one of 1,000,000 by id, p50, us', 10, seen(million, 're-key one by id, p50')),
    atMost(
      're-key one, p50, 1,000,000 to 10,000',
      10,
      seen(million, 're-key one by id, p50') / seen(10_000, 're-key one by id, p50'),
    ),
  ];
}

export function checkIngest({ rows, ratios, toPeers }: IngestResult): Check[] {
  const row = (measure: string) => rows.find((one) => one.measure === measure)!;
  const served = rows.filter(({ measure }) => measure !== 'echo' && !measure.includes(':'));
  const worst = (of: 'mainLagP99Ms' | 'shardLagP99Ms') => Math.max(...served.map((one) => one[of]!));
  return [
    atLeast('single POST/s to bare echo/s', 0.06, ratios.singleToEcho),
    ...Object.entries(toPeers ?? {}).map(([name, ratio]) => atLeast(`${name}, requests/s`, 1, ratio)),
    atMost('single POST, CPU of node to that of the echo', 10, ratios.singleCpuToEcho),
    atLeast('bulk items/s to single POST/s', 1.3, ratios.bulkToSingle),
    atLeast(
      'pairs of next and complete/s to single POST/s',
      0.2,
      row('next + complete').itemsPerSecond / row('single').itemsPerSecond,
    ),
    atMost('single POST, CPU of node, us', 350, row('single').nodeUs),
    atMost('bulk, CPU of node an item, us', 200, row('bulk').nodeUs),
    atMost('event-loop lag p99 of main, ms', 100, worst('mainLagP99Ms')),
    atMost('event-loop lag p99 of the shard, ms', 150, worst('shardLagP99Ms')),
    atMost(
      'answers that are no success',
      0,
      served.reduce((sum, { failures }) => sum + failures, 0),
    ),
  ];
}

function atMost(what: string, limit: number, seen: number): Check {
  return { what, limit: `<= ${limit}`, seen: Number(seen.toPrecision(3)), ok: seen <= limit };
}

function atLeast(what: string, limit: number, seen: number): Check {
  return { what, limit: `>= ${limit}`, seen: Number(seen.toPrecision(3)), ok: seen >= limit };
}

/** Makes every heap of this process slow: each node put in order costs three microseconds more, each moved item ten. */
function slowHeap(): void {
  const { tighten, updateAt } = PriorityHeap.prototype;
  PriorityHeap.prototype.tighten = function (nodesMax) {
    const nodes = tighten.call(this, nodesMax);
    waste(nodes * 0.003);
    return nodes;
  };
  PriorityHeap.prototype.updateAt = function (position) {
    waste(0.01);
    updateAt.call(this, position);
  };
}

function waste(ms: number): void {
  const endAt = performance.now() + ms;
  while (performance.now() < endAt);
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(help);
    return;
  }
  const isSlow = process.argv.includes('--slow-heap');
  if (isSlow) slowHeap();
  const sizes = [10_000, 100_000, 1_000_000];
  const queue = Array.from({ length: queueRuns }, () => runQueue({ sizes, probes: 20_000 }));
  const checks = [...checkQueue(queue), ...(isSlow ? [] : checkIngest(await runIngest(options)))];
  console.table(Object.fromEntries(checks.map(({ what, ...rest }) => [what, rest])));
  const crossed = checks.filter(({ ok }) => !ok);
  if (crossed.length === 0) return;
  console.error(`crossed: ${crossed.map(({ what }) => what).join('; ')}`);
  process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) await main();
