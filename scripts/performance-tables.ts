import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './imports-check.js';

/**
 * Writes the tables of `docs/performance.md` from the stored results of the benches, each between two markers that name
 * it; its test fails when the document says anything else than the results.
 */

export const documentPath = join(root, 'docs', 'performance.md');

/** A row of `bench/ingest.ts` and `bench/dispatch.ts`, as stored. */
interface LoadRow {
  measure: string;
  itemsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  nodeUs: number;
  storeUs?: number;
  clientUs: number;
  mainLagP99Ms?: number;
  shardLagP99Ms?: number;
  walBytes?: number;
  catchUpMs?: number;
}

interface Result {
  commit: string;
  date: string;
  loadAverage5Min: number;
}

interface LoadResult extends Result {
  options: { rounds: number; ms: number };
  rows: LoadRow[];
  ratios: Record<string, number>;
  toPeers: Record<string, number>;
}

interface QueueResult extends Result {
  rows: { items: number; measure: string; value: number; unit: string }[];
  beside: { items: number; structure: string; operation: string; p50Ms: number; p99Ms: number }[];
}

interface RecoveryResult extends Result {
  rows: {
    items: number;
    from: string;
    ms: number;
    msMax: number;
    residentMegabytes: number;
    heapBytesAnItem: number;
    arrayBytesAnItem: number;
  }[];
}

interface GrowthRow {
  tenants: number;
  openItems: number;
  load: string;
  itemsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  nodeUs: number;
  postgresUs: number;
  lagP99Ms: number;
}

interface ScaleResult extends Result {
  tenants: GrowthRow[];
  growth: GrowthRow[];
}

export interface Results {
  queue: QueueResult;
  ingest: LoadResult;
  dispatch: LoadResult;
  recovery: RecoveryResult;
  scale: ScaleResult;
}

const million = 1_000_000;
const sizes = [1000, 10_000, 100_000, million];

function readResults(): Results {
  const read = (name: string) => JSON.parse(readFileSync(join(root, 'bench', 'results', `${name}.json`), 'utf8'));
  const names = ['queue', 'ingest', 'dispatch', 'recovery', 'scale'];
  return Object.fromEntries(names.map((name) => [name, read(name)])) as unknown as Results;
}

/** Three significant digits; thousands with commas. */
export function figure(value: number | undefined): string {
  return value === undefined ? '' : Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 9 });
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function runs({ queue, ingest, dispatch, recovery, scale }: Results): string {
  const of = (name: string, { commit, date, loadAverage5Min }: Result) => [
    `\`bench/results/${name}.json\``,
    date.slice(0, 10),
    `\`${commit.slice(0, 7)}\``,
    String(loadAverage5Min),
  ];
  return table(
    ['result', 'date', 'commit', 'load average at its end, its own load included'],
    [of('queue', queue), of('ingest', ingest), of('dispatch', dispatch), of('recovery', recovery), of('scale', scale)],
  );
}

type Target = [what: string, wanted: number, seen: number, better: 'more' | 'less', unit: string];

