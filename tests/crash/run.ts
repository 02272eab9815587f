import type { Evidence } from './evidence.js';
import { type Fault, type FaultPlan, type FaultTimes, injectFaults } from './faults.js';
import type { Operation } from './history.js';
import { HttpClient } from './http-client.js';
import { readJournal } from './journal-fold.js';
import { judge, type Verdict } from './judge.js';
import { Load } from './load.js';
import { randomFrom } from './load-item.js';
import { CrashSystem } from './system.js';
import { readTables } from './tables.js';
import { voidReasons } from './validity.js';

export interface CrashPlan {
  /** Of the clients' choices and of the faults' order and distances. */
  seed: number;
  clients: number;
  faults: FaultPlan;
  times: FaultTimes;
}

export interface CrashRun {
  verdict: Verdict;
  /** Why the run proves nothing; empty when it counts. */
  voidReasons: string[];
  faults: Fault[];
  operations: readonly Operation[];
  /** Requests that were answered (a bulk request is one), and how long the load ran. */
  answered: number;
  loadSeconds: number;
  operationsPerSecond: number;
  checkSeconds: number;
  /** Where the server's memory came from at each start of a term. */
  recoveries: { snapshot: number; tables: number };
}

export interface CrashOptions {
  onFault?: (fault: Fault, left: number) => void;
  /** Sees what the run left behind before it is removed. */
  autopsy?: (evidence: Evidence, verdict: Verdict) => Promise<void>;
  /** Ends the run and everything that it started. */
  signal?: AbortSignal;
}

/** Starts everything, kills what the plan says under load, lets it settle and judges what is left. */
export async function runCrash(plan: CrashPlan, options: CrashOptions = {}): Promise<CrashRun> {
  const { onFault, autopsy, signal } = options;
  const system = await CrashSystem.start();
  const http = new HttpClient({ port: system.port, apiKey: system.apiKey, connections: 2 * plan.clients });
  const load = new Load(http, plan.seed);
  try {
    const startedAt = performance.now();
    load.start(plan.clients);
    const random = randomFrom(plan.seed + 1);
    const faults = await injectFaults(system, load, plan.faults, plan.times, { random, onFault, signal });
    const loadSeconds = (performance.now() - startedAt) / 1000;
    const answered = load.answeredAt.length;
    await load.stop();
    const drainFault = await system.settle();
    const checkedAt = performance.now();
    const evidence = await collect(system, load.operations);
    const verdict = await judge(evidence);
    if (drainFault !== undefined) verdict.violations.add('drain', drainFault);
    const checkSeconds = (performance.now() - checkedAt) / 1000;
    await autopsy?.(evidence, verdict);
    const operationsPerSecond = answered / loadSeconds;
    return {
      verdict,
      voidReasons: voidReasons({ operationsPerSecond, faults, plan: plan.faults }),
      faults,
      operations: load.operations,
      answered,
      loadSeconds,
      operationsPerSecond,
      checkSeconds,
      recoveries: system.recoveries,
    };
  } finally {
    void load.stop();
    http.close();
    await system.stop();
  }
}

async function collect(system: CrashSystem, operations: readonly Operation[]): Promise<Evidence> {
  const tables = await readTables(system.databaseUrl);
  return { operations, tables, journal: { [Symbol.asyncIterator]: () => readJournal(system.databaseUrl) } };
}
