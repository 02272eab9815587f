import { compareProducts, compareValues, type Segment } from './curve.js';
import { type ItemTable, nextCapacity } from './item-table.js';
import type { Places } from './places.js';
import type { Scorer } from './scorer.js';

const capacityMin = 16;
/** From here on a heap grows ahead of need, one array a step, and gives memory back when it empties. */
const steppedMin = 65_536;
/** `ordered` of a heap that is only being filled; 31 bits, so that V8 keeps the field a small integer. */
export const loose = 0x7fff_ffff;
/** Keys count time from here: near today's times, lines need fewer bits. */
export const keyEpoch = Date.UTC(2025, 0, 1);
/**
 * Bounds |origin - keyEpoch| and half of |t - offset - keyEpoch| for all times that the engine takes, of the world and
 * of calendars: business time counts from 2020 and no faster.
 */
const timeSpanMax = 7.4e12;
const roundOff = 2 ** -53;
/** Second keys of items without a due date lie behind those of all others. */
export const noDue = 1e15;

/**
 * The items of one lane that are inside the same segment of the same schema's curve: they never change places, so the
 * keys are static. An indexed 4-ary heap: `keys` holds (key, tie) by position, `slots` the slot, `places.position` the
 * way back. The key is the score without what all members share (S for a constant, S - slope * origin for a line); the
 * tie is the due date, or far behind all due dates the creation time.
 *
 * Exactness: a line's keys are rounded doubles. `tolerance` bounds the error of a key's difference, and of a value
 * `key + lift`: k takes 2 roundings of slope * time and 1 of the difference, lift 2 and 1, their sum 1, which is below
 * 16 u (|slope| * timeSpanMax + staticMax + |base|) with u = 2^-53. Whatever is nearer than that is compared exactly,
 * on whole numbers. A constant's keys are exact integers and its tolerance is 0.
 *
 * `ordered`: positions from here on are roots of proper heaps. 0 = the whole is one. While an order is being built it
 * shrinks towards 0 in slices, and pushes and removals already work: an entry rises only inside the ordered part.
 */
export class PriorityHeap {
  readonly number: number;
  readonly lane: number;
  readonly schema: number;
  readonly segment: Segment;
  size = 0;
  keys = new Float64Array(capacityMin * 2);
  slots = new Uint32Array(capacityMin);
  /** Add to a key for the value at the instant of the last `liftTo`. */
  lift = 0;
  readonly tolerance: number;
  /** Items of a rebuild's sample that will come into this heap. */
  expected = 0;
  private ordered = 0;
  readonly slope: number;
  private readonly table: ItemTable;
  private readonly scorer: Scorer;
  private readonly places: Places;

  constructor(
    owner: { table: ItemTable; scorer: Scorer; places: Places; loose: boolean },
    at: { number: number; lane: number; schema: number; segment: number },
  ) {
    const schema = owner.scorer.schemas[at.schema];
    const segment = schema.segments[at.segment];
    this.table = owner.table;
    this.scorer = owner.scorer;
    this.places = owner.places;
    this.number = at.number;
    this.lane = at.lane;
    this.schema = at.schema;
    this.segment = segment;
    this.slope = segment.rise / segment.span;
    const magnitude = Math.abs(this.slope) * timeSpanMax + schema.staticMax + Math.abs(segment.base);
    this.tolerance = segment.rise === 0 ? 0 : 16 * roundOff * magnitude;
    if (owner.loose) this.ordered = loose;
  }

  get bytes(): number {
    return this.keys.byteLength + this.slots.byteLength;
  }

  push(slot: number): void {
    if (this.size === this.slots.length) this.resize(nextCapacity(this.size));
    const position = this.size++;
    this.write(position, slot);
    this.rise(position);
  }