/** Every target of the project, with what the stored results say. */
export function targetsOf({ queue, ingest, dispatch, recovery }: Results): Target[] {
  const load = (name: string) => ingest.rows.find(({ measure }) => measure === name)!;
  const own = ingest.rows.filter(({ measure }) => !measure.includes(':') && measure !== 'echo');
  const worst = (of: 'mainLagP99Ms' | 'shardLagP99Ms') => Math.max(...own.map((row) => row[of] ?? 0));
  const best = (ratios: Record<string, number>, kind: string) =>
    Math.min(...Object.entries(ratios).flatMap(([name, ratio]) => (name.startsWith(kind) ? [ratio] : [])));
  const ours = (measure: string) =>
    queue.rows.find((row) => row.items === million && row.measure.startsWith(measure))!.value;
  const beside = (structure: string, items: number, operation: string) =>
    queue.beside.find((row) => row.structure === structure && row.items === items && row.operation === operation)!
      .p50Ms;
  const order = 're-order all';
  const rekeying = ['@datastructures-js/priority-queue', 'sorted-btree'];
  const bestHeap = Math.min(...rekeying.map((name) => beside(name, million, order)));
  const back = (from: string) => recovery.rows.find((row) => row.items === million && row.from === from)!;
  const sustained = own.find(({ measure }) => measure.startsWith('bulk, '))!;
  return [
    ['single POST, 64 connections', 12_000, load('single').itemsPerSecond, 'more', '/s'],
    ['single POST, p99 at 70 % of the peak', 25, load('single at 70 %').p99Ms, 'less', ' ms'],
    ['single POST to the bare echo', 0.45, ingest.ratios.singleToEcho!, 'more', ''],
    ['single POST to BullMQ with AOF always', 2, ingest.toPeers['single to bullmq-always']!, 'more', ''],
    ['single POST to pg-boss', 6, ingest.toPeers['single to pgboss']!, 'more', ''],
    ['single POST to graphile-worker', 6, ingest.toPeers['single to graphile']!, 'more', ''],
    ['bulk of 100, acknowledged, 16 connections', 60_000, load('bulk').itemsPerSecond, 'more', '/s'],
    ['bulk to the best peer', 4, best(ingest.toPeers, 'bulk'), 'more', ''],
    ['bulk for 60 s', 15_000, sustained.itemsPerSecond, 'more', '/s'],
    ['tables caught up after it', 10, sustained.catchUpMs! / 1000, 'less', ' s'],
    ['next + complete, 64 connections', 9000, dispatch.rows[0]!.itemsPerSecond, 'more', '/s'],
    ['next + complete to the best peer', 4, best(dispatch.toPeers, 'to '), 'more', ''],
    ['re-order of 1,000,000, work', 40, ours('re-order sliced, work'), 'less', ' ms'],
    ['re-order of 1,000,000, longest turn', 5, ours('re-order sliced, longest slice, median'), 'less', ' ms'],
    [
      're-order to BullMQ’s changePriority (100,000)',
      50,
      beside('BullMQ changePriority', 100_000, order) / beside('Universal Queue', 100_000, order),
      'more',
      '',
    ],
    [
      're-order to the best npm heap that can re-key one (1,000,000)',
      2,
      bestHeap / beside('Universal Queue', million, order),
      'more',
      '',
    ],
    ['one of 1,000,000 by id, p99', 3, ours('re-key one by id, p99'), 'less', ' us'],
    ['recovery of 1,000,000 from a snapshot file', 1.5, back('snapshot, file').ms / 1000, 'less', ' s'],
    ['recovery of 1,000,000 from a snapshot in Redis', 1.5, back('snapshot, Redis').ms / 1000, 'less', ' s'],
    ['recovery of 1,000,000 from the tables', 5, back('tables').ms / 1000, 'less', ' s'],
    ['memory an item, table and queue, 1,000,000', 200, ours('memory'), 'less', ' bytes'],
    ['resident after recovery of 1,000,000', 1500, back('snapshot, Redis').residentMegabytes, 'less', ' MB'],
    ['event-loop lag p99 of the main thread, worst load', 20, worst('mainLagP99Ms'), 'less', ' ms'],
    ['event-loop lag p99 of the shard, worst load', 20, worst('shardLagP99Ms'), 'less', ' ms'],
  ];
}

function targets(results: Results): string {
  const rows = targetsOf(results).map(([what, wanted, seen, better, unit]) => {
    const met = better === 'more' ? seen >= wanted : seen <= wanted;
    const share = better === 'more' ? seen / wanted : wanted / seen;
    return [what, figure(wanted) + unit, figure(seen) + unit, met ? 'yes' : `no: ${figure(share)} of it`];
  });
  return table(['', 'target (idle machine)', 'seen', 'met'], rows);
}

const peers = {
  'bullmq-always': 'BullMQ, AOF always',
  'bullmq-everysec': 'BullMQ, AOF everysec',
  pgboss: 'pg-boss 10.4',
  graphile: 'graphile-worker 0.17',
};

function ratios({ ingest, dispatch }: Results): string {
  const row = (name: string, of: (peer: string) => number | undefined) => [
    name,
    ...Object.keys(peers).map((peer) => figure(of(peer))),
  ];
  return table(
    ['our rate to that of', ...Object.values(peers)],
    [
      row('single POST', (peer) => ingest.toPeers[`single to ${peer}`]),
      row('bulk of 100', (peer) => ingest.toPeers[`bulk to ${peer}`]),
      row('next + complete', (peer) => dispatch.toPeers[`to ${peer}`]),
    ],
  );
}

