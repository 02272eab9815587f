import type { PriorityHeap } from './heap.js';
import { isAhead, type Order } from './order.js';

/**
 * The next entries of an order in turn, without changing it. In a heap an entry comes before its children, so only the
 * children of what was taken can be next: a small binary heap of (heap, position) candidates. n entries of k heaps cost
 * O((k + n) log(k + 4n)) comparisons.
 */
export class Frontier {
  private readonly t: number;
  private readonly heaps: PriorityHeap[] = [];
  private readonly positions: number[] = [];

  /** No crossing may be due at t. */
  constructor(order: Order, t: number) {
    this.t = t;
    for (const heap of order.heaps) {
      if (heap.size === 0) continue;
      heap.liftTo(t);
      this.add(heap, 0);
    }
  }

  /** The next best slot, or -1. */
  take(): number {
    const { heaps, positions } = this;
    if (heaps.length === 0) return -1;
    const heap = heaps[0];
    const position = positions[0];
    const lastHeap = heaps.pop()!;
    const lastPosition = positions.pop()!;
    if (heaps.length > 0) this.sink(lastHeap, lastPosition);
    const end = Math.min(4 * position + 5, heap.size);
    for (let child = 4 * position + 1; child < end; child++) this.add(heap, child);
    return heap.slots[position];
  }

  private add(heap: PriorityHeap, position: number): void {
    const { heaps, positions } = this;
    let hole = heaps.length;
    heaps.push(heap);
    positions.push(position);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!isAhead(heap, position, heaps[parent], positions[parent], this.t)) break;
      heaps[hole] = heaps[parent];
      positions[hole] = positions[parent];
      hole = parent;
    }
    heaps[hole] = heap;
    positions[hole] = position;
  }

  private sink(heap: PriorityHeap, position: number): void {
    const { heaps, positions, t } = this;
    let hole = 0;
    for (let child = 1; child < heaps.length; child = 2 * hole + 1) {
      const right = child + 1;
      if (right < heaps.length && isAhead(heaps[right], positions[right], heaps[child], positions[child], t)) child++;
      if (isAhead(heap, position, heaps[child], positions[child], t)) break;
      heaps[hole] = heaps[child];
      positions[hole] = positions[child];
      hole = child;
    }
    heaps[hole] = heap;
    positions[hole] = position;
  }
}

/**
 * How many entries of the order come before the slot at t, counted up to `max`. Walks down each heap only as far as
 * entries are ahead, so it costs what it counts. No crossing may be due at t.
 */
export function countAhead(order: Order, slot: number, t: number, max: number): number {
  const home = order.heaps[order.places.heap[slot] - 1];
  const place = order.places.position[slot];
  home.liftTo(t);
  const pending: number[] = [];
  let count = 0;
  for (const heap of order.heaps) {
    heap.liftTo(t);
    if (heap.size > 0) pending.push(0);
    while (pending.length > 0) {
      const position = pending.pop()!;
      if ((heap === home && position === place) || !isAhead(heap, position, home, place, t)) continue;
      if (count >= max) return max;
      count++;
      const end = Math.min(4 * position + 5, heap.size);
      for (let child = 4 * position + 1; child < end; child++) pending.push(child);
    }
  }
  return count;
}
