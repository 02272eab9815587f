import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import type { CrashPlan, CrashRun } from './run.js';
import { type FaultKind, faultKinds } from './system.js';
import { operationsPerSecondMin } from './validity.js';
import { type ViolationName, violationNames } from './violation.js';

/** A run as it is kept: flat, so that two runs can be compared line by line. */
export interface CrashReport {
  about: Record<string, string | number>;
  verdict: 'passed' | 'failed' | 'void';
  voidReasons: Record<string, string>;
  load: Record<string, number>;
  faults: Record<string, Record<string, number>>;
  recoveries: Record<string, number>;
  looked: Record<string, number>;
  unknown: Record<string, number>;
  violations: Record<string, number>;
}

export function reportOf(run: CrashRun, plan: CrashPlan): CrashReport {
  const { verdict, voidReasons: reasons, operations } = run;
  const names = Object.keys(violationNames) as ViolationName[];
  const doubtful = operations.filter((operation) => operation.doubtful > 0);
  return {
    about: about(plan),
    verdict: verdict.violations.total > 0 ? 'failed' : reasons.length > 0 ? 'void' : 'passed',
    voidReasons: Object.fromEntries(reasons.map((reason, index) => [`${index + 1}`, reason])),
    load: {
      clients: plan.clients,
      seconds: round(run.loadSeconds),
      requestsAnswered: run.answered,
      operationsPerSecond: round(run.operationsPerSecond),
      operations: operations.length,
      operationsWithUnknownAttempts: doubtful.length,
      checkSeconds: round(run.checkSeconds),
    },
    faults: Object.fromEntries(faultKinds.map((kind) => [kind, faultFigures(run, plan, kind)])),
    recoveries: run.recoveries,
    looked: verdict.looked,
    unknown: { ...verdict.unknown },
    violations: Object.fromEntries(names.map((name) => [name, verdict.violations.count(name)])),
  };
}

function faultFigures({ faults }: CrashRun, plan: CrashPlan, kind: FaultKind): Record<string, number> {
  const own = faults.filter((fault) => fault.kind === kind);
  const stalls = own.map(({ stallMs }) => stallMs).sort((a, b) => a - b);
  return {
    planned: plan.faults[kind],
    landed: own.filter(({ landed }) => landed).length,
    stallMsMin: Math.round(stalls[0] ?? 0),
    stallMsP50: Math.round(stalls[Math.floor(stalls.length / 2)] ?? 0),
    stallMsMax: Math.round(stalls.at(-1) ?? 0),
  };
}

function about({ seed }: CrashPlan): Record<string, string | number> {
  return {
    command: ['npm run test:crash --', ...process.argv.slice(2)].join(' '),
    seed,
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model}`,
    loadAverage: round(loadavg()[1]!),
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    date: new Date().toISOString(),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The table that people read. */
export function reportText(report: CrashReport, run: CrashRun): string {
  const { load, looked, unknown, recoveries } = report;
  const lines = [
    '',
    `${load.requestsAnswered} requests answered in ${load.seconds} s with ${load.clients} clients: ` +
      `${load.operationsPerSecond} operations/s (at least ${operationsPerSecondMin} wanted)`,
    '',
    'killed        planned  landed   stall ms min / p50 / max',
    ...faultKinds.map((kind) => faultLine(kind, report.faults[kind]!)),
    `the server's memory came from a snapshot ${recoveries.snapshot} times, from the tables ${recoveries.tables} times`,
    '',
    `looked at: ${looked.acknowledgedCreates} acknowledged creates, ${looked.acknowledgedChanges} other changes, ` +
      `${looked.items} items, ${looked.events} events in ${looked.journalRows} rows, ${looked.epochs} epochs,`,
    `  ${looked.steps} steps put in linear order, ${looked.decisions} decisions replayed among ` +
      `${looked.candidatesMean} items on average (most ${looked.candidatesMax})`,
    `never told: ${unknown.applied} operations took effect, ${unknown.notApplied} did not`,
    '',
    'check                                       wanted    seen',
    ...(Object.entries(violationNames) as [ViolationName, string][]).flatMap(([name, text]) => [
      `${text.padEnd(44)}${'0'.padStart(6)}${String(report.violations[name]).padStart(8)}`,
      ...run.verdict.violations.details(name).map((detail) => `    ${detail.slice(0, 2000)}`),
    ]),
    '',
    ...Object.values(report.voidReasons).map((reason) => `void: ${reason}`),
    `verdict: ${report.verdict}`,
  ];
  return lines.join('\n');
}

function faultLine(kind: FaultKind, { planned, landed, stallMsMin, stallMsP50, stallMsMax }: Record<string, number>) {
  return `${kind.padEnd(14)}${`${planned}`.padStart(7)}${`${landed}`.padStart(8)}   ${stallMsMin} / ${stallMsP50} / ${stallMsMax}`;
}
