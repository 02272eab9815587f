import type { Status } from '../../engine/work-item.js';
import type { Command, ItemState } from './item-model.js';

/**
 * One thing that a client wanted, with all attempts at it: what the clients saw is the only evidence that the checkers
 * hold against the database. Times are milliseconds of the harness's monotonic clock.
 */
export interface Operation {
  /** Unique; also the `mark` that a create or update writes. */
  number: number;
  client: number;
  /** `again`: the same create once more. `find`: the list by captureId. */
  action: 'create' | 'again' | 'next' | 'get' | 'find' | Command;
  /** The item. Of `next` only when it was answered with one. */
  captureId?: string;
  id?: string;
  /** The Idempotency-Key; a line of a bulk request has `key#line`. */
  key?: string;
  agent?: string;
  ifMatch?: number;
  /** When an activation or expiration may come by itself: of creates. */
  activationAt?: number;
  expirationAt?: number;
  /** Start of the first attempt that may have had an effect. */
  call: number;
  /** Start of the last attempt. */
  lastCall: number;
  /** End of the last attempt; null: nobody knows what came of it. */
  ret: number | null;
  attempts: number;
  /** Attempts before the last one whose outcome is unknown. */
  doubtful: number;
  answer?: Answer;
}

export type Answer =
  | { kind: 'done'; status: number; replayed: boolean; id: string; seen: ItemState }
  /** A line of a bulk request: its answer does not show the item. */
  | { kind: 'line'; status: number; id: string }
  /** 204 to a delete. */
  | { kind: 'deleted'; id: string }
  /** 410: done by an earlier attempt, and the item has been deleted since. */
  | { kind: 'gone' }
  /** 409 with the item's status, 412 with its version. */
  | { kind: 'refused'; code: string; status?: Status; version?: number }
  /** 404, or an empty list. */
  | { kind: 'absent' }
  /** 204: nothing to take. */
  | { kind: 'none' }
  /** What no client should ever get: other codes, or a list with the same captureId twice. */
  | { kind: 'faulty'; detail: string };

/** Whether the server has confirmed that the operation took effect. */
export function isAcknowledged(operation: Operation): boolean {
  return operation.answer?.kind === 'done' || operation.answer?.kind === 'line' || operation.answer?.kind === 'deleted';
}
