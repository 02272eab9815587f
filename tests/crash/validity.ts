import type { Fault, FaultPlan } from './faults.js';
import { faultKinds } from './system.js';

export const operationsPerSecondMin = 500;

/** Why a run proves nothing: too little load, or faults that did not land; empty when it counts. */
export function voidReasons(run: { operationsPerSecond: number; faults: readonly Fault[]; plan: FaultPlan }): string[] {
  const { operationsPerSecond, faults, plan } = run;
  const reasons: string[] = [];
  if (operationsPerSecond < operationsPerSecondMin) {
    reasons.push(`${operationsPerSecond.toFixed(0)} operations/s, at least ${operationsPerSecondMin} are wanted`);
  }
  if (faultKinds.every((kind) => plan[kind] === 0)) reasons.push('no fault was planned');
  for (const kind of faultKinds) {
    const landed = faults.filter((fault) => fault.kind === kind && fault.landed).length;
    if (landed < plan[kind]) reasons.push(`${landed} of ${plan[kind]} kills of ${kind} landed`);
  }
  return reasons;
}
