import assert from 'node:assert/strict';
import { Interner } from './interner.js';
import { Overrides } from './overrides.js';
import { SlotIndex } from './slot-index.js';
import { formatUuid, hashUuid, parseUuid } from './uuid.js';
import type { Instant } from './work-item.js';

const capacityMin = 1024;
/** Tables below this double, at once: 3 ms at most. Above, memory counts: a fifth more, one column a step. */
const doublingMax = 65_536;

/** A column that another part keeps by slot and that must grow with the table, such as the queue's places. */
export interface SlotColumn {
  readonly length: number;
  grow(capacity: number): void;
}

/** Capacity after `capacity`: worst case 22 % unused just after growing at 15/16 full. */
export function nextCapacity(capacity: number): number {
  return capacity < doublingMax ? capacity * 2 : Math.ceil((capacity * 1.2) / 1024) * 1024;
}

/**
 * The scheduling state of every OPEN item as a struct of arrays: one slot an item, the slot never moves, a removed
 * item's slot is used again. Whoever owns the tenant writes; nobody else sees it. Columns are replaced when they grow:
 * read them as `table.due[slot]`, keep no reference over a turn. Absent times are NaN, absent texts 0.
 *
 * Category, segment and agent are counted numbers of `categories`, `segments`, `agents`: written by `set...` only.
 * A category's number is never given to another path, because rules and schemas are cached by it.
 */
export class ItemTable {
  created = new Float64Array(capacityMin);
  activation = new Float64Array(capacityMin);
  due = new Float64Array(capacityMin);
  expiration = new Float64Array(capacityMin);
  /** Journal number of the item's creation; -1 marks a free slot. */
  seq = new Float64Array(capacityMin);
  /** 0 = absent. */
  businessValue = new Float64Array(capacityMin);
  version = new Uint32Array(capacityMin);
  /** Index in `statuses`. */
  status = new Uint8Array(capacityMin);
  category = new Uint32Array(capacityMin);
  segment = new Uint32Array(capacityMin);
  agent = new Uint32Array(capacityMin);
  /** Four words an item, big-endian. */
  idWords = new Uint32Array(capacityMin * 4);
  idHash = new Uint32Array(capacityMin);

  readonly overrides = new Overrides();
  readonly categories = new Interner();
  readonly segments = new Interner();
  readonly agents = new Interner();
  /** For how long the clocks of items were stopped, by slot: only those that were. */
  readonly stopped = new Map<number, number>();

  private readonly ids = new SlotIndex(this.idHash);
  private readonly columns: SlotColumn[] = columnNames.map((name) => ownColumn(this, name));
  private readonly words = new Uint32Array(4);
  private used = 0;
  private open = 0;
  private freeHead = -1;
  private slots = capacityMin;

  /** Open items. */
  get size(): number {
    return this.open;
  }

  /** Slots that can be used without growing. */
  get capacity(): number {
    return this.slots;
  }

  /** Every open item's slot is below this; slots below it may be free (see `isOpen`). */
  get slotEnd(): number {
    return this.used;
  }

  isOpen(slot: number): boolean {
    return slot < this.used && this.seq[slot] >= 0;
  }

  /** A slot with empty columns for a new id. Throws on a text that is no UUID and on an id that is open already. */
  add(id: string): number {
    assert(parseUuid(id, this.words), 'an item id is a UUID');
    const [w0, w1, w2, w3] = this.words;
    return this.addWords(w0, w1, w2, w3);
  }

  /** `add` for an id that is at hand as four words, as snapshots keep it. */
  addWords(w0: number, w1: number, w2: number, w3: number): number {
    const hash = hashUuid(w0, w1, w2, w3);
    assert(this.findWords(hash, w0, w1, w2, w3) < 0, 'an id is open once');
    return this.insertWords(hash, w0, w1, w2, w3);
  }

  /** The slot of an id as four words: the one that it has, or a new one with empty columns (`size` tells which). */
  slotOfWords(w0: number, w1: number, w2: number, w3: number): number {
    const hash = hashUuid(w0, w1, w2, w3);
    const slot = this.findWords(hash, w0, w1, w2, w3);
    return slot >= 0 ? slot : this.insertWords(hash, w0, w1, w2, w3);
  }

  private insertWords(hash: number, w0: number, w1: number, w2: number, w3: number): number {
    const slot = this.takeSlot();
    const at = slot * 4;
    this.idWords[at] = w0;
    this.idWords[at + 1] = w1;
    this.idWords[at + 2] = w2;
    this.idWords[at + 3] = w3;
    this.idHash[slot] = hash;
    this.ids.insert(slot);
    this.clear(slot);
    this.open++;
    return slot;
  }

  /** The slot must have left the queue before. */
  remove(slot: number): void {
    assert(this.isOpen(slot), 'only an open item is removed');
    this.ids.remove(slot);
    this.setSegment(slot, undefined);
    this.setAgent(slot, undefined);
    if (this.overrides.size > 0) this.overrides.delete(slot);
    this.setStopped(slot, undefined);
    this.seq[slot] = -1;
    this.version[slot] = this.freeHead + 1;
    this.freeHead = slot;
    this.open--;
  }

