import { Packr } from 'msgpackr';
import { KnownKeys } from './known-keys.js';
import type { FilterChange } from './saved-filter.js';
import type { Settings } from './settings.js';
import type { TenantState } from './state.js';
import type { Instant } from './work-item.js';

/** Grows with every change of what a chunk holds; a snapshot of another format is not read. */
export const snapshotFormat = 5;
/** Open items of one chunk: about 90 bytes each, so that a chunk stays below 256 KB. */
export const chunkItems = 2500;
const knownBytesAChunk = 240 * 1024;

const floats = ['created', 'activation', 'due', 'expiration', 'seq', 'businessValue'] as const;
const integers = ['version'] as const;
const texts = ['category', 'segment', 'agent'] as const;

interface ItemsChunk {
  kind: 'items';
  count: number;
  ids: Uint8Array;
  status: Uint8Array;
  /** The texts that this chunk's `category`, `segment` and `agent` columns point into; 0 is none. */
  dictionary: string[];
  columns: Record<string, Uint8Array>;
  /** Row of the chunk, millionths, until when (NaN: for ever) of each item with an override. */
  overrides: [row: number, units: number, until: number][];
  /** Row of the chunk and milliseconds of each item whose clock was stopped. */
  stopped: [row: number, ms: number][];
}

interface SettingsChunk {
  kind: 'settings';
  settings: Settings;
  filters: readonly FilterChange[];
}

interface KnownChunk {
  kind: 'known';
  layer: number;
  offset: number;
  total: number;
  bytes: Uint8Array;
}

type Chunk = ItemsChunk | SettingsChunk | KnownChunk;

const packr = new Packr({ useRecords: false, copyBuffers: true });

/**
 * Copies the state's columns into chunks, a bounded slice a call, while the state goes on changing: each item is as it
 * was when its slot was copied. Replaying the journal from the seq at which the first slice was taken makes it exact,
 * because `apply` skips what an item's version says it has seen. Documents are not in it: the tables have them.
 */
export class SnapshotWriter {
  readonly #state: TenantState;
  readonly #itemsMax: number;
  readonly chunks: Uint8Array[] = [];
  itemCount = 0;
  bytes = 0;
  #slot = 0;

  /** @param itemsMax open items of one chunk. */
  constructor(state: TenantState, itemsMax = chunkItems) {
    this.#state = state;
    this.#itemsMax = itemsMax;
    this.#add({ kind: 'settings', settings: state.settings, filters: state.filters.changes });
  }

  /** Copies the next slots; true when all are copied. */
  slice(): boolean {
    const { table } = this.#state;
    const slots: number[] = [];
    while (this.#slot < table.slotEnd && slots.length < this.#itemsMax) {
      if (table.isOpen(this.#slot)) slots.push(this.#slot);
      this.#slot++;
    }
    if (slots.length > 0) this.#add(this.#itemsChunk(slots));
    if (this.#slot < table.slotEnd) return false;
    this.#addKnown();
    return true;
  }

  /** A chunk of these items by itself, in a buffer of its own, so that it can be transferred. */
  pack(slots: readonly number[]): Uint8Array<ArrayBuffer> {
    return new Uint8Array(packr.pack(this.#itemsChunk(slots)));
  }

  #itemsChunk(slots: readonly number[]): ItemsChunk {
    const { table } = this.#state;
    const count = slots.length;
    const ids = new Uint32Array(count * 4);
    const status = new Uint8Array(count);
    slots.forEach((slot, i) => {
      for (let word = 0; word < 4; word++) ids[i * 4 + word] = table.idWords[slot * 4 + word];
      status[i] = table.status[slot];
    });
    const columns: Record<string, Uint8Array> = {};
    for (const name of floats) columns[name] = bytesOf(Float64Array.from(slots, (slot) => table[name][slot]));
    for (const name of integers) columns[name] = bytesOf(Uint32Array.from(slots, (slot) => table[name][slot]));
    const dictionary = [''];
    const indexes = new Map<string, number>([['', 0]]);
    const interners = { category: table.categories, segment: table.segments, agent: table.agents };
    for (const name of texts) {
      const indexOf = (slot: number) => {
        const text = interners[name].textOf(table[name][slot]);
        let index = indexes.get(text);
        if (index === undefined) {
          index = dictionary.push(text) - 1;
          indexes.set(text, index);
        }
        return index;
      };
      columns[name] = bytesOf(Uint32Array.from(slots, indexOf));
    }
    this.itemCount += count;
    const sparse = { overrides: this.#overrides(slots), stopped: this.#stopped(slots) };
    return { kind: 'items', count, ids: bytesOf(ids), status, dictionary, columns, ...sparse };
  }

  #stopped(slots: readonly number[]): ItemsChunk['stopped'] {
    const { stopped } = this.#state.table;
    if (stopped.size === 0) return [];
    return slots.flatMap((slot, row) => {
      const ms = stopped.get(slot);
      return ms === undefined ? [] : [[row, ms] as [number, number]];
    });
  }

  #overrides(slots: readonly number[]): ItemsChunk['overrides'] {
    const { overrides } = this.#state.table;
    if (overrides.size === 0) return [];
    return slots.flatMap((slot, row) => {
      const override = overrides.get(slot);
      return override === undefined ? [] : [[row, override.units, override.until] as [number, number, number]];
    });
  }

  #addKnown(): void {
    this.#state.known.toBuffers().forEach((buffer, layer) => {
      for (let offset = 0; offset < buffer.byteLength; offset += knownBytesAChunk) {
        const bytes = buffer.subarray(offset, offset + knownBytesAChunk);
        this.#add({ kind: 'known', layer, offset, total: buffer.byteLength, bytes });
      }
    });
  }