  /** Reads nothing of the removed slot's columns: they may have changed already. */
  removeAt(position: number): void {
    const { keys, slots } = this;
    const last = --this.size;
    if (position !== last) {
      keys[2 * position] = keys[2 * last];
      keys[2 * position + 1] = keys[2 * last + 1];
      slots[position] = slots[last];
      this.places.position[slots[position]] = position;
      this.settle(position);
    }
    if (last * 4 < slots.length && slots.length >= steppedMin) this.resize(last * 2);
  }

  /** The slot at the position has other columns now. */
  updateAt(position: number): void {
    this.write(position, this.slots[position]);
    this.settle(position);
  }

  /** Orders at most `nodesMax` more positions of a loosely filled heap; returns how many it did, 0 when it is whole. */
  tighten(nodesMax: number): number {
    const { size } = this;
    if (this.ordered === loose) this.ordered = size < 2 ? 0 : ((size - 2) >> 2) + 1;
    const from = this.ordered;
    const to = Math.max(0, from - nodesMax);
    for (let position = from - 1; position >= to; position--) {
      this.ordered = position;
      // Entries may have left since this was counted.
      if (position < size) this.sink(position);
    }
    return from - to;
  }

  /** Makes the heap's entries loose again, to fill it in bulk. */
  loosen(): void {
    this.ordered = loose;
  }

  reserve(count: number): void {
    if (count > this.slots.length) this.resize(count);
  }

  /** One bounded step of growing ahead of need; false when there is nothing to do. */
  growStep(): boolean {
    const capacity = this.slots.length;
    if (capacity < steppedMin || this.size <= capacity - (capacity >> 4)) return false;
    const longer = nextCapacity(capacity);
    if (this.keys.length < longer * 2) this.keys = copied(this.keys, new Float64Array(longer * 2));
    else this.slots = copied(this.slots, new Uint32Array(longer));
    return true;
  }

  /** Sets `lift` for the instant: the value of the entry at a position is keys[2 * position] + lift. */
  liftTo(t: number): void {
    const { base, offset, rise } = this.segment;
    this.lift = rise === 0 ? base : base + this.slope * (this.scorer.timeOf(this.schema, t) - offset - keyEpoch);
  }

  /**
   * Whether slot `a` of this heap comes before slot `b` of `other`, when their values at t are too near for doubles.
   */
  nearAheadAcross(a: number, other: PriorityHeap, b: number, t: number): boolean {
    const { scorer } = this;
    const order = compareValues(
      this.segment,
      scorer.timeOf(this.schema, t) - scorer.originOf(this.schema, a),
      scorer.staticOf(this.schema, a),
      other.segment,
      scorer.timeOf(other.schema, t) - scorer.originOf(other.schema, b),
      scorer.staticOf(other.schema, b),
    );
    if (order !== 0) return order > 0;
    return this.tieAhead(a, b);
  }

  private write(position: number, slot: number): void {
    const { keys, scorer } = this;
    const fixed = scorer.staticOf(this.schema, slot);
    // Only a line asks for the origin: a constant also holds the items that have none.
    keys[2 * position] =
      this.slope === 0 ? fixed : fixed - this.slope * (scorer.originOf(this.schema, slot) - keyEpoch);
    keys[2 * position + 1] = this.tieOf(slot);
    this.slots[position] = slot;
    this.places.position[slot] = position;
  }

  private tieOf(slot: number): number {
    const due = this.table.due[slot];
    return Number.isNaN(due) ? noDue + this.table.created[slot] : due;
  }

  /** Whether `a` comes before `b` on a line when their keys differ by no more than `tolerance`. */
  private nearAhead(a: number, b: number): boolean {
    const { scorer, schema, segment } = this;
    const richer = scorer.staticOf(schema, a) - scorer.staticOf(schema, b);
    const younger = scorer.originOf(schema, a) - scorer.originOf(schema, b);
    if (richer !== 0 || younger !== 0) {
      const order = compareProducts(richer, segment.span, segment.rise, younger);
      if (order !== 0) return order > 0;
    }
    return this.tieAhead(a, b);
  }