  /** The open item's slot, or -1. */
  find(id: string): number {
    const words = this.words;
    if (!parseUuid(id, words)) return -1;
    const hash = hashUuid(words[0], words[1], words[2], words[3]);
    return this.findWords(hash, words[0], words[1], words[2], words[3]);
  }

  /** Lower-case text. */
  idOf(slot: number): string {
    const words = this.idWords;
    const at = slot * 4;
    return formatUuid(words[at], words[at + 1], words[at + 2], words[at + 3]);
  }

  setStopped(slot: number, ms: number | undefined): void {
    if (ms !== undefined) this.stopped.set(slot, ms);
    else if (this.stopped.size > 0) this.stopped.delete(slot);
  }

  setCategory(slot: number, path: string | undefined): void {
    this.category[slot] = path === undefined ? 0 : this.categories.find(path) || this.categories.acquire(path);
  }

  setSegment(slot: number, text: string | undefined): void {
    const before = this.segment[slot];
    this.segment[slot] = text === undefined ? 0 : this.segments.acquire(text);
    this.segments.release(before);
  }

  setAgent(slot: number, text: string | undefined): void {
    const before = this.agent[slot];
    this.agent[slot] = text === undefined ? 0 : this.agents.acquire(text);
    this.agents.release(before);
  }

  setTimes(slot: number, times: { created: Instant; activation?: Instant; due?: Instant; expiration?: Instant }): void {
    this.created[slot] = times.created;
    this.activation[slot] = times.activation ?? Number.NaN;
    this.due[slot] = times.due ?? Number.NaN;
    this.expiration[slot] = times.expiration ?? Number.NaN;
  }

  /** Lets another part's column grow with the table; the returned function lets it go. */
  attach(column: SlotColumn): () => void {
    this.columns.push(column);
    return () => {
      const at = this.columns.indexOf(column);
      if (at >= 0) this.columns.splice(at, 1);
    };
  }

  /** Length that an attached column needs now: more than `capacity` while the table is growing. */
  get columnLength(): number {
    return this.target();
  }

  /**
   * One bounded step of growing when the table gets full (one column, or a slice of an index); false when there is
   * nothing to do. Call it once a turn: only a burst that fills the last sixteenth in fewer turns pays all at once.
   */
  growStep(): boolean {
    if (this.target() > this.slots) {
      this.growColumn();
      return true;
    }
    return this.ids.growStep();
  }

  /** Makes room for `count` items in all, at once: for a recovery that knows how many will come. */
  reserve(count: number): void {
    if (count > this.slots) this.growTo(Math.ceil(count / 1024) * 1024);
    this.ids.reserve(count);
  }

  private target(): number {
    return this.open > this.slots - (this.slots >> 4) ? nextCapacity(this.slots) : this.slots;
  }

  private growColumn(): void {
    const target = this.target();
    for (const column of this.columns) {
      if (column.length >= target) continue;
      column.grow(target);
      this.shareHashes();
      return;
    }
    this.slots = target;
  }

  private growTo(capacity: number): void {
    for (const column of this.columns) if (column.length < capacity) column.grow(capacity);
    this.shareHashes();
    this.slots = capacity;
  }

  private shareHashes(): void {
    this.ids.hashes = this.idHash;
  }

  private takeSlot(): number {
    if (this.freeHead >= 0) {
      const slot = this.freeHead;
      this.freeHead = this.version[slot] - 1;
      return slot;
    }
    if (this.used === this.slots) this.growTo(nextCapacity(this.slots));
    return this.used++;
  }

  private clear(slot: number): void {
    this.created[slot] = 0;
    this.activation[slot] = Number.NaN;
    this.due[slot] = Number.NaN;
    this.expiration[slot] = Number.NaN;
    this.seq[slot] = 0;
    this.businessValue[slot] = 0;
    this.version[slot] = 0;
    this.status[slot] = 0;
    this.category[slot] = 0;
    this.segment[slot] = 0;
    this.agent[slot] = 0;
  }

  private findWords(hash: number, w0: number, w1: number, w2: number, w3: number): number {
    const words = this.idWords;
    for (let slot = this.ids.first(hash); slot >= 0; slot = this.ids.another()) {
      const at = slot * 4;
      if (words[at + 3] === w3 && words[at + 2] === w2 && words[at + 1] === w1 && words[at] === w0) return slot;
    }
    return -1;
  }
}

type ColumnName = {
  [K in keyof ItemTable]: ItemTable[K] extends Float64Array | Uint32Array | Uint8Array ? K : never;
}[keyof ItemTable];

const columnNames = [
  'created',
  'activation',
  'due',
  'expiration',
  'seq',
  'businessValue',
  'version',
  'status',
  'category',
  'segment',
  'agent',
  'idHash',
  'idWords',
] as const satisfies ColumnName[];

/** The array with zeros behind it. */
export function grown<T extends Float64Array | Uint32Array | Uint8Array>(array: T, length: number): T {
  const longer = new (array.constructor as new (length: number) => T)(length);
  longer.set(array);
  return longer;
}

function ownColumn<K extends ColumnName>(table: ItemTable, name: K): SlotColumn {
  const perSlot = name === 'idWords' ? 4 : 1;
  return {
    get length() {
      return table[name].length / perSlot;
    },
    grow(capacity) {
      table[name] = grown(table[name], capacity * perSlot);
    },
  };
}