  #add(chunk: Chunk): void {
    const packed = packr.pack(chunk);
    this.chunks.push(packed);
    this.bytes += packed.byteLength;
  }
}

/** Reads chunks back, in the order in which they were written, into a fresh state. Throws on anything unexpected. */
export class SnapshotReader {
  readonly #state: TenantState;
  readonly #known: Uint8Array[] = [];
  readonly #slots: number[] = [];

  constructor(state: TenantState) {
    this.#state = state;
  }

  /** `isWanted` says which items of a chunk are read, by their place in it; all without it. */
  read(packed: Uint8Array, isWanted?: (index: number) => boolean): void {
    const chunk = packr.unpack(packed) as Chunk;
    if (chunk.kind === 'settings') this.#settings(chunk);
    else if (chunk.kind === 'items') this.#items(chunk, isWanted);
    else if (chunk.kind === 'known') this.#knownPart(chunk);
    else throw new Error('a chunk of unknown kind');
  }

  /** All chunks are read: the items take their places in the order. A copy has no filter of known keys: hand one in. */
  end(now: Instant, known = KnownKeys.fromBuffers(this.#known)): void {
    if (known === undefined) throw new Error('the filter of known keys is damaged');
    this.#state.admit(this.#slots, known, now);
  }

  #settings(chunk: SettingsChunk): void {
    this.#state.restoreSettings(chunk.settings);
    this.#state.filters.restore(chunk.filters);
  }

  #items(chunk: ItemsChunk, isWanted?: (index: number) => boolean): void {
    const { table } = this.#state;
    const { count, status, dictionary } = chunk;
    const ids = new Uint32Array(copyOf(chunk.ids, count * 16));
    const stopped = new Map(chunk.stopped);
    const columns: Record<string, Float64Array | Uint32Array> = {};
    for (const name of floats) columns[name] = new Float64Array(copyOf(chunk.columns[name], count * 8));
    for (const name of [...integers, ...texts]) columns[name] = new Uint32Array(copyOf(chunk.columns[name], count * 4));
    const slots = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      if (isWanted?.(i) === false) continue;
      const { size } = table;
      // An item that was restarted while the snapshot was taken is in it twice, newest last.
      const slot = table.slotOfWords(ids[i * 4], ids[i * 4 + 1], ids[i * 4 + 2], ids[i * 4 + 3]);
      if (table.size > size) this.#slots.push(slot);
      for (const name of floats) table[name][slot] = columns[name][i];
      table.version[slot] = columns.version[i];
      table.status[slot] = status[i];
      table.setCategory(slot, dictionary[columns.category[i]] || undefined);
      table.setSegment(slot, dictionary[columns.segment[i]] || undefined);
      table.setAgent(slot, dictionary[columns.agent[i]] || undefined);
      table.setStopped(slot, stopped.get(i));
      if (table.overrides.size > 0) table.overrides.delete(slot);
      slots[i] = slot;
    }
    for (const [row, units, until] of chunk.overrides) {
      if (isWanted?.(row) !== false) table.overrides.set(slots[row], units, until);
    }
  }

  #knownPart({ layer, offset, total, bytes }: KnownChunk): void {
    this.#known[layer] ??= new Uint8Array(total);
    this.#known[layer].set(bytes, offset);
  }
}

function bytesOf(array: Float64Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** The bytes in a buffer of their own, so that they can be seen as numbers; their count must be right. */
function copyOf(bytes: Uint8Array, length: number): ArrayBuffer {
  if (bytes?.byteLength !== length) throw new Error('a column has the wrong length');
  return bytes.slice().buffer as ArrayBuffer;
}
