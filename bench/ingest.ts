import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { aboutRun } from './about.js';
import {
  find,
  type LoadRow,
  measure,
  measureEcho,
  median,
  medianRatio,
  medianRows,
  posts,
  rounded,
} from './measure.js';
import { type PeerName, PeerSystem, parsePeers } from './peers/system.js';
import { type Load, System, type Target } from './system.js';

const help = `node dist/bench/ingest.js [--smoke] [--rounds N] [--ms N] [--peers LIST] [--json FILE] [--help]

Load over loopback HTTP on the real server with a real Postgres, the generator in a process of its own: single POSTs of
1 KB items at 64 connections (and at 70 % of that rate, evenly spaced), bulk of 100 at 16, pairs of next and complete at
64; a bare Fastify echo of the same body with the same checks beside, in every round. Each round has a fresh database;
the table shows medians of the rounds. Then 60 s of bulk at 15,000 items a second.
Without DATABASE_URL the embedded Postgres runs in a temporary folder; with it, a database of its own is made and dropped.

  --smoke       the same in miniature, to see that it runs: no figure means anything
  --rounds N    5 unless told
  --ms N        milliseconds of each phase, 4000 unless told
  --peers LIST  the posts also on other queues behind a Fastify front with the same checks, in every round: bullmq
                (Redis with AOF, fsync always and everysec), pgboss, graphile
  --json FILE   also writes the result there`;

export type IngestRow = LoadRow;

/** A kind of posts: at the peak, evenly spaced at 70 % of it, many items in a body. */
type Posts = 'single' | 'single at 70 %' | 'bulk';

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
  peers?: readonly PeerName[];
  posts: readonly Posts[];
  postsToPeers: readonly Posts[];
}

const allPosts: readonly Posts[] = ['single', 'single at 70 %', 'bulk'];

export const fullOptions: IngestOptions = {
  rounds: 5,
  warmUpMs: 2000,
  ms: 4000,
  connections: { single: 64, bulk: 16, takes: 64 },
  itemsPerBulk: 100,
  sustained: { ms: 60_000, itemsPerSecond: 15_000 },
  catchUpMsMax: 120_000,
  posts: allPosts,
  postsToPeers: allPosts,
};

export const smokeOptions: IngestOptions = {
  rounds: 1,
  warmUpMs: 0,
  ms: 250,
  connections: { single: 8, bulk: 2, takes: 4 },
  itemsPerBulk: 20,
  sustained: { ms: 250, itemsPerSecond: 400 },
  catchUpMsMax: 20_000,
  posts: allPosts,
  postsToPeers: allPosts,
};

export interface IngestResult {
  rows: IngestRow[];
  /** Of the medians of the rounds' own ratios, so that what slows a whole round cancels out. */
  ratios: { singleToEcho: number; bulkToSingle: number; singleCpuToEcho: number };
  /** Our rate to each peer's, by `single to pgboss`. */
  toPeers?: Record<string, number>;
}

/** All measures, medians of `rounds`; throws when the server, the generator or the follower gives up. */
export async function run(options: IngestOptions): Promise<Required<IngestResult>> {
  const peers = options.peers ?? [];
  const rounds: IngestRow[][] = [];
  for (let round = 0; round < options.rounds; round++) rounds.push(await runRound(options, peers));
  const rows = medianRows(rounds);
  const ratios = {
    singleToEcho: medianRatio(rounds, 'single', 'echo'),
    bulkToSingle: medianRatio(rounds, 'bulk', 'single'),
    singleCpuToEcho: median(rounds.map((round) => find(round, 'single').nodeUs / find(round, 'echo').nodeUs)),
  };
  const compared = peers.flatMap((peer) =>
    options.postsToPeers.filter((what) => what !== 'single at 70 %').map((what) => [what, peer] as const),
  );
  const toPeers = Object.fromEntries(
    compared.map(([what, peer]) => [`${what} to ${peer}`, medianRatio(rounds, what, `${peer}: ${what}`)]),
  );
  if (options.sustained !== undefined) {
    rows.push(await withTarget(System.start(), (system) => sustain(system, options)));
  }
  return { rows, ratios, toPeers };
}

async function runRound(options: IngestOptions, peers: readonly PeerName[]): Promise<IngestRow[]> {
  const { connections, ms } = options;
  const takes: Load = { ...posts(1), kind: 'takes', connections: connections.takes, ms };
  const echo = await measureEcho({ ...posts(1), connections: connections.single, ms }, options.warmUpMs);
  const rows = await withTarget(System.start(), async (system) => [
    echo,
    ...(await measurePosts(system, '', options, options.posts)),
    await measure(system, 'next + complete', takes, options),
  ]);
  for (const peer of peers) {
    const measured = (target: Target) => measurePosts(target, `${peer}: `, options, options.postsToPeers);
    rows.push(...(await withTarget(PeerSystem.start(peer), measured)));
  }
  return rows;
}

async function measurePosts(
  target: Target,
  prefix: string,
  options: IngestOptions,
  kinds: readonly Posts[],
): Promise<IngestRow[]> {
  const { connections, itemsPerBulk, ms } = options;
  const single: Load = { ...posts(1), connections: connections.single, ms };
  const bulk: Load = { ...posts(itemsPerBulk), connections: connections.bulk, ms };
  const peak = await measure(target, `${prefix}single`, single, options);
  const paced = { ...single, ratePerSecond: Math.max(1, 0.7 * peak.itemsPerSecond) };
  const rows = [peak];
  if (kinds.includes('single at 70 %')) {
    rows.push(await measure(target, `${prefix}single at 70 %`, paced, { ...options, warmUpMs: 0 }));
  }
  if (kinds.includes('bulk')) rows.push(await measure(target, `${prefix}bulk`, bulk, options));
  return rows;
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

/** Works on a started target and stops it, however the work ends. */
export async function withTarget<T extends Target, R>(
  started: Promise<T>,
  work: (target: T) => Promise<R>,
): Promise<R> {
  const target = await started;
  try {
    return await work(target);
  } finally {
    await target.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      smoke: { type: 'boolean' },
      help: { type: 'boolean' },
      rounds: { type: 'string' },
      ms: { type: 'string' },
      peers: { type: 'string' },
      json: { type: 'string' },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const options = { ...(values.smoke ? smokeOptions : fullOptions), peers: parsePeers(values.peers ?? '') };
  if (values.rounds !== undefined) options.rounds = Number(values.rounds);
  if (values.ms !== undefined) options.ms = Number(values.ms);
  const result = await run(options);
  const rows = result.rows.map(rounded);
  const [ratios, toPeers] = [rounded(result.ratios), rounded(result.toPeers)];
  console.table(Object.fromEntries(rows.map(({ measure: name, ...row }) => [name, row])));
  console.table({ ...ratios, ...toPeers });
  if (values.json === undefined) return;
  const about = { ...aboutRun('ingest'), options };
  writeFileSync(values.json, `${JSON.stringify({ ...about, rows, ratios, toPeers }, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await main();
