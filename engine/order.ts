import { keyEpoch, noDue, PriorityHeap } from './heap.js';
import { type ItemTable, nextCapacity } from './item-table.js';
import { Places } from './places.js';
import type { Scorer } from './scorer.js';
import { TimerHeap } from './timer-heap.js';

/** One lane's heaps: by number of (schema, segment), undefined until first used. */
type Lane = (PriorityHeap | undefined)[];

/**
 * One complete order of the queue under one prioritization: a heap for each (lane, schema, segment) in use and one heap
 * of the instants at which items cross into their next segment. Two exist while a new prioritization is built.
 */
export class Order {
  readonly table: ItemTable;
  readonly scorer: Scorer;
  readonly places: Places;
  readonly timers: TimerHeap;
  readonly heaps: PriorityHeap[] = [];
  /** True while heaps are only filled; `tightenStep` orders them. */
  loose = false;
  size = 0;
  private readonly lanes: Lane[] = [];
  /** First number of each schema's segments inside a lane. */
  private readonly firstSegment: number[] = [];
  private tightened = 0;

  constructor(table: ItemTable, scorer: Scorer) {
    this.table = table;
    this.scorer = scorer;
    this.places = new Places(table);
    this.timers = new TimerHeap(this.places);
    let first = 0;
    for (const schema of scorer.schemas) {
      this.firstSegment.push(first);
      first += schema.segments.length;
    }
  }

  get bytes(): number {
    const own = this.timers.bytes + this.places.heap.byteLength * 3;
    return this.heaps.reduce((sum, heap) => sum + heap.bytes, own);
  }

  has(slot: number): boolean {
    return this.places.heap[slot] > 0;
  }

  laneOf(slot: number): number {
    return this.heaps[this.places.heap[slot] - 1].lane;
  }

  /** The heaps of one lane, empty ones and holes included. */
  heapsOf(lane: number): readonly (PriorityHeap | undefined)[] {
    return this.lanes[lane] ?? [];
  }

  /** Puts a slot into the segment that it is in at time t. */
  insert(slot: number, lane: number, t: number): void {
    const { scorer, places } = this;
    const schema = scorer.schemaOf(slot, t);
    const origin = scorer.originOf(schema, slot);
    const segment = scorer.segmentAt(schema, origin, t);
    const heap = this.heapFor(lane, schema, segment);
    places.heap[slot] = heap.number + 1;
    heap.push(slot);
    const leaves = scorer.leaves(schema, segment, origin);
    if (leaves !== Number.POSITIVE_INFINITY) {
      const position = this.timers.append(slot);
      this.timers.times[position] = leaves;
      this.timers.rise(position);
    }
    this.size++;
  }

  remove(slot: number): void {
    const { places } = this;
    this.heaps[places.heap[slot] - 1].removeAt(places.position[slot]);
    places.heap[slot] = 0;
    this.timers.set(slot, Number.POSITIVE_INFINITY);
    this.size--;
  }

  /** Brings a slot to the place that its columns and the time say. */
  rekey(slot: number, t: number): void {
    const { scorer, places } = this;
    const before = this.heaps[places.heap[slot] - 1];
    const schema = scorer.schemaOf(slot, t);
    const origin = scorer.originOf(schema, slot);
    const segment = scorer.segmentAt(schema, origin, t);
    const heap = this.heapFor(before.lane, schema, segment);
    if (heap === before) heap.updateAt(places.position[slot]);
    else {
      before.removeAt(places.position[slot]);
      places.heap[slot] = heap.number + 1;
      heap.push(slot);
    }
    this.timers.set(slot, scorer.leaves(schema, segment, origin));
  }

  /** Moves items into the segments that they have entered by t, at most `crossingsMax`; true when none is left. */
  advance(t: number, crossingsMax: number): boolean {
    const { timers } = this;
    for (let left = crossingsMax; timers.earliest <= t; left--) {
      if (left <= 0) return false;
      this.rekey(timers.earliestSlot, t);
    }
    return true;
  }

  /** The heap with the best head at t, among `heaps` and `best`, which is lifted to t; no crossing may be due. */
  bestOf(
    heaps: readonly (PriorityHeap | undefined)[],
    t: number,
    best: PriorityHeap | undefined,
  ): PriorityHeap | undefined {
    let leader = best;
    for (const heap of heaps) {
      if (heap === undefined || heap.size === 0) continue;
      heap.liftTo(t);
      if (leader === undefined || isAhead(heap, 0, leader, 0, t)) leader = heap;
    }
    return leader;
  }

