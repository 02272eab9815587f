import type { Entry } from './entry.js';
import type { Mailbox } from './mailbox.js';
import type { Lease, TenantStores } from './ports.js';
import { type Recovered, recover } from './recovery.js';
import type { SweepPlan } from './retention.js';
import type { TenantActorContext } from './tenant-actor-context.js';
import type { TenantMetrics } from './tenant-metrics.js';
import { Term } from './term.js';
import type { TermEnd } from './term-context.js';

export interface TermBeginning {
  actor: TenantActorContext;
  lease: Lease;
  stores: TenantStores;
  mailbox: Mailbox<Entry>;
  newId: () => string;
  bounds: { readonly openItemsMax: number };
  sweepPlan: SweepPlan;
  metrics: TenantMetrics;
  /** Whoever was erased before is erased in this database too. */
  knowsErasures: boolean;
  saveSnapshot: (term: Term) => Promise<void>;
  onEnd: (term: Term, end: TermEnd) => void;
  /** Whether anybody still wants the term. */
  isWanted: () => boolean;
}

/**
 * From a lease to a term that may serve: memory as of the lease's last event, and in it nobody who was erased. Undefined
 * when nobody wants it any more; rejects when a store fails, or the term ends while it erases.
 */
export async function beginTerm(beginning: TermBeginning): Promise<{ term: Term; recovered: Recovered } | undefined> {
  const { actor, lease, stores, knowsErasures, isWanted, saveSnapshot, onEnd, ...rest } = beginning;
  const { tenantId, runtime, options, stateOptions, log } = actor;
  const onNote = (message: string) => log('warn', message);
  const { unprojectedBytesMax } = options;
  const recovered = await recover({ tenantId, lease, stores, runtime, stateOptions, unprojectedBytesMax, onNote });
  if (!isWanted()) return undefined;
  let endBefore: (error: Error) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    endBefore = reject;
  });
  ended.catch(() => {});
  const term: Term = new Term({
    ...{ ...rest, ...recovered, tenantId, lease, stores, runtime, options },
    saveSnapshot: () => saveSnapshot(term),
    onEnd: (end) => {
      endBefore(new Error(`the term ended: ${end.cause}: ${end.detail}`));
      onEnd(term, end);
    },
    onError: (message, error) => log('warn', message, error),
  });
  if (!knowsErasures) await eraseAgain(term, ended, onNote);
  return { term, recovered };
}

async function eraseAgain(term: Term, ended: Promise<never>, onNote: (message: string) => void): Promise<void> {
  term.wake();
  try {
    await Promise.race([term.eraseAgain(onNote), ended]);
  } catch (error) {
    term.close();
    throw error;
  }
}
