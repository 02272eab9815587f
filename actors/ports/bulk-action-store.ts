import type { BulkActionName, BulkArguments } from '../../engine/bulk-action.js';
import type { RejectionCode } from '../../engine/rejection.js';
import type { Instant } from '../../engine/work-item.js';

/** The lease under which an action may be started. */
interface Holder {
  epoch: number;
  ownerToken: string;
}

export type BulkActionState = 'running' | 'done' | 'cancelled';

/** An item to which the action could not be done, and why. */
export interface BulkFailure {
  id: string;
  code: RejectionCode;
  detail: string;
}

/** A bulk action without the ids of its items. */
export interface BulkAction {
  /** UUIDv7: sorts by creation. */
  id: string;
  action: BulkActionName;
  arguments: BulkArguments;
  /** The filter as the client wrote it, when it was not ids. */
  filter?: unknown;
  by?: string;
  from?: string;
  /** The client's Idempotency-Key, and what was asked under it. */
  key?: string;
  fingerprint: string;
  state: BulkActionState;
  /** Items that were found when it began. */
  matched: number;
  /** How many of them have had their turn; `done` and `failed` add up to it. */
  next: number;
  done: number;
  failed: number;
  /** The first of the failures. */
  failures: BulkFailure[];
  createdAt: Instant;
  finishedAt?: Instant;
}

export type BulkProgress = Pick<BulkAction, 'id' | 'state' | 'next' | 'done' | 'failed' | 'failures' | 'finishedAt'>;

/**
 * The tenant's bulk actions and the ids of their items: work that was promised with 202. It does not follow the journal
 * and is not rebuilt from it; what an action does to an item is in the journal like any other command.
 */
export interface BulkActionStore {
  /**
   * Stores the action with its ids, durable when it resolves, if the lease is still the caller's: undefined else. One
   * that was started with the same id or key before is returned instead.
   */
  start(lease: Holder, action: BulkAction, ids: readonly string[]): Promise<BulkAction | undefined>;
  find(id: string): Promise<BulkAction | undefined>;
  findByKey(key: string): Promise<BulkAction | undefined>;
  /** Newest first, before the given id, at most `limit`. */
  list(limit: number, beforeId?: string): Promise<BulkAction[]>;
  /** All that are not finished, oldest first. */
  running(): Promise<BulkAction[]>;
  /** The items in order; empty once the action is finished. */
  ids(id: string): Promise<string[]>;
  /** Never goes back: progress that is not further than what is stored changes nothing, nor does a finished action. */
  advance(progress: BulkProgress): Promise<void>;
  /** Undefined when there is no such action; one that is finished stays what it is. */
  cancel(id: string, at: Instant): Promise<BulkAction | undefined>;
  /**
   * Actions with one of the texts anywhere in their filter or arguments, and those of the given ids; after the id
   * `afterId`, by id, at most `limit`.
   */
  telling(texts: readonly string[], ids: readonly string[], limit: number, afterId?: string): Promise<BulkAction[]>;
  /** Puts these arguments, this filter and this fingerprint in place of what is stored, and forgets the key. */
  erase(action: Pick<BulkAction, 'id' | 'arguments' | 'filter' | 'fingerprint'>): Promise<void>;
  /** Forgets finished actions older than `before`, at most `limit` a call. */
  forget(before: Instant, limit: number): Promise<void>;
}