function loads(rows: readonly LoadRow[]): string {
  return table(
    ['load', 'items/s', 'p50 / p99 / p99.9 ms', 'node', 'store', 'client', 'lag p99 ms, main / shard', 'log bytes'],
    rows.map((row) => [
      row.measure,
      whole(row.itemsPerSecond),
      [row.p50Ms, row.p99Ms, row.p999Ms].map(figure).join(' / '),
      figure(row.nodeUs),
      figure(row.storeUs),
      figure(row.clientUs),
      [row.mainLagP99Ms, row.shardLagP99Ms]
        .filter((lag) => lag !== undefined)
        .map(figure)
        .join(' / '),
      row.walBytes === undefined ? '' : whole(row.walBytes),
    ]),
  );
}

function beside(
  { beside: rows }: QueueResult,
  operation: string,
  cell: (row: QueueResult['beside'][number]) => string,
) {
  const structures = [...new Set(rows.filter((row) => row.operation === operation).map(({ structure }) => structure))];
  const at = (structure: string, items: number) => {
    const found = rows.find((row) => row.structure === structure && row.items === items && row.operation === operation);
    return found === undefined ? '' : cell(found);
  };
  return table(
    ['', ...sizes.map(whole)],
    structures.map((structure) => [structure, ...sizes.map((items) => at(structure, items))]),
  );
}

const us = ({ p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }) => `${figure(p50Ms * 1000)} / ${figure(p99Ms * 1000)}`;

function queueMore({ rows }: QueueResult): string {
  const measures = rows.filter(({ items }) => items === million);
  const at = (measure: string, items: number) =>
    figure(rows.find((row) => row.measure === measure && row.items === items)?.value);
  return table(
    ['', ...sizes.map(whole)],
    measures.map(({ measure, unit }) => [`${measure}, ${unit}`, ...sizes.map((items) => at(measure, items))]),
  );
}

function recovery({ rows }: RecoveryResult): string {
  return table(
    ['open items', 'from', 'ms', 'slowest', 'resident MB', 'bytes an item, JS heap', 'bytes an item, arrays'],
    rows.map((row) => [
      whole(row.items),
      row.from,
      whole(row.ms),
      whole(row.msMax),
      whole(row.residentMegabytes),
      figure(row.heapBytesAnItem),
      figure(row.arrayBytesAnItem),
    ]),
  );
}

function growth(rows: readonly GrowthRow[]): string {
  return table(
    ['tenants', 'open items', 'load', 'a second', 'p50 / p99 ms', 'node', 'Postgres', 'lag p99 ms'],
    rows.map((row) => [
      whole(row.tenants),
      whole(row.openItems),
      row.load,
      whole(row.itemsPerSecond),
      `${figure(row.p50Ms)} / ${figure(row.p99Ms)}`,
      figure(row.nodeUs),
      figure(row.postgresUs),
      figure(row.lagP99Ms),
    ]),
  );
}

const tables: Record<string, (results: Results) => string> = {
  runs,
  targets,
  ratios,
  posts: ({ ingest }) => loads(ingest.rows),
  pairs: ({ dispatch }) => loads(dispatch.rows),
  're-order': ({ queue }) => beside(queue, 're-order all', ({ p50Ms }) => figure(p50Ms)),
  're-key': ({ queue }) => beside(queue, 're-key one by id', us),
  take: ({ queue }) => beside(queue, 'take best, put back', us),
  queue: ({ queue }) => queueMore(queue),
  recovery: (results) => recovery(results.recovery),
  growth: ({ scale }) => growth(scale.growth),
  tenants: ({ scale }) => growth(scale.tenants),
};

/** @returns the document with each table between its markers replaced; throws where a table has no place. */
export function withTables(document: string, results: Results = readResults()): string {
  for (const [name, write] of Object.entries(tables)) {
    const [begin, end] = [`<!-- measured: ${name} -->`, `<!-- /measured: ${name} -->`];
    const [from, to] = [document.indexOf(begin), document.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the document needs the lines\n${begin}\n${end}`);
    document = `${document.slice(0, from)}${begin}\n\n${write(results)}\n\n${document.slice(to)}`;
  }
  return document;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(documentPath, withTables(readFileSync(documentPath, 'utf8')));
}