  /**
   * `insert` for all of a loose order's slots from..to-1 that `old` holds. The same steps with the columns at hand in
   * local variables, and without asking whether an entry rises. Measured at 1,000,000: 40-55 ms instead of 52-67, and
   * 10 ms instead of 34 in the first slice, where calls of `insert` had to be compiled anew for loose heaps.
   */
  fillFrom(old: Order, from: number, to: number, t: number): void {
    const { scorer, places, timers, heaps } = this;
    const { due, created } = this.table;
    const oldNumbers = old.places.heap;
    const { heap: numbers, position: positions, timer: timerPositions } = places;
    for (let slot = from; slot < to; slot++) {
      const oldNumber = oldNumbers[slot];
      if (oldNumber === 0) continue;
      const schema = scorer.schemaOf(slot, t);
      const origin = scorer.originOf(schema, slot);
      const segment = scorer.segmentAt(schema, origin, t);
      const heap = this.heapFor(old.heaps[oldNumber - 1].lane, schema, segment);
      const position = heap.size;
      if (position === heap.slots.length) heap.reserve(nextCapacity(position));
      const fixed = scorer.staticOf(schema, slot);
      const dueAt = due[slot];
      heap.keys[2 * position] = heap.slope === 0 ? fixed : fixed - heap.slope * (origin - keyEpoch);
      heap.keys[2 * position + 1] = Number.isNaN(dueAt) ? noDue + created[slot] : dueAt;
      heap.slots[position] = slot;
      heap.size = position + 1;
      numbers[slot] = heap.number + 1;
      positions[slot] = position;
      const leaves = scorer.leaves(schema, segment, origin);
      if (leaves === Number.POSITIVE_INFINITY) continue;
      const last = timers.size;
      if (last === timers.slots.length) timers.reserve(nextCapacity(last));
      timers.times[last] = leaves;
      timers.slots[last] = slot;
      timers.size = last + 1;
      timerPositions[slot] = last + 1;
    }
    this.size = heaps.reduce((sum, heap) => sum + heap.size, 0);
  }

  /** Counts a slot of a sample for the capacity of the heap that it will come into. */
  expect(slot: number, lane: number, t: number): void {
    const { scorer } = this;
    const schema = scorer.schemaOf(slot, t);
    const origin = scorer.originOf(schema, slot);
    this.heapFor(lane, schema, scorer.segmentAt(schema, origin, t)).expected++;
  }

  /** Makes room for `times` what was counted, and a tenth: a sample that was not typical costs a heap that grows. */
  reserveExpected(times: number): void {
    let crossing = 0;
    for (const heap of this.heaps) {
      const count = Math.ceil(heap.expected * times * 1.1);
      heap.reserve(count);
      if (heap.segment !== this.scorer.schemas[heap.schema].segments.at(-1)) crossing += count;
    }
    this.timers.reserve(crossing);
  }

  /** From now on slots are only filled in; call `tightenStep` until it says that all is in order. */
  loosen(): void {
    this.loose = true;
    this.tightened = 0;
    this.timers.loosen();
    for (const heap of this.heaps) heap.loosen();
  }

  /** Orders at most about `nodesMax` nodes; the number of nodes done, 0 when everything is in order. */
  tightenStep(nodesMax: number): number {
    let left = nodesMax;
    while (left > 0 && this.tightened < this.heaps.length) {
      const done = this.heaps[this.tightened].tighten(left);
      if (done === 0) this.tightened++;
      left -= done;
    }
    if (this.tightened === this.heaps.length && left > 0) {
      left -= this.timers.tighten(left);
      if (left === nodesMax) this.loose = false;
    }
    return nodesMax - left;
  }

  /** One bounded step of growing ahead of need; false when there is nothing to do. */
  growStep(): boolean {
    if (this.timers.growStep()) return true;
    for (const heap of this.heaps) if (heap.growStep()) return true;
    return false;
  }

  /** Lets everything go that others hold for this order. */
  discard(): void {
    this.places.detach();
    this.scorer.release();
  }

  private heapFor(lane: number, schema: number, segment: number): PriorityHeap {
    const heaps = this.lanes[lane];
    return heaps?.[this.firstSegment[schema] + segment] ?? this.newHeap(lane, schema, segment);
  }

  private newHeap(lane: number, schema: number, segment: number): PriorityHeap {
    while (this.lanes.length <= lane) this.lanes.push([]);
    const heap = new PriorityHeap(this, { number: this.heaps.length, lane, schema, segment });
    const heaps = this.lanes[lane];
    const at = this.firstSegment[schema] + segment;
    while (heaps.length <= at) heaps.push(undefined);
    heaps[at] = heap;
    this.heaps.push(heap);
    return heap;
  }
}

/** Whether the entry at a position of heap `a` comes before the one of heap `b` at t; both must be lifted to t. */
export function isAhead(a: PriorityHeap, positionA: number, b: PriorityHeap, positionB: number, t: number): boolean {
  const lead = a.keys[2 * positionA] + a.lift - (b.keys[2 * positionB] + b.lift);
  const tolerance = a.tolerance + b.tolerance;
  if (lead > tolerance) return true;
  if (lead < -tolerance) return false;
  return a.nearAheadAcross(a.slots[positionA], b, b.slots[positionB], t);
}
