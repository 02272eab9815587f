import { hash } from 'node:crypto';

/** What a link covers of its row beside the digest of its events. */
export interface LinkedRow {
  /** Number of the row's first event. */
  seq: number;
  epoch: number;
  eventCount: number;
  /** When the row was committed, as Postgres sends a timestamptz: 8 bytes, microseconds since 2000. */
  at: Uint8Array;
}

/** The link before the first one. */
export const noLink: Uint8Array = new Uint8Array(0);
const numberBytes = 28;

/** SHA-256 of a journal row's events as they are stored. */
export function digestOf(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/**
 * The link of a row: SHA-256 of the link before it, the row's numbers and time, and the digest of its events. The commit
 * statement computes the same from the lease's link (`postgres/journal.ts`), so that no owner has to know it. Whoever
 * changes, removes, inserts or moves a row has to change every link after it, and the head that others have noted.
 */
export function nextLink(previous: Uint8Array, row: LinkedRow, digest: Uint8Array): Buffer {
  const numbers = Buffer.allocUnsafe(numberBytes);
  numbers.writeBigInt64BE(BigInt(row.seq), 0);
  numbers.writeBigInt64BE(BigInt(row.epoch), 8);
  numbers.writeInt32BE(row.eventCount, 16);
  numbers.set(row.at, 20);
  return hash('sha256', Buffer.concat([previous, numbers, digest]), 'buffer');
}
