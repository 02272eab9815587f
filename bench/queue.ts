import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import { ItemTable } from '../engine/item-table.js';
import { Prioritization } from '../engine/prioritization.js';
import { UniversalQueue } from '../engine/queue.js';
import { rebuildOpsDefault } from '../engine/queue-rebuild.js';
import type { SchemaDocument } from '../engine/schema.js';
import { aboutRun } from './about.js';
import { heaps, type Ordered } from './peers/ordered.js';
import { openBullmqOrder, openSortedSet } from './peers/redis-ordered.js';

/**
 * The queue alone, in process: what a new schema version, one changed item, the passing of time, a push and a take cost
 * at several sizes. Three schemas (steps by creation, a line by due date, a line with weights by creation), created
 * times over 30 days, four fifths with a due date, one lane. Seeded: two runs do the same work.
 */
export interface QueueRow {
  items: number;
  measure: string;
  value: number;
  unit: 'ms' | 'us' | 'bytes/item';
}

const start = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export function run(options: { sizes: number[]; probes: number }): QueueRow[] {
  return options.sizes.flatMap((items) => measure(items, Math.min(options.probes, items)));
}

function schemas(factor: number): SchemaDocument[] {
  const at = (offset: string, points: number) => ({ offset, priority: points * factor });
  return [
    {
      id: 'steps',
      origin: 'created',
      mode: 'step',
      points: [at('PT0S', 100), at('PT4H', 300), at('P1D', 500), at('P7D', 800)],
    },
    { id: 'due', origin: 'due', mode: 'linear', points: [at('-P3D', 0), at('PT0S', 700), at('P1D', 1000)] },
    {
      id: 'value',
      origin: 'created',
      mode: 'linear',
      points: [at('PT0S', 0), at('P30D', 900), at('P60D', 1000)],
      businessValueWeight: 0.1,
      segmentWeights: { gold: 50, silver: 20 },
    },
  ];
}

function measure(items: number, probes: number): QueueRow[] {
  clock = start;
  const rows: QueueRow[] = [];
  const add = (name: string, value: number, unit: QueueRow['unit']) =>
    rows.push({ items, measure: name, value: Math.round(value * 1000) / 1000, unit });
  const random = seeded(1);
  const bytesBefore = arrayBytes();
  const table = new ItemTable();
  const queue = new UniversalQueue(table, new Prioritization(schemas(1)), (category) => category);

  const fillMs = timed(() => fill(table, items, random));
  add('add item (id, columns)', (fillMs * 1000) / items, 'us');
  const pushMs = timed(() => {
    for (let slot = 0; slot < items; slot++) queue.push(slot, 0, start);
  });
  add('push, mean of all', (pushMs * 1000) / items, 'us');
  add('memory, table and queue', (arrayBytes() - bytesBefore) / items, 'bytes/item');

  // Sliced first: its first round meets code that has never run, as in production.
  const sliced = slicedRebuilds(queue);
  const median = sliced.toSorted((a, b) => a.workMs - b.workMs)[rounds >> 1];
  add('re-order sliced, work, median round', median.workMs, 'ms');
  add('re-order sliced, longest slice, median round', median.longestMs, 'ms');
  add('re-order sliced, longest slice, first round', sliced[0].longestMs, 'ms');
  add('re-order whole, median round', wholeRebuilds(queue), 'ms');
  addPercentiles('re-key one by id', rekeys(table, queue, probes, random));
  addPercentiles('push one', pushes(table, queue, probes, random));
  addPercentiles('take best', takes(table, queue, probes));
  for (const [name, ms] of [
    ['second', 1000],
    ['hour', hourMs],
    ['day', dayMs],
  ] as const) {
    clock += ms;
    add(
      `pass a ${name}`,
      timed(() => queue.advance(clock, items)),
      'ms',
    );
  }
  return rows;

  function addPercentiles(name: string, us: Float64Array): void {
    us.sort();
    add(`${name}, p50`, us[us.length >> 1], 'us');
    add(`${name}, p99`, us[Math.floor(us.length * 0.99)], 'us');
  }
}

let clock = start;

function fill(table: ItemTable, items: number, random: () => number): void {
  for (let at = 0; at < items; at++) {
    const slot = table.addWords(at, (random() * 2 ** 32) >>> 0, (random() * 2 ** 32) >>> 0, (random() * 2 ** 32) >>> 0);
    schedule(table, slot, at, random);
  }
}

