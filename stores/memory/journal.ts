import type { CommitOutcome, Journal, JournalRow, Lease } from '../../actors/ports.js';
import type { Event } from '../../engine/event.js';
import { packEvents, unpackEvents } from '../event-batch.js';
import { digestOf, nextLink } from '../journal-chain.js';
import type { MemoryDatabase } from './database.js';
import { holds } from './lease-store.js';

/** No clock here: rows of the memory journal are of no time. */
export const noTime = new Uint8Array(8);

/** The journal's fence and reading rules, as in `stores/postgres/journal.ts`. */
export class MemoryJournal implements Journal {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async commit(lease: Lease, events: readonly Event[]): Promise<CommitOutcome> {
    if (events.length === 0) {
      return { kind: 'refused', transient: false, sqlState: '22000', detail: 'a batch holds at least one event' };
    }
    if (!holds(this.#database, lease)) return { kind: 'lost' };
    const row = this.#database.lease;
    if (row.lastSeq !== lease.lastSeq) {
      return row.lastSeq >= lease.lastSeq + events.length ? { kind: 'committed' } : { kind: 'lost' };
    }
    appendRow(this.#database, lease.epoch, events);
    return { kind: 'committed' };
  }

  async read(afterSeq: number, rowsMax: number): Promise<JournalRow[]> {
    const rows = this.#database.journal;
    const first = firstRowEndingAfter(rows, afterSeq);
    return rows
      .slice(first, first + rowsMax)
      .map((row) => ({ seq: row.seq, epoch: row.epoch, events: unpackEvents(row.bytes) }));
  }
}

/** Puts a row at the journal's end, whoever asks: the fence is the caller's. */
export function appendRow(database: MemoryDatabase, epoch: number, events: readonly Event[]): void {
  const { lease, journal } = database;
  const bytes = packEvents(events);
  const digest = digestOf(bytes);
  const numbers = { seq: lease.lastSeq + 1, epoch, eventCount: events.length };
  lease.link = nextLink(lease.link, { ...numbers, at: noTime }, digest);
  journal.push({ ...numbers, bytes, digest, link: lease.link });
  lease.lastSeq += events.length;
  lease.heartbeat++;
}

function firstRowEndingAfter(rows: MemoryDatabase['journal'], afterSeq: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle]!;
    if (row.seq + row.eventCount - 1 > afterSeq) high = middle;
    else low = middle + 1;
  }
  return low;
}
