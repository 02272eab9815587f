import { KnownKeys } from './known-keys.js';
import { SnapshotReader, SnapshotWriter } from './snapshot.js';
import { type StateOptions, TenantState } from './state.js';
import type { Instant } from './work-item.js';

/** Items of a part: of 1,000,000 one takes 1 ms of CPU, p99 2 to 3; the last pass takes 4, in a process's first copy 9. */
const itemsAPart = 1250;
/** Slots compared in one slice when few of them have changed: 100,000 take about 0.2 ms. */
const slotsASlice = 100_000;
/** Passes over the table. Copying is some fifty times as fast as the fastest ingest, so that two or three do. */
const passesMax = 12;

/** A part of a copy: items by their slots in the copied table, and slots that hold no item any more. */
export interface CopyPart {
  /** An items chunk of `snapshot.ts`; absent when nothing but `gone` is told. */
  items?: Uint8Array<ArrayBuffer>;
  /** The slot of each item of the chunk. */
  slots: Uint32Array<ArrayBuffer>;
  gone: Uint32Array<ArrayBuffer>;
  /** Only in the last part: the settings chunk, and the number of the last event that the copy contains. */
  end?: { settings: Uint8Array<ArrayBuffer>; seq: number };
}

/**
 * Copies a state's columns as they are at ONE instant, in slices, while the state goes on changing: a first pass over the
 * table copies everything, each further one what has changed since it was copied (an item's version says so, and its
 * `seq` when the slot has another item), until so little is left that the last pass fits into one turn. Costs the live
 * state nothing between the slices: it is not told that somebody copies.
 */
export class StateCopier {
  readonly #state: TenantState;
  readonly #writer: SnapshotWriter;
  readonly #itemsMax: number;
  /** What was copied last of each slot; seq -1 when it was free. */
  #seqs = new Float64Array(0);
  #versions = new Uint32Array(0);
  #slot = 0;
  #pass = 0;
  /** Items copied in this pass. */
  #copied = 0;

  /** @param itemsMax items of one part, and of the last pass. */
  constructor(state: TenantState, itemsMax = itemsAPart) {
    this.#state = state;
    this.#writer = new SnapshotWriter(state);
    this.#itemsMax = itemsMax;
  }

  /**
   * The next part, of which the one with `end` is the last. Undefined when the state changes faster than it can be
   * copied.
   */
  slice(): CopyPart | undefined {
    const { table } = this.#state;
    if (this.#slot >= table.slotEnd) {
      if (this.#pass > passesMax) return undefined;
      if (this.#pass > 0 && this.#copied <= this.#itemsMax) return this.#last();
      this.#slot = 0;
      this.#copied = 0;
      this.#pass++;
    }
    return this.#scan(Math.min(table.slotEnd, this.#slot + slotsASlice), this.#itemsMax);
  }

  /** Everything that is still missing, and with it the instant for which the copy stands. */
  #last(): CopyPart {
    this.#slot = 0;
    const part = this.#scan(this.#state.table.slotEnd, Number.POSITIVE_INFINITY);
    const [settings] = new SnapshotWriter(this.#state).chunks;
    return { ...part, end: { settings: new Uint8Array(settings), seq: this.#state.seq } };
  }

  #scan(end: number, itemsMax: number): CopyPart {
    this.#makeRoom();
    const { seq, version } = this.#state.table;
    const [seqs, versions] = [this.#seqs, this.#versions];
    const slots: number[] = [];
    const gone: number[] = [];
    let slot = this.#slot;
    for (; slot < end && slots.length < itemsMax; slot++) {
      const now = seq[slot];
      if (now === seqs[slot] && (now < 0 || version[slot] === versions[slot])) continue;
      seqs[slot] = now;
      versions[slot] = version[slot];
      (now < 0 ? gone : slots).push(slot);
    }
    this.#slot = slot;
    this.#copied += slots.length;
    return {
      ...(slots.length > 0 && { items: this.#writer.pack(slots) }),
      slots: Uint32Array.from(slots),
      gone: Uint32Array.from(gone),
    };
  }

  #makeRoom(): void {
    const { length } = this.#state.table.seq;
    if (this.#seqs.length >= length) return;
    const seqs = new Float64Array(length).fill(-1, this.#seqs.length);
    const versions = new Uint32Array(length);
    seqs.set(this.#seqs);
    versions.set(this.#versions);
    this.#seqs = seqs;
    this.#versions = versions;
  }
}

/** The parts of a copy on the receiver's side; makes as many states of them as are needed. */
export class StateCopy {
  readonly #chunks: { items: Uint8Array; slots: Uint32Array }[] = [];
  /** Number of the chunk, from 1, that was the last to tell of each slot of the copied table; 0 = it is free. */
  #newest = new Uint32Array(1024);
  #end: CopyPart['end'];

  add({ items, slots, gone, end }: CopyPart): void {
    if (items !== undefined) this.#chunks.push({ items, slots });
    for (const slot of slots) this.#tell(slot, this.#chunks.length);
    for (const slot of gone) this.#tell(slot, 0);
    this.#end = end;
  }

  /** Whether the last part has come. */
  get isWhole(): boolean {
    return this.#end !== undefined;
  }

  /** Number of the last event that the copy contains. */
  get seq(): number {
    return this.#end?.seq ?? 0;
  }

  /**
   * A state of its own, with its order as of `at`. States of the same copy have the same items in the same slots. It has
   * no documents and knows no captureIds: it is for looking at the order and for deciding what needs neither.
   */
  open(options: StateOptions, at: Instant): TenantState {
    if (this.#end === undefined) throw new Error('the copy is not whole');
    const state = new TenantState(options);
    const reader = new SnapshotReader(state);
    reader.read(this.#end.settings);
    this.#chunks.forEach(({ items, slots }, index) => {
      reader.read(items, (i) => this.#newest[slots[i]] === index + 1);
    });
    reader.end(at, new KnownKeys());
    state.seq = this.#end.seq;
    return state;
  }

  #tell(slot: number, chunk: number): void {
    if (slot >= this.#newest.length) {
      const longer = new Uint32Array(Math.max(slot + 1, this.#newest.length * 2));
      longer.set(this.#newest);
      this.#newest = longer;
    }
    this.#newest[slot] = chunk;
  }
}
