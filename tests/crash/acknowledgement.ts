import { isAcknowledged, type Operation } from './history.js';
import { clockSlackMs, isSame, stateText } from './item-model.js';
import type { JournalFold } from './journal-fold.js';
import type { Violations } from './violation.js';

/** What became of the operations whose outcome no client was told. */
export interface UnknownOutcomes {
  applied: number;
  notApplied: number;
}

/**
 * Holds every answer that a client got against the journal: what was acknowledged must be there, once, and every state
 * that anybody was shown must be one that the item really had.
 */
export function checkAnswers(operations: readonly Operation[], fold: JournalFold, violations: Violations): void {
  for (const operation of operations) {
    const { answer } = operation;
    if (answer?.kind === 'faulty') violations.add('faulty-answer', `${nameOf(operation)}: ${answer.detail}`);
    if (operation.action === 'create') checkCreate(operation, fold, violations);
    else if (operation.action === 'again' && answer?.kind === 'refused') {
      violations.add('faulty-answer', `${nameOf(operation)}: refused as ${answer.code} what was accepted before`);
    } else if (isAcknowledged(operation)) checkChange(operation, fold, violations);
    checkSeen(operation, fold, violations);
  }
}

/** The first attempt of a create that nobody else knows of must have made the item. */
function checkCreate(operation: Operation, fold: JournalFold, violations: Violations): void {
  const { answer, captureId = '' } = operation;
  // What comes after its expiration is refused, unless an earlier attempt has made the item.
  const isLate = (operation.expirationAt ?? Number.POSITIVE_INFINITY) < (operation.ret ?? 0) + clockSlackMs;
  if (answer?.kind === 'refused' && !isLate) {
    violations.add('faulty-answer', `${nameOf(operation)}: refused as ${answer.code}`);
  }
  if (answer?.kind !== 'done' && answer?.kind !== 'line') return;
  if (answer.status !== 201 && operation.attempts === 1) {
    violations.add('faulty-answer', `${nameOf(operation)}: ${answer.status} for a new captureId`);
  }
  const isDeleted = fold.deleted.has(answer.id);
  if ((fold.idsByCapture.get(captureId) !== answer.id && !isDeleted) || fold.find(answer.id) === undefined) {
    violations.add('lost-create', `${nameOf(operation)}: item ${answer.id}, ${captureId} is not in the journal`);
  }
}

/** Every change carries a key, and the journal has the key on the event that it made. */
function checkChange(operation: Operation, fold: JournalFold, violations: Violations): void {
  const { action, key, answer } = operation;
  if ((answer?.kind !== 'done' && answer?.kind !== 'deleted') || key === undefined) return;
  const event = fold.keys.get(key);
  if (event?.itemId !== answer.id || event.type !== eventOf[action as keyof typeof eventOf]) {
    violations.add('lost-change', `${nameOf(operation)} of ${answer.id} is not in the journal`);
  }
}

const eventOf = {
  next: 'assigned',
  assign: 'assigned',
  update: 'updated',
  hold: 'held',
  resume: 'resumed',
  cancel: 'canceled',
  complete: 'completed',
  reject: 'rejected',
  restart: 'restarted',
  activate: 'activated',
  unassign: 'unassigned',
  reprioritize: 'reprioritized',
  move: 'moved',
  delete: 'deleted',
} as const;

function checkSeen(operation: Operation, fold: JournalFold, violations: Violations): void {
  const { answer } = operation;
  if (answer?.kind !== 'done') return;
  const known = fold.find(answer.id)?.states[answer.seen.version - 1];
  if (known !== undefined && isSame(known, answer.seen)) return;
  violations.add(
    'foreign-answer',
    `${nameOf(operation)} showed ${answer.id} as ${stateText(answer.seen)}; the journal: ${stateText(known)}`,
  );
}

/**
 * Gives the takes without an answer the items that the journal says they took (no client can name them), and counts
 * what became of everything that nobody was told about.
 */
export function resolveUnknown(
  operations: readonly Operation[],
  fold: JournalFold,
): { operations: Operation[]; outcomes: UnknownOutcomes } {
  const outcomes: UnknownOutcomes = { applied: 0, notApplied: 0 };
  const resolved = operations.map((operation) => {
    if (!isUnknown(operation)) return operation;
    const itemId = itemOf(operation, fold);
    if (itemId === undefined) outcomes.notApplied++;
    else outcomes.applied++;
    if (operation.action !== 'next' || itemId === undefined) return operation;
    return { ...operation, captureId: fold.find(itemId)!.item.captureId };
  });
  return { operations: resolved, outcomes };
}

/** Nobody was told: no answer, or one about a later attempt that leaves an earlier one open. */
function isUnknown({ answer, doubtful, action }: Operation): boolean {
  if (action === 'get' || action === 'find' || action === 'again') return false;
  return answer === undefined || (doubtful > 0 && (answer.kind === 'none' || answer.kind === 'refused'));
}

function itemOf({ action, key, captureId }: Operation, fold: JournalFold): string | undefined {
  if (key !== undefined) return fold.keys.get(key)?.itemId;
  return action === 'create' ? fold.idsByCapture.get(captureId ?? '') : undefined;
}

function nameOf({ number, client, action, key }: Operation): string {
  return `operation ${number} (client ${client}, ${action}${key === undefined ? '' : `, key ${key}`})`;
}
