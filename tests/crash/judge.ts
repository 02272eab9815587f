import { checkAnswers, resolveUnknown, type UnknownOutcomes } from './acknowledgement.js';
import type { Evidence } from './evidence.js';
import { isAcknowledged, type Operation } from './history.js';
import { JournalFold } from './journal-fold.js';
import { findFault, stepsByItem, stepText } from './linearizability.js';
import { OrderReplay } from './order-replay.js';
import { checkLease, checkTables } from './tables.js';
import { Violations } from './violation.js';

export interface Verdict {
  violations: Violations;
  unknown: UnknownOutcomes;
  /** How much was looked at. */
  looked: {
    acknowledgedCreates: number;
    acknowledgedChanges: number;
    items: number;
    events: number;
    journalRows: number;
    epochs: number;
    decisions: number;
    candidatesMean: number;
    candidatesMax: number;
    steps: number;
  };
}

/** Runs every checker over the evidence. */
export async function judge({ operations, journal, tables }: Evidence): Promise<Verdict> {
  const violations = new Violations();
  const fold = new JournalFold(violations);
  const replay = new OrderReplay(violations);
  const projected = new JournalFold(new Violations(), tables.cursor);
  for await (const row of journal) {
    fold.add(row);
    projected.add(row);
    replay.add(row);
  }
  checkAnswers(operations, fold, violations);
  checkLease(tables, fold, violations);
  checkTables(tables, projected, violations);
  const { operations: resolved, outcomes } = resolveUnknown(operations, fold);
  const steps = checkItems(resolved, violations);
  const acknowledged = operations.filter(isAcknowledged);
  const creates = acknowledged.filter(({ action }) => action === 'create').length;
  const looks = acknowledged.filter(({ action }) => action === 'get' || action === 'find' || action === 'again').length;
  return {
    violations,
    unknown: outcomes,
    looked: {
      acknowledgedCreates: creates,
      acknowledgedChanges: acknowledged.length - creates - looks,
      items: fold.items.size,
      events: fold.lastSeq,
      journalRows: fold.rows,
      epochs: tables.leaseEpoch,
      decisions: replay.decisions,
      candidatesMean: Math.round(replay.meanCandidates * 10) / 10,
      candidatesMax: replay.widest,
      steps,
    },
  };
}

/** @returns the number of steps that were put into an order. */
function checkItems(operations: readonly Operation[], violations: Violations): number {
  let count = 0;
  for (const [captureId, steps] of stepsByItem(operations)) {
    count += steps.length;
    const fault = findFault(steps);
    if (fault === undefined) continue;
    const rest = steps.filter((step) => !fault.order.includes(step));
    const text = `no place for ${rest.map(stepText).join('; ')}; in order were ${fault.order.map(stepText).join('; ')}`;
    violations.add('linearizability', `${captureId}: ${text}`);
  }
  return count;
}
