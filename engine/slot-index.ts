/** Slots that one step of a growing index moves: about 2 ms at 1,000,000 entries, where every probe misses the cache. */
const slotsPerStep = 16_384;
const sizeMin = 16;

/**
 * Hash -> slot(s), open addressing with linear probing on one Uint32Array (slot + 1, 0 = empty). Hashes are not stored
 * here: they are a column of the table, which sets `hashes` anew when it grows the column. A removal shifts the rest of
 * its cluster back, so there are no tombstones and probes stay short for ever.
 *
 * Growth: the doubled table is filled beside the old one, slot by slot. Slots below `moved` are in both, all others in
 * the old one only; lookups use the old one until the swap. Full beyond 80 %, an insert finishes the move at once.
 */
export class SlotIndex {
  hashes: Uint32Array;
  private entries = new Uint32Array(sizeMin);
  private shift = shiftOf(sizeMin);
  private next: Uint32Array<ArrayBuffer> | undefined;
  private moved = 0;
  private count = 0;
  private cursor = 0;
  private sought = 0;

  constructor(hashes: Uint32Array) {
    this.hashes = hashes;
  }

  get size(): number {
    return this.count;
  }

  get bytes(): number {
    return this.entries.byteLength + (this.next?.byteLength ?? 0);
  }

  /** A slot with this hash, or -1; `another` gives the next one. */
  first(hash: number): number {
    this.sought = hash;
    this.cursor = Math.imul(hash, 0x9e3779b1) >>> this.shift;
    return this.probe();
  }

  /** The next slot with the hash of the last `first`, or -1; void after an insert or a removal. */
  another(): number {
    this.cursor = (this.cursor + 1) & (this.entries.length - 1);
    return this.probe();
  }

  private probe(): number {
    const entries = this.entries;
    const hashes = this.hashes;
    const mask = entries.length - 1;
    for (let at = this.cursor; ; at = (at + 1) & mask) {
      const entry = entries[at];
      if (entry === 0) return -1;
      if (hashes[entry - 1] === this.sought) {
        this.cursor = at;
        return entry - 1;
      }
    }
  }

  /** The slot's hash must stand in `hashes` already, and must not change before `remove`. */
  insert(slot: number): void {
    if (this.count + 1 > this.entries.length * 0.8) this.finish();
    this.put(this.entries, this.shift, slot);
    if (this.next !== undefined && slot < this.moved) this.put(this.next, this.shift - 1, slot);
    this.count++;
  }

  remove(slot: number): void {
    const at = this.positionOf(this.entries, this.shift, slot);
    if (at < 0) return;
    this.takeOut(this.entries, this.shift, at);
    if (this.next !== undefined && slot < this.moved) {
      this.takeOut(this.next, this.shift - 1, this.positionOf(this.next, this.shift - 1, slot));
    }
    this.count--;
  }

  /** One bounded step of growing, from 60 % full on; false when there is nothing to do. */
  growStep(): boolean {
    if (this.next === undefined) {
      if (this.count <= this.entries.length * 0.6) return false;
      this.next = new Uint32Array(this.entries.length * 2);
      this.moved = 0;
      return true;
    }
    this.move(Math.min(this.moved + slotsPerStep, this.hashes.length));
    return true;
  }

  /** Makes room for `count` entries in all before they come. */
  reserve(count: number): void {
    while (count > this.entries.length * 0.6) this.finish();
  }

  private finish(): void {
    this.next ??= new Uint32Array(this.entries.length * 2);
    this.move(this.hashes.length);
  }

  private move(slotEnd: number): void {
    const next = this.next!;
    for (let slot = this.moved; slot < slotEnd; slot++) {
      if (this.positionOf(this.entries, this.shift, slot) >= 0) this.put(next, this.shift - 1, slot);
    }
    this.moved = slotEnd;
    if (slotEnd < this.hashes.length) return;
    this.entries = next;
    this.shift--;
    this.next = undefined;
    this.moved = 0;
  }

  private put(entries: Uint32Array, shift: number, slot: number): void {
    const mask = entries.length - 1;
    let at = Math.imul(this.hashes[slot], 0x9e3779b1) >>> shift;
    while (entries[at] !== 0) at = (at + 1) & mask;
    entries[at] = slot + 1;
  }

  private positionOf(entries: Uint32Array, shift: number, slot: number): number {
    const mask = entries.length - 1;
    let at = Math.imul(this.hashes[slot], 0x9e3779b1) >>> shift;
    for (; entries[at] !== slot + 1; at = (at + 1) & mask) if (entries[at] === 0) return -1;
    return at;
  }

  private takeOut(entries: Uint32Array, shift: number, position: number): void {
    const mask = entries.length - 1;
    const hashes = this.hashes;
    let hole = position;
    for (let at = (hole + 1) & mask; entries[at] !== 0; at = (at + 1) & mask) {
      const home = Math.imul(hashes[entries[at] - 1], 0x9e3779b1) >>> shift;
      // An entry may fill the hole unless its home lies behind the hole: it would no longer be found.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = entries[at];
      hole = at;
    }
    entries[hole] = 0;
  }
}

function shiftOf(size: number): number {
  return Math.clz32(size) + 1;
}