  private tieAhead(a: number, b: number): boolean {
    const tieA = this.tieOf(a);
    const tieB = this.tieOf(b);
    return tieA === tieB ? this.lastTie(a, b) : tieA < tieB;
  }

  private lastTie(a: number, b: number): boolean {
    const { created, seq } = this.table;
    return created[a] === created[b] ? seq[a] < seq[b] : created[a] < created[b];
  }

  /** Brings an entry that was written over another one to its place. */
  private settle(position: number): void {
    if (!this.rise(position)) this.sink(position);
  }

  /*
   * rise and sink compare in place, not by a shared function: a double handed to a function that is not inlined is
   * allocated. Ties of constants, the common case, are settled by the second key; near lines by `nearAhead`.
   */

  /** Lets the entry rise inside the ordered part; false when it is where it belongs or may sink. */
  private rise(from: number): boolean {
    const { keys, slots, tolerance, ordered } = this;
    const places = this.places.position;
    const key = keys[2 * from];
    const tie = keys[2 * from + 1];
    const slot = slots[from];
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (parent < ordered) break;
      const lead = key - keys[2 * parent];
      if (lead < -tolerance) break;
      if (lead <= tolerance) {
        const rival = keys[2 * parent + 1];
        if (tolerance !== 0 ? !this.nearAhead(slot, slots[parent]) : tie > rival) break;
        if (tolerance === 0 && tie === rival && !this.lastTie(slot, slots[parent])) break;
      }
      keys[2 * hole] = keys[2 * parent];
      keys[2 * hole + 1] = keys[2 * parent + 1];
      slots[hole] = slots[parent];
      places[slots[hole]] = hole;
      hole = parent;
    }
    if (hole === from) return false;
    keys[2 * hole] = key;
    keys[2 * hole + 1] = tie;
    slots[hole] = slot;
    places[slot] = hole;
    return true;
  }

  private sink(from: number): void {
    const { keys, slots, tolerance } = this;
    const places = this.places.position;
    const key = keys[2 * from];
    const tie = keys[2 * from + 1];
    const slot = slots[from];
    let hole = from;
    for (let child = this.bestChild(hole); child > 0; child = this.bestChild(hole)) {
      const lead = key - keys[2 * child];
      if (lead > tolerance) break;
      if (lead >= -tolerance) {
        const rival = keys[2 * child + 1];
        if (tolerance !== 0 ? this.nearAhead(slot, slots[child]) : tie < rival) break;
        if (tolerance === 0 && tie === rival && this.lastTie(slot, slots[child])) break;
      }
      keys[2 * hole] = keys[2 * child];
      keys[2 * hole + 1] = keys[2 * child + 1];
      slots[hole] = slots[child];
      places[slots[hole]] = hole;
      hole = child;
    }
    if (hole === from) return;
    keys[2 * hole] = key;
    keys[2 * hole + 1] = tie;
    slots[hole] = slot;
    places[slot] = hole;
  }

  /** Position of the best child, 0 when there is none. */
  private bestChild(position: number): number {
    const { keys, slots, size, tolerance } = this;
    const first = 4 * position + 1;
    if (first >= size) return 0;
    const end = Math.min(first + 4, size);
    let best = first;
    for (let rival = first + 1; rival < end; rival++) {
      const lead = keys[2 * rival] - keys[2 * best];
      if (lead < -tolerance) continue;
      if (lead <= tolerance) {
        const later = keys[2 * rival + 1] - keys[2 * best + 1];
        if (tolerance !== 0 ? !this.nearAhead(slots[rival], slots[best]) : later > 0) continue;
        if (tolerance === 0 && later === 0 && !this.lastTie(slots[rival], slots[best])) continue;
      }
      best = rival;
    }
    return best;
  }

  private resize(count: number): void {
    const capacity = Math.max(count, capacityMin);
    this.keys = copied(this.keys.subarray(0, 2 * this.size), new Float64Array(capacity * 2));
    this.slots = copied(this.slots.subarray(0, this.size), new Uint32Array(capacity));
  }
}

function copied<T extends Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
