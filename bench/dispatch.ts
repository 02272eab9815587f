import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { aboutRun } from './about.js';
import { withTarget } from './ingest.js';
import { type LoadRow, measure, medianRatio, medianRows, posts, rounded } from './measure.js';
import { type PeerName, PeerSystem, parsePeers } from './peers/system.js';
import { type Load, System, type Target } from './system.js';

const help = `node dist/bench/dispatch.js [--smoke] [--rounds N] [--ms N] [--backlog N] [--peers LIST] [--json FILE] [--help]

Pairs of next and complete over loopback HTTP at 64 connections, on the real server with a real Postgres and on other
queues behind a Fastify front: as fast as they come, then at 70 % of that rate, evenly spaced. Before each of the two,
bulk posts bring the backlog to the same size everywhere. Medians of the rounds.

  --smoke       the same in miniature, to see that it runs: no figure means anything
  --rounds N    5 unless told
  --ms N        milliseconds of each phase, 4000 unless told
  --backlog N   open items before each phase, 40000 unless told
  --peers LIST  bullmq, pgboss, graphile
  --json FILE   also writes the result there`;

export interface DispatchOptions {
  rounds: number;
  warmUpMs: number;
  ms: number;
  connections: number;
  /** Open items before each phase. */
  backlog: number;
  catchUpMsMax: number;
  peers: readonly PeerName[];
}

export const fullDispatch: DispatchOptions = {
  rounds: 5,
  warmUpMs: 1000,
  ms: 4000,
  connections: 64,
  backlog: 40_000,
  catchUpMsMax: 120_000,
  peers: [],
};

export const smokeDispatch: DispatchOptions = {
  rounds: 1,
  warmUpMs: 0,
  ms: 200,
  connections: 4,
  backlog: 1000,
  catchUpMsMax: 20_000,
  peers: [],
};

const itemsPerBulk = 100;
/** Bulk posts in flight while a backlog is made. */
const fillConnections = 4;
const fillMsMax = 120_000;

export interface DispatchResult {
  rows: LoadRow[];
  /** Our rate to each peer's. */
  toPeers: Record<string, number>;
}

/** All measures, medians of `rounds`. Throws when a queue refuses, or cannot be filled. */
export async function run(options: DispatchOptions): Promise<DispatchResult> {
  const rounds: LoadRow[][] = [];
  for (let round = 0; round < options.rounds; round++) {
    const rows = await withTarget(System.start(), (system) => measureTakes(system, '', options));
    for (const peer of options.peers) {
      rows.push(...(await withTarget(PeerSystem.start(peer), (target) => measureTakes(target, `${peer}: `, options))));
    }
    rounds.push(rows);
  }
  const toPeers = Object.fromEntries(
    options.peers.map((peer) => [`to ${peer}`, medianRatio(rounds, 'next + complete', `${peer}: next + complete`)]),
  );
  return { rows: medianRows(rounds), toPeers };
}

async function measureTakes(target: Target, prefix: string, options: DispatchOptions): Promise<LoadRow[]> {
  const takes: Load = { ...posts(1), kind: 'takes', connections: options.connections, ms: options.ms };
  await fill(target, options.backlog, options);
  const peak = await measure(target, `${prefix}next + complete`, takes, options);
  const taken = Math.ceil((peak.itemsPerSecond * (options.ms + options.warmUpMs)) / 1000);
  await fill(target, Math.min(taken, options.backlog), options);
  const paced = { ...takes, ratePerSecond: Math.max(1, 0.7 * peak.itemsPerSecond) };
  return [peak, await measure(target, `${prefix}next + complete at 70 %`, paced, { ...options, warmUpMs: 0 })];
}

/** Adds `count` items, rounded up to a whole bulk post; throws when one is refused or the time is over. */
async function fill(target: Target, count: number, { catchUpMsMax }: DispatchOptions): Promise<void> {
  const requestsMax = Math.ceil(count / itemsPerBulk);
  const load = { ...posts(itemsPerBulk), connections: fillConnections, ms: fillMsMax, requestsMax };
  const { requests, failures } = await target.load(load);
  if (requests < requestsMax) throw new Error(`${requests} of ${requestsMax} bulk posts: ${JSON.stringify(failures)}`);
  await target.catchUp(catchUpMsMax);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      smoke: { type: 'boolean' },
      help: { type: 'boolean' },
      rounds: { type: 'string' },
      ms: { type: 'string' },
      backlog: { type: 'string' },
      peers: { type: 'string' },
      json: { type: 'string' },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const options = { ...(values.smoke ? smokeDispatch : fullDispatch), peers: parsePeers(values.peers ?? '') };
  for (const name of ['rounds', 'ms', 'backlog'] as const) {
    if (values[name] !== undefined) options[name] = Number(values[name]);
  }
  const result = await run(options);
  const rows = result.rows.map(rounded);
  const toPeers = rounded(result.toPeers);
  console.table(Object.fromEntries(rows.map(({ measure: name, ...row }) => [name, row])));
  console.table(toPeers);
  if (values.json === undefined) return;
  writeFileSync(values.json, `${JSON.stringify({ ...aboutRun('dispatch'), options, rows, toPeers }, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await main();
