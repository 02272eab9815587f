import { createHmac } from 'node:crypto';
import type { LedgerEntry, PersonalStore, StoredRow } from '../../actors/ports/personal-store.js';
import type { Event } from '../../engine/event.js';
import { erased } from '../../engine/personal.js';
import { needlesOf, packEvents, unpackEvents } from '../event-batch.js';
import { digestOf } from '../journal-chain.js';
import type { JournalBytes, MemoryDatabase } from './database.js';

/** The ledger outlives the database, as the registry outlives a tenant's. */
export class MemoryLedger {
  readonly entries: LedgerEntry[] = [];
}

export class MemoryPersonalStore implements PersonalStore {
  readonly #database: MemoryDatabase;
  readonly #ledger: MemoryLedger;

  constructor(database: MemoryDatabase, ledger: MemoryLedger) {
    this.#database = database;
    this.#ledger = ledger;
  }

  async hasher(): Promise<(subject: string) => string> {
    return (subject) => createHmac('sha256', 'a tenant’s pepper').update(subject).digest('hex');
  }

  async rowsWith(text: string, fromSeq: number, untilSeq: number, rowsMax: number) {
    const needles = [Buffer.from(text), Buffer.from(JSON.stringify(text).slice(1, -1))];
    const rows = this.#database.journal
      .filter(({ seq }) => seq >= fromSeq && seq <= untilSeq)
      .filter(({ bytes }) => needles.some((needle) => Buffer.from(bytes).includes(needle)))
      .slice(0, rowsMax)
      .map(storedRow);
    return { rows, next: rows.length === rowsMax ? rows[rowsMax - 1]!.seq + 1 : undefined };
  }

  async rowsOf(itemIds: readonly string[], afterSeq: number, rowsMax: number): Promise<StoredRow[]> {
    const seqs = itemIds.flatMap((id) => (this.#database.history.get(id) ?? []).map(({ seq }) => seq));
    return this.#database.journal
      .filter(({ seq, eventCount }) => seqs.some((one) => one >= seq && one < seq + eventCount))
      .filter(({ seq }) => seq > afterSeq)
      .slice(0, rowsMax)
      .map(storedRow);
  }

  async mentioned(texts: readonly string[]): Promise<string[]> {
    const rows = this.#filterRows().map(({ bytes }) => Buffer.from(bytes));
    const actions = [...this.#database.bulkActions.values()].map(({ action }) => {
      return JSON.stringify([action.arguments, action.filter]);
    });
    return texts.filter(
      (text) =>
        actions.some((said) => said.includes(JSON.stringify(text).slice(1, -1))) ||
        rows.some((bytes) => needlesOf(text).some((needle) => bytes.includes(needle))),
    );
  }

  async filterRows(texts: readonly string[], afterSeq: number, rowsMax: number): Promise<StoredRow[]> {
    const needles = texts.flatMap(needlesOf);
    return this.#filterRows()
      .filter(({ seq, bytes }) => seq > afterSeq && needles.some((needle) => Buffer.from(bytes).includes(needle)))
      .slice(0, rowsMax)
      .map(storedRow);
  }

  async scrubFilters(
    entries: readonly { seq: number; details: Record<string, unknown> }[],
    removed: readonly string[],
  ): Promise<void> {
    for (const { seq, details } of entries) Object.assign(this.#database.entries.get(seq)?.details ?? {}, details);
    for (const id of removed) if (this.#database.filters.get(id)?.change[1] === null) this.#database.filters.delete(id);
  }

  #filterRows(): JournalBytes[] {
    const seqs = [...this.#database.entries.values()].filter(({ type }) => isFilterType(type)).map(({ seq }) => seq);
    return this.#database.journal.filter(({ seq, eventCount }) =>
      seqs.some((one) => one >= seq && one < seq + eventCount),
    );
  }

  packed(events: readonly Event[]): { bytes: Uint8Array; digest: Uint8Array } {
    const bytes = packEvents(events);
    return { bytes, digest: digestOf(bytes) };
  }

  async rewrite({ seq, digest }: StoredRow, bytes: Uint8Array): Promise<boolean> {
    const row = this.#database.journal.find((other) => other.seq === seq);
    if (row === undefined || Buffer.compare(digestOf(row.bytes), digest) !== 0) return false;
    row.bytes = bytes;
    return true;
  }

  async scrub(itemIds: readonly string[], fields: readonly string[]): Promise<{ history: number; keys: number }> {
    let history = 0;
    for (const id of itemIds) {
      for (const { details } of this.#database.history.get(id) ?? []) {
        const left = fields.filter((name) => details[name] !== undefined && details[name] !== erased);
        for (const name of left) details[name] = erased;
        const override = details.override as { reason?: string } | undefined;
        const isWritten = override?.reason !== undefined && override.reason !== erased;
        if (isWritten) details.override = { ...override, reason: erased };
        if (left.length > 0 || isWritten) history++;
      }
    }
    const keys = [...this.#database.keys.values()].filter(({ itemId }) => itemId !== null && itemIds.includes(itemId));
    for (const { key } of keys) this.#database.keys.delete(key);
    return { history, keys: keys.length };
  }

  async addToLedger(entry: LedgerEntry): Promise<string> {
    const open = (await this.notErased()).find(({ subject }) => subject === entry.subject);
    if (open !== undefined) return open.id;
    this.#ledger.entries.push(entry);
    return entry.id;
  }

  async notErased(): Promise<LedgerEntry[]> {
    const done = new Set(
      [...this.#database.entries.values()].flatMap(({ type, details }) =>
        type === 'subjectErased' ? details.erasure : [],
      ),
    );
    return this.#ledger.entries.filter(({ id }) => !done.has(id));
  }
}

function storedRow({ seq, bytes }: JournalBytes): StoredRow {
  return { seq, events: unpackEvents(bytes), digest: digestOf(bytes), isLinked: true };
}

function isFilterType(type: string): boolean {
  return type === 'filterSaved' || type === 'filterRemoved';
}
