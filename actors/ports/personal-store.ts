import type { Event } from '../../engine/event.js';
import type { Personal } from '../../engine/personal.js';

/** One row of the journal as an erasure sees it: it rewrites the row only while it is still this one. */
export interface StoredRow {
  seq: number;
  events: Event[];
  /** SHA-256 of the events' bytes as they are stored. */
  digest: Uint8Array;
  /** Rows of releases without a chain are rewritten without being announced. */
  isLinked: boolean;
}

/** A person to be erased, as the ledger keeps it: by a keyed hash, and with what was personal when it was asked for. */
export interface LedgerEntry extends Personal {
  /** UUID. */
  id: string;
  /** Hex. */
  subject: string;
}

/** Finds and takes away what a tenant's stores hold of a person, and remembers to do so again after a restore. */
export interface PersonalStore {
  /** What turns a person's id into the ledger's keyed hash, hex. The key never leaves the tenant's database. */
  hasher(): Promise<(subject: string) => string>;
  /**
   * Rows from `fromSeq` on, up to the event `untilSeq`, whose bytes hold the text, wherever it stands; at most `rowsMax`.
   * Looks at a bounded number of rows: `next` is where to go on, undefined at the end.
   */
  rowsWith(
    text: string,
    fromSeq: number,
    untilSeq: number,
    rowsMax: number,
  ): Promise<{ rows: StoredRow[]; next: number | undefined }>;
  /** Rows after `afterSeq` with events of these items, oldest first. Rests on the projected history. */
  rowsOf(itemIds: readonly string[], afterSeq: number, rowsMax: number): Promise<StoredRow[]>;
  /** Those of the texts that stand anywhere in a bulk action, or in a row of the journal that a filter was saved with. */
  mentioned(texts: readonly string[]): Promise<string[]>;
  /** Rows after `afterSeq` with events of saved filters and any of the texts, oldest first. Rests on the projected history. */
  filterRows(texts: readonly string[], afterSeq: number, rowsMax: number): Promise<StoredRow[]>;
  /** What the tenant's history says of these events; and of filters with these ids that were removed, the last trace. */
  scrubFilters(
    entries: readonly { seq: number; details: Record<string, unknown> }[],
    removed: readonly string[],
  ): Promise<void>;
  /** The bytes that these events are stored as, and their SHA-256. */
  packed(events: readonly Event[]): { bytes: Uint8Array; digest: Uint8Array };
  /** False when the row is no longer the one that was read. */
  rewrite(row: StoredRow, bytes: Uint8Array): Promise<boolean>;
  /** Takes these fields out of the items' history, and forgets their Idempotency-Keys; says how many rows it was. */
  scrub(itemIds: readonly string[], fields: readonly string[]): Promise<{ history: number; keys: number }>;
  /** Notes the person in the ledger before anything is erased; the id of an earlier entry that is not done yet stays. */
  addToLedger(entry: LedgerEntry): Promise<string>;
  /** Ledger entries that this tenant's projected journal does not know as done: all that came after a restored backup. */
  notErased(): Promise<LedgerEntry[]>;
}
