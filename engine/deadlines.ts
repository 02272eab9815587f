import type { Instant } from './work-item.js';

/**
 * Instants at which items must be looked at again (activation, expiration), earliest first. A binary heap on typed
 * arrays with lazy deletion: an item that moved on leaves its entry behind, and whoever pops it checks against the
 * item's columns whether the deadline still means anything. An entry costs 12 bytes, and only items with such a time
 * have one.
 */
export class Deadlines {
  #times = new Float64Array(64);
  #slots = new Uint32Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The earliest deadline, Infinity when there is none. */
  get earliest(): Instant {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#times[0];
  }

  add(time: Instant, slot: number): void {
    if (this.#size === this.#times.length) this.#grow();
    let hole = this.#size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.#times[parent] <= time) break;
      this.#put(hole, this.#times[parent], this.#slots[parent]);
      hole = parent;
    }
    this.#put(hole, time, slot);
  }

  /** Takes the earliest entry away and returns its slot; the heap must not be empty. */
  pop(): number {
    const slot = this.#slots[0];
    const last = --this.#size;
    const time = this.#times[last];
    let hole = 0;
    for (let child = 1; child < last; child = 2 * hole + 1) {
      if (child + 1 < last && this.#times[child + 1] < this.#times[child]) child++;
      if (this.#times[child] >= time) break;
      this.#put(hole, this.#times[child], this.#slots[child]);
      hole = child;
    }
    this.#put(hole, time, this.#slots[last]);
    return slot;
  }

  #put(at: number, time: Instant, slot: number): void {
    this.#times[at] = time;
    this.#slots[at] = slot;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const slots = new Uint32Array(times.length);
    times.set(this.#times);
    slots.set(this.#slots);
    this.#times = times;
    this.#slots = slots;
  }
}
