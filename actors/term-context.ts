import type { TenantState } from '../engine/state.js';
import type { Batch } from './batch.js';
import type { Entry } from './entry.js';
import type { Mailbox } from './mailbox.js';
import type { ActorOptions } from './options.js';
import type { CommitOutcome, Lease, Runtime, TenantStores } from './ports.js';
import type { SweepPlan } from './retention.js';
import type { TenantMetrics } from './tenant-metrics.js';

/** How a term ended, and what it left undone. */
export interface TermEnd {
  cause: Exclude<CommitOutcome['kind'], 'committed'> | 'bug';
  detail: string;
  /** With `refused`: the database could not write now, rather than not this. */
  transient: boolean;
  /** The batch whose commit had begun: only the journal knows whether it is durable. */
  inFlight: Batch | undefined;
  /** Everybody who was promised an answer, in order. */
  unanswered: Entry[];
}

/** What a term begins with. */
export interface TermContext {
  tenantId: string;
  lease: Lease;
  state: TenantState;
  /** Where the follower's tables stand, and the batches after that, which are durable and not projected yet. */
  cursor: number;
  unprojected: Batch[];
  stores: TenantStores;
  runtime: Runtime;
  options: ActorOptions;
  mailbox: Mailbox<Entry>;
  newId: () => string;
  /** The tenant's quotas as they stand. */
  bounds: { readonly openItemsMax: number };
  sweepPlan: SweepPlan;
  metrics: TenantMetrics;
  /** Puts a snapshot of this term in the place of the stored one; rejects when it cannot. */
  saveSnapshot: () => Promise<void>;
  onEnd: (end: TermEnd) => void;
  onError: (message: string, error: unknown) => void;
}