function schedule(table: ItemTable, slot: number, seq: number, random: () => number): void {
  const created = Math.floor(start - random() * 30 * dayMs);
  const due = random() < 0.8 ? Math.floor(created + random() * 40 * dayMs) : undefined;
  table.setTimes(slot, { created, due });
  table.seq[slot] = seq;
  table.businessValue[slot] = Math.floor(random() * 1000);
  table.category[slot] = 1 + Math.floor(random() * 3);
  const segment = random();
  table.setSegment(slot, segment < 0.1 ? 'gold' : segment < 0.4 ? 'silver' : undefined);
}

const rounds = 7;

function wholeRebuilds(queue: UniversalQueue): number {
  const ms = Array.from({ length: rounds }, (_, round) =>
    timed(() => {
      const rebuild = queue.rebuild(new Prioritization(schemas(2 + round)), (category) => category);
      while (!rebuild.step(2 ** 30, clock));
    }),
  );
  return ms.sort((a, b) => a - b)[rounds >> 1];
}

function slicedRebuilds(queue: UniversalQueue): { workMs: number; longestMs: number }[] {
  return Array.from({ length: rounds }, (_, round) => {
    const rebuild = queue.rebuild(new Prioritization(schemas(9 + round)), (category) => category);
    let workMs = 0;
    let longestMs = 0;
    while (!rebuild.done) {
      const ms = timed(() => rebuild.step(rebuildOpsDefault, clock));
      workMs += ms;
      longestMs = Math.max(longestMs, ms);
    }
    return { workMs, longestMs };
  });
}

function rekeys(table: ItemTable, queue: UniversalQueue, probes: number, random: () => number): Float64Array {
  const ids = pickIds(table, probes, random);
  return sampled(probes, (at) => {
    const slot = table.find(ids[at]);
    table.businessValue[slot] = (at * 37) % 1000;
    queue.rekey(slot, clock);
  });
}

function pushes(table: ItemTable, queue: UniversalQueue, probes: number, random: () => number): Float64Array {
  const slots = pickIds(table, probes, random).map((id) => table.find(id));
  for (const slot of new Set(slots)) queue.remove(slot);
  const unique = [...new Set(slots)];
  return sampled(unique.length, (at) => queue.push(unique[at], 0, clock));
}

/** Takes the best item out, and puts it back outside the measured time so that the size stays. */
function takes(table: ItemTable, queue: UniversalQueue, probes: number): Float64Array {
  const taken: number[] = [];
  const us = sampled(Math.min(probes, table.size >> 1), () => {
    const slot = queue.best(clock);
    queue.remove(slot);
    taken.push(slot);
  });
  for (const slot of taken) queue.push(slot, 0, clock);
  return us;
}

function pickIds(table: ItemTable, count: number, random: () => number): string[] {
  return Array.from({ length: count }, () => table.idOf(Math.floor(random() * table.size)));
}

/** Microseconds of each call; reading the clock is in them (about 0.05). */
function sampled(count: number, once: (at: number) => void): Float64Array {
  const us = new Float64Array(count);
  for (let at = 0; at < count; at++) us[at] = timed(() => once(at)) * 1000;
  return us;
}

function timed(work: () => void): number {
  const from = performance.now();
  work();
  return performance.now() - from;
}

function arrayBytes(): number {
  // Array buffers are swept in the background: the second collection waits for the first one's sweep.
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().arrayBuffers;
}

/** mulberry32: small, seeded, good enough to shuffle keys. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What one operation takes on one structure, timed by tinybench. */
export interface BesideRow {
  items: number;
  structure: string;
  operation: 're-order all' | 're-key one by id' | 'take best, put back';
  p50Ms: number;
  p99Ms: number;
  samples: number;
}

export interface BesideOptions {
  sizes: number[];
  probes: number;
  /** Sizes up to which the slow ones are driven: they take minutes beyond. */
  redisItemsMax: number;
  bullmqItemsMax: number;
}

