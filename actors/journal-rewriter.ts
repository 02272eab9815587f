import type { Event } from '../engine/event.js';
import type { PersonalStore, StoredRow } from './ports/personal-store.js';
import type { Request } from './request.js';

/** A row that somebody else rewrote meanwhile is read again. */
const rewritesMax = 5;

/** Who asked for an erasure, and its id in the ledger. */
export interface Erasure {
  id: string;
  by?: string;
  from?: string;
}

export interface Rewriting {
  without: (event: Event) => Event;
  /** The row as it is now, where somebody else has rewritten it. */
  reread: (seq: number) => Promise<StoredRow | undefined>;
  erasure: Erasure;
}

/** Rewrites rows of the journal without what has to go, each announced in the journal itself before. */
export class JournalRewriter {
  readonly #store: PersonalStore;
  readonly #ask: (request: Request) => Promise<void>;

  /** @param ask resolves when it is durable. */
  constructor(store: PersonalStore, ask: (request: Request) => Promise<void>) {
    this.#store = store;
    this.#ask = ask;
  }

  /** @returns how many rows held something. */
  async rewrite(rows: readonly StoredRow[], { without, reread, erasure }: Rewriting): Promise<number> {
    const { id, ...asked } = erasure;
    let left = rows.map((row) => this.#without(row, without)).filter((one) => one !== undefined);
    const count = left.length;
    for (let tries = 1; left.length > 0; tries++) {
      if (tries > rewritesMax) throw new Error('rows of the journal change while they are being erased');
      const announced = left.filter(({ row }) => row.isLinked).map(({ row, digest }) => ({ seq: row.seq, digest }));
      if (announced.length > 0) {
        await this.#ask({ op: 'note', note: { type: 'erasureAnnounced', erasure: id, rows: announced }, ...asked });
      }
      const missed: StoredRow[] = [];
      for (const { row, bytes } of left) if (!(await this.#store.rewrite(row, bytes))) missed.push(row);
      const again = await Promise.all(missed.map(({ seq }) => reread(seq)));
      left = again.flatMap((row) => (row && this.#without(row, without)) ?? []);
    }
    return count;
  }

  /** The row without what has to go; undefined when it holds nothing of it. */
  #without(row: StoredRow, without: (event: Event) => Event) {
    const packed = this.#store.packed(row.events.map(without));
    return Buffer.compare(packed.digest, row.digest) === 0 ? undefined : { row, ...packed };
  }
}
