import { type LinkedRow, nextLink, noLink } from './journal-chain.js';

/** One row of the journal as a verification sees it. */
export interface ChainedRow extends LinkedRow {
  /** SHA-256 of the events when they were committed, and of what is stored now. */
  digest: Uint8Array | null;
  actual: Uint8Array;
  link: Uint8Array | null;
  /** Rows that an erasure announced here, with the digests of what it left of them. */
  erased: readonly { seq: number; digest: Uint8Array }[];
}

/** Where a chain stood: number of the last event and the link of its row. */
export interface Head {
  seq: number;
  link: Uint8Array;
}

export interface Break {
  /** Number of the first event of the row at which the chain breaks, or of the first that is missing. */
  seq: number;
  detail: string;
}

export interface ChainReport {
  rows: number;
  events: number;
  /** Number of the first event that is covered: rows of releases without a chain come before it. */
  chainedFrom: number | undefined;
  /** Rows that an erasure has rewritten, as it announced. */
  erasedRows: number;
  /** Rows that an erasure announced and that hold what they held before: it was interrupted, or undone by a restore. */
  notErasedRows: number;
  head: Head;
  firstBreak: Break | undefined;
}

/**
 * Walks a journal from its beginning and finds the first row that is not what was committed, or is not where it was.
 * Give every row in order, then `end`. What it cannot see: rows from before the chain; and an end that was cut off
 * together with the lease's head, unless somebody has noted a head (`heads`) that lies behind the cut.
 */
export class ChainVerifier {
  readonly #heads: readonly Head[];
  readonly #changed = new Map<number, Uint8Array>();
  readonly #announced = new Map<number, Uint8Array[]>();
  #break: Break | undefined;
  #rows = 0;
  #next = 1;
  #chainedFrom: number | undefined;
  #link: Uint8Array = noLink;

  /** @param heads that were noted at earlier times and must lie on this chain. */
  constructor(heads: readonly Head[] = []) {
    this.#heads = heads;
  }

  get events(): number {
    return this.#next - 1;
  }

  get isBroken(): boolean {
    return this.#break !== undefined;
  }

  add(row: ChainedRow): void {
    if (this.#break !== undefined) return;
    if (row.seq !== this.#next) {
      this.#fail(this.#next, `event ${this.#next} is missing: row ${row.seq} follows`);
      return;
    }
    this.#rows++;
    this.#next = row.seq + row.eventCount;
    if (row.link === null || row.digest === null) {
      if (this.#chainedFrom !== undefined) this.#fail(row.seq, 'the row has no link, and rows before it have');
      return;
    }
    this.#chainedFrom ??= row.seq;
    this.#link = nextLink(this.#link, row, row.digest);
    if (!isSame(this.#link, row.link)) {
      this.#fail(row.seq, 'the link does not follow from the row and the link before it');
      return;
    }
    this.#checkHeads();
    if (!isSame(row.digest, row.actual)) this.#changed.set(row.seq, row.actual);
    for (const { seq, digest } of row.erased) this.#announce(seq, digest);
  }

  /** @param head as the lease has it, read before the first row. */
  end(head: Head): ChainReport {
    if (this.#break === undefined) this.#checkEnd(head);
    const [changed] = [...this.#changed].filter(([seq, actual]) => !this.#isAnnounced(seq, actual)).map(([seq]) => seq);
    if (changed !== undefined && changed < (this.#break?.seq ?? Number.POSITIVE_INFINITY)) {
      this.#break = {
        seq: changed,
        detail: 'the events are not those that were committed, and no erasure announced it',
      };
    }
    return {
      rows: this.#rows,
      events: this.events,
      chainedFrom: this.#chainedFrom,
      erasedRows: [...this.#changed].filter(([seq, actual]) => this.#isAnnounced(seq, actual)).length,
      notErasedRows: [...this.#announced.keys()].filter((seq) => !this.#changed.has(seq)).length,
      head: { seq: this.events, link: this.#link },
      firstBreak: this.#break,
    };
  }

  #checkHeads(): void {
    for (const head of this.#heads) {
      if (head.seq === this.events && !isSame(head.link, this.#link)) {
        this.#fail(head.seq, `at event ${head.seq} the chain had another link when it was noted`);
      }
    }
  }

  #checkEnd(head: Head): void {
    const noted = Math.max(0, ...this.#heads.map(({ seq }) => seq));
    if (this.events < noted)
      this.#fail(this.#next, `the journal ends at ${this.events}; it had ${noted} events before`);
    else if (this.events !== head.seq) {
      this.#fail(this.#next, `the journal ends at ${this.events}, its lease says ${head.seq}`);
    } else if (!isSame(head.link, this.#link)) {
      this.#fail(this.events, 'the lease has another link than the last row');
    }
  }

  #announce(seq: number, digest: Uint8Array): void {
    const digests = this.#announced.get(seq);
    if (digests === undefined) this.#announced.set(seq, [digest]);
    else digests.push(digest);
  }

  #isAnnounced(seq: number, actual: Uint8Array): boolean {
    return this.#announced.get(seq)?.some((digest) => isSame(digest, actual)) === true;
  }

  #fail(seq: number, detail: string): void {
    this.#break ??= { seq, detail };
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