/** Ours beside the heaps of npm, a Redis sorted set and BullMQ's changePriority, each alone in memory while it is timed. */
export async function runBeside(options: BesideOptions): Promise<BesideRow[]> {
  const rows: BesideRow[] = [];
  for (const items of options.sizes) {
    const open: ((count: number) => Ordered | Promise<Ordered>)[] = [ownQueue, ...heaps];
    if (items <= options.redisItemsMax) open.push(openSortedSet);
    if (items <= options.bullmqItemsMax) open.push(openBullmqOrder);
    for (const make of open) rows.push(...(await timeAll(await make(items), items, options.probes)));
  }
  return rows;
}

async function timeAll(ordered: Ordered, items: number, probes: number): Promise<BesideRow[]> {
  const { name: structure, reorder, rekey, takeAndPush } = ordered;
  const rows: BesideRow[] = [];
  const time = async (operation: BesideRow['operation'], count: number, call: (at: number) => unknown) => {
    let at = 1;
    const bench = new Bench({
      iterations: count,
      time: 0,
      warmup: count > rounds,
      warmupIterations: 100,
      warmupTime: 0,
    });
    bench.add(operation, ordered.close !== undefined ? async () => void (await call(at++)) : () => void call(at++));
    const [task] = await bench.run();
    const result = task!.result;
    if (!('latency' in result)) throw new Error(`${structure}, ${operation}: ${result.state}`);
    const { p50, p99, samplesCount } = result.latency;
    rows.push({ items, structure, operation, p50Ms: p50, p99Ms: p99, samples: samplesCount });
  };
  try {
    // Who looks at every item gets few probes.
    const few = structure.startsWith('@datastructures') ? 10 : probes;
    if (rekey !== undefined) await time('re-key one by id', few, rekey);
    if (takeAndPush !== undefined) await time('take best, put back', probes, takeAndPush);
    await time('re-order all', rounds, reorder);
  } finally {
    await ordered.close?.();
  }
  return rows;
}

/** Our table and queue with the schemas above; a re-order computes every item's curve. */
function ownQueue(items: number): Ordered {
  const random = seeded(1);
  const table = new ItemTable();
  const queue = new UniversalQueue(table, new Prioritization(schemas(1)), (category) => category);
  fill(table, items, random);
  for (let slot = 0; slot < items; slot++) queue.push(slot, 0, start);
  const ids = pickIds(table, Math.min(items, 10_000), random);
  return {
    name: 'Universal Queue',
    reorder(round) {
      const rebuild = queue.rebuild(new Prioritization(schemas(1 + round)), (category) => category);
      while (!rebuild.step(2 ** 30, start));
    },
    rekey(at) {
      const slot = table.find(ids[at % ids.length]!);
      table.businessValue[slot] = (at * 37) % 1000;
      queue.rekey(slot, start);
    },
    takeAndPush(at) {
      const slot = queue.best(start);
      queue.remove(slot);
      table.businessValue[slot] = -at;
      queue.push(slot, 0, start);
    },
  };
}

const help = `node --expose-gc dist/bench/queue.js [--smoke] [--beside] [--json FILE] [--help]

The queue alone, in process, at 1,000 to 1,000,000 items.

  --smoke      the same in miniature
  --beside     also the heaps of npm, a Redis sorted set (up to 1,000,000) and BullMQ's changePriority (up to 100,000: it
               takes a minute and more to fill a million), each operation timed by tinybench
  --json FILE  also writes the result there`;

const smoke: BesideOptions = { sizes: [1000], probes: 100, redisItemsMax: 1000, bullmqItemsMax: 1000 };
const full: BesideOptions = {
  sizes: [1000, 10_000, 100_000, 1_000_000],
  probes: 5000,
  redisItemsMax: 1_000_000,
  bullmqItemsMax: 100_000,
};

async function main(): Promise<void> {
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({ options: { smoke: flag, beside: flag, help: flag, json: { type: 'string' } } });
  if (values.help) {
    console.log(help);
    return;
  }
  const rows = values.smoke ? run({ sizes: [1000, 5000], probes: 500 }) : run({ sizes: full.sizes, probes: 100_000 });
  console.table(rows);
  const beside = values.beside ? await runBeside(values.smoke ? smoke : full) : [];
  console.table(beside);
  if (values.json === undefined) return;
  writeFileSync(values.json, `${JSON.stringify({ ...aboutRun('queue'), rows, beside }, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await main();
