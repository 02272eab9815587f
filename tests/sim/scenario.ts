import { type ActorOptions, defaultOptions } from '../../actors/options.js';
import { exponential, Kernel, pick } from './kernel.js';

/** What can go wrong; each seed has a random subset of it, so that rare combinations come about ("swarm testing"). */
export const faultKinds = [
  'kill',
  'drain',
  'pause',
  'partition',
  'storeDown',
  'followerDown',
  'clockJump',
  'requestDelay',
  'replyDelay',
  'replyLost',
  'errorBefore',
  'errorAfter',
  'late',
  'refusedForNow',
  'poison',
  'snapshots',
  'clientNetwork',
] as const;

export type FaultKind = (typeof faultKinds)[number];

export const mutations = [
  'ack-before-commit',
  'no-fence',
  'keep-memory',
  'check-then-write',
  'no-new-epoch',
  'no-seq-check',
  'no-new-epoch-no-seq-check',
] as const;

/** A protocol broken on purpose, to see that the checkers notice. */
export type Mutation = (typeof mutations)[number];

/** Everything that a run depends on beside the code. */
export interface Scenario {
  seed: number;
  pods: number;
  clients: number;
  /** Virtual time of load and faults. */
  durationMs: number;
  /** Mean pause of a client between two requests. */
  thinkMs: number;
  faults: FaultKind[];
  /** Part of all calls of a store that each kind of network fault hits. */
  faultRate: number;
  /** Mean time between two faults of one kind that hits a whole pod or the database. */
  faultEveryMs: number;
  /** Whether a pod learns that another has died, so that it need not wait for the lease's time to live. */
  knowsTheDead: boolean;
  /** Whether the filter of known keys says "maybe" to every captureId that clients share, so that all are looked up. */
  knowsTooMuch: boolean;
  /** Virtual milliseconds that a look at the clock costs, so that bounded turns come to an end. */
  lookMs: number;
  options: ActorOptions;
  mutation: Mutation | undefined;
}

export function scenarioOf(seed: number, mutation?: Mutation): Scenario {
  const random = new Kernel(seed, false).random('scenario');
  return {
    seed,
    pods: 1 + Math.floor(random() * 3),
    clients: 2 + Math.floor(random() * 4),
    durationMs: 2500 + random() * 8000,
    thinkMs: pick(random, [20, 60, 200]),
    faults: faultKinds.filter(() => random() < 0.4),
    faultRate: pick(random, [0.005, 0.02, 0.05]),
    faultEveryMs: 600 + exponential(random, 3000),
    knowsTheDead: random() < 0.5,
    lookMs: pick(random, [0, 0, 0.4]),
    options: optionsOf(random),
    knowsTooMuch: random() < 0.5,
    mutation,
  };
}

/** Bounds small enough to be met in a few virtual seconds. */
function optionsOf(random: () => number): ActorOptions {
  const leaseTtlMs = pick(random, [600, 1500, 3000]);
  return {
    ...defaultOptions,
    leaseTtlMs,
    batchEventsMax: pick(random, [1, 4, 512]),
    mailboxCountMax: pick(random, [8, 5000]),
    documentBytesMax: pick(random, [0, 5000, 64 * 1024 * 1024]),
    unprojectedBytesMax: pick(random, [5000, 256 * 1024 * 1024]),
    requestTimeoutMs: pick(random, [3000, 15_000]),
    holdMs: pick(random, [500, 3000]),
    snapshotIntervalMs: pick(random, [800, 3000, 60_000]),
  };
}

export function describe(scenario: Scenario): string {
  const { seed, pods, clients, durationMs, faults, faultRate, faultEveryMs, options } = scenario;
  return [
    `seed ${seed}: ${pods} pods, ${clients} clients, ${(durationMs / 1000).toFixed(1)} s`,
    `  faults: ${faults.join(', ') || 'none'} (${faultRate * 100} % of calls; every ${Math.round(faultEveryMs)} ms)`,
    `  lease ${options.leaseTtlMs} ms, batch ${options.batchEventsMax}, documents ${options.documentBytesMax} B, ` +
      `snapshot every ${options.snapshotIntervalMs} ms`,
  ].join('\n');
}
