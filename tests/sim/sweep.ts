import { fencedWrite } from './network.js';
import { describe, faultKinds, type Mutation, type Scenario, scenarioOf } from './scenario.js';
import { type Result, simulate } from './simulation.js';

/** Every so many-th seed runs twice: both runs must do the same. */
const replayEvery = 100;
const failuresKept = 20;

export interface SweepOptions {
  seed: number;
  seeds: number;
  mutation?: Mutation;
  /** Ends at the first seed that fails. */
  untilFailure?: boolean;
  onSeed?: (sweep: Sweep) => void;
}

export interface Failure {
  scenario: Scenario;
  result: Result;
}

/** What many seeds have shown. */
export class Sweep {
  seeds = 0;
  replayed = 0;
  /** The first of those that failed. */
  failed: Failure[] = [];
  failedCount = 0;
  /** Failed seeds by checker. */
  readonly byChecker = new Map<string, number>();
  /** How often each fault happened, what terms ended in, and how many writes the fence refused. */
  readonly landed = new Map<string, number>();
  virtualMs = 0;
  events = 0;
  acknowledged = 0;
  journalEvents = 0;
  decisions = 0;

  add(scenario: Scenario, result: Result): void {
    this.seeds++;
    this.virtualMs += result.virtualMs;
    this.events += result.events;
    this.acknowledged += result.acknowledged;
    this.journalEvents += result.journalEvents;
    this.decisions += result.decisions;
    for (const [kind, count] of result.landed) this.landed.set(kind, (this.landed.get(kind) ?? 0) + count);
    if (result.violations.length === 0) return;
    this.failedCount++;
    if (this.failed.length < failuresKept) this.failed.push({ scenario, result });
    for (const checker of new Set(result.violations.map((violation) => violation.checker))) {
      this.byChecker.set(checker, (this.byChecker.get(checker) ?? 0) + 1);
    }
  }

  /** What never happened although it was meant to: a run without it proves nothing about it. */
  get missing(): string[] {
    return [...faultKinds, 'term ended: unknown', 'term ended: lost', fencedWrite].filter(
      (kind) => !this.landed.has(kind),
    );
  }
}

/** Runs scenarios of consecutive seeds, one after the other. */
export async function sweep(options: SweepOptions): Promise<Sweep> {
  const total = new Sweep();
  for (let n = 0; n < options.seeds; n++) {
    const scenario = scenarioOf(options.seed + n, options.mutation);
    const result = await simulate(scenario);
    if (n % replayEvery === 0) {
      total.replayed++;
      const again = await simulate(scenario);
      if (again.hash !== result.hash) {
        result.violations.push({ checker: 'replay', detail: `${result.hash} and ${again.hash} in the second run` });
      }
    }
    total.add(scenario, result);
    options.onSeed?.(total);
    if (options.untilFailure && total.failedCount > 0) break;
  }
  return total;
}

/** A failed seed in a few lines. */
export function failureText({ scenario, result }: Failure): string {
  const violations = result.violations.map(({ checker, detail }) => `  ${checker}: ${detail}`);
  return [describe(scenario), ...violations.slice(0, 5)].join('\n');
}
