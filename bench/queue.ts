import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { ItemTable } from '../engine/item-table.js';
import { Prioritization } from '../engine/prioritization.js';
import { UniversalQueue } from '../engine/queue.js';
import { rebuildOpsDefault } from '../engine/queue-rebuild.js';
import type { SchemaDocument } from '../engine/schema.js';

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
    table.setCaptureHash(slot, (random() * 2 ** 32) >>> 0, at + 1);
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

function main(): void {
  const { values } = parseArgs({ options: { smoke: { type: 'boolean' }, json: { type: 'string' } } });
  const rows = values.smoke
    ? run({ sizes: [1000, 5000], probes: 500 })
    : run({ sizes: [10_000, 100_000, 1_000_000], probes: 100_000 });
  console.table(rows);
  if (values.json === undefined) return;
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  const command = `node --expose-gc dist/bench/queue.js${values.smoke ? ' --smoke' : ''} --json ${values.json}`;
  const about = { command, node: process.version, cpu: `${cpus().length} x ${cpus()[0]?.model}`, commit };
  const loadAverage = loadavg()[0];
  writeFileSync(
    values.json,
    `${JSON.stringify({ ...about, date: new Date().toISOString(), loadAverage, rows }, null, 2)}\n`,
  );
}

if (process.argv[1] === import.meta.filename) main();
