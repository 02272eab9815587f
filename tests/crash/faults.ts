import { setTimeout as sleep } from 'node:timers/promises';
import type { Load } from './load.js';
import { type FaultKind, faultKinds } from './system.js';

export type FaultPlan = Readonly<Record<FaultKind, number>>;

export interface Fault {
  kind: FaultKind;
  /** Monotonic milliseconds of the signal. */
  at: number;
  /** The process is dead by our hand, and requests were on their way when it died. */
  landed: boolean;
  /** Longest time without an answered request that began or went on after the signal, milliseconds. */
  stallMs: number;
}

export interface Killable {
  kill(kind: FaultKind): Promise<boolean>;
}

/** Answered requests after which the service counts as recovered. */
const recoveredAnswers = 100;
const recoveryMsMax = 60_000;
const pollMs = 20;
const earlyMsMax = 1000;
export interface FaultTimes {
  /** Load between a recovery and the next fault, milliseconds, drawn evenly. */
  calmMsMin: number;
  calmMsMax: number;
  /** Part of the server's kills in a row that come while it still starts or recovers from the last one. */
  earlyShare: number;
}

/** Kills one process after the other under load, in an order drawn from the seed, each when the last is overcome. */
export async function injectFaults(
  system: Killable,
  load: Load,
  plan: FaultPlan,
  times: FaultTimes,
  options: { random: () => number; onFault?: (fault: Fault, left: number) => void; signal?: AbortSignal },
): Promise<Fault[]> {
  const { random, onFault, signal } = options;
  const kinds = shuffled(plan, random);
  const faults: Fault[] = [];
  for (const [index, kind] of kinds.entries()) {
    const isEarly = kind === 'server' && kinds[index - 1] === 'server' && random() < times.earlyShare;
    if (!isEarly) await recovered(load, signal);
    const calmMs = times.calmMsMin + random() * (times.calmMsMax - times.calmMsMin);
    await sleep(isEarly ? random() * earlyMsMax : calmMs, undefined, { signal });
    const at = performance.now();
    const wasBusy = load.open > 0;
    const died = await system.kill(kind);
    const fault = { kind, at, landed: died && wasBusy, stallMs: 0 };
    faults.push(fault);
    onFault?.(fault, kinds.length - index - 1);
  }
  await recovered(load, signal);
  measureStalls(faults, load.answeredAt);
  return faults;
}

function shuffled(plan: FaultPlan, random: () => number): FaultKind[] {
  const kinds = faultKinds.flatMap((kind) => Array.from({ length: plan[kind] }, () => kind));
  for (let i = kinds.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [kinds[i], kinds[j]] = [kinds[j]!, kinds[i]!];
  }
  return kinds;
}

async function recovered(load: Load, signal: AbortSignal | undefined): Promise<void> {
  const wanted = load.answeredAt.length + recoveredAnswers;
  for (let waitedMs = 0; load.answeredAt.length < wanted; waitedMs += pollMs) {
    if (waitedMs > recoveryMsMax) throw new Error(`nothing is answered for ${recoveryMsMax} ms after a fault`);
    await sleep(pollMs, undefined, { signal });
  }
}

/** The longest silence that begins between a fault and the next one. */
export function measureStalls(faults: Fault[], answeredAt: readonly number[]): void {
  for (const [index, fault] of faults.entries()) {
    const until = faults[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    let last = fault.at;
    for (const at of answeredAt) {
      if (at < fault.at) continue;
      fault.stallMs = Math.max(fault.stallMs, Math.min(at, until) - last);
      if (at > until) break;
      last = at;
    }
  }
}
