import { loose } from './heap.js';
import { nextCapacity } from './item-table.js';
import type { Places } from './places.js';

const capacityMin = 16;
const steppedMin = 65_536;

/**
 * When each item enters its next segment, earliest first: an indexed 4-ary heap, `places.timer` is the way back.
 * `ordered` as in `PriorityHeap`.
 */
export class TimerHeap {
  size = 0;
  times = new Float64Array(capacityMin);
  slots = new Uint32Array(capacityMin);
  private ordered = 0;
  private readonly places: Places;

  constructor(places: Places) {
    this.places = places;
  }

  get bytes(): number {
    return this.times.byteLength + this.slots.byteLength;
  }

  /** The earliest crossing, Infinity when there is none. */
  get earliest(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.times[0];
  }

  /** Slot of the earliest crossing; the heap must not be empty. */
  get earliestSlot(): number {
    return this.slots[0];
  }

  /** Sets the slot's crossing; Infinity takes it out. */
  set(slot: number, time: number): void {
    const position = this.places.timer[slot] - 1;
    if (time === Number.POSITIVE_INFINITY) {
      if (position >= 0) this.removeAt(slot, position);
      return;
    }
    if (position >= 0) {
      this.times[position] = time;
      this.settle(position);
      return;
    }
    const appended = this.append(slot);
    this.times[appended] = time;
    this.rise(appended);
  }

  /** Orders at most `nodesMax` more positions of a loosely filled heap; returns how many it did, 0 when it is whole. */
  tighten(nodesMax: number): number {
    const { size } = this;
    if (this.ordered === loose) this.ordered = size < 2 ? 0 : ((size - 2) >> 2) + 1;
    const from = this.ordered;
    const to = Math.max(0, from - nodesMax);
    for (let position = from - 1; position >= to; position--) {
      this.ordered = position;
      if (position < size) this.sink(position);
    }
    return from - to;
  }

  loosen(): void {
    this.ordered = loose;
  }

  reserve(count: number): void {
    if (count > this.slots.length) this.resize(count);
  }

  growStep(): boolean {
    const capacity = this.slots.length;
    if (capacity < steppedMin || this.size <= capacity - (capacity >> 4)) return false;
    this.resize(nextCapacity(capacity));
    return true;
  }

  /**
   * Notes the crossing of a slot that has none yet: the caller writes times[the position returned], then calls `rise`.
   * In two calls because a time handed to a function that is not inlined is allocated.
   */
  append(slot: number): number {
    if (this.size === this.slots.length) this.resize(nextCapacity(this.size));
    const position = this.size++;
    this.slots[position] = slot;
    this.places.timer[slot] = position + 1;
    return position;
  }

  private removeAt(slot: number, position: number): void {
    this.places.timer[slot] = 0;
    const last = --this.size;
    if (position !== last) {
      this.times[position] = this.times[last];
      this.slots[position] = this.slots[last];
      this.places.timer[this.slots[position]] = position + 1;
      this.settle(position);
    }
    if (last * 4 < this.slots.length && this.slots.length >= steppedMin) this.resize(last * 2);
  }

  private settle(position: number): void {
    if (!this.rise(position)) this.sink(position);
  }

  /** Lets the entry rise inside the ordered part; false when it is where it belongs or may sink. */
  rise(from: number): boolean {
    const { times, slots, ordered } = this;
    const places = this.places.timer;
    const time = times[from];
    const slot = slots[from];
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (parent < ordered || times[parent] <= time) break;
      times[hole] = times[parent];
      slots[hole] = slots[parent];
      places[slots[hole]] = hole + 1;
      hole = parent;
    }
    if (hole === from) return false;
    times[hole] = time;
    slots[hole] = slot;
    places[slot] = hole + 1;
    return true;
  }

  private sink(from: number): void {
    const { times, slots, size } = this;
    const places = this.places.timer;
    const time = times[from];
    const slot = slots[from];
    let hole = from;
    for (let child = 4 * hole + 1; child < size; child = 4 * hole + 1) {
      const end = Math.min(child + 4, size);
      let best = child;
      for (let rival = child + 1; rival < end; rival++) if (times[rival] < times[best]) best = rival;
      if (time <= times[best]) break;
      times[hole] = times[best];
      slots[hole] = slots[best];
      places[slots[hole]] = hole + 1;
      hole = best;
    }
    if (hole === from) return;
    times[hole] = time;
    slots[hole] = slot;
    places[slot] = hole + 1;
  }

  private resize(count: number): void {
    const capacity = Math.max(count, capacityMin);
    const times = new Float64Array(capacity);
    times.set(this.times.subarray(0, this.size));
    const slots = new Uint32Array(capacity);
    slots.set(this.slots.subarray(0, this.size));
    this.times = times;
    this.slots = slots;
  }
}
