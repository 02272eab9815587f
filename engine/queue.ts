import assert from 'node:assert/strict';
import { unitsAt } from './curve.js';
import { countAhead, Frontier } from './frontier.js';
import type { PriorityHeap } from './heap.js';
import type { ItemTable } from './item-table.js';
import { scoreUnits } from './limits.js';
import { Order } from './order.js';
import type { Prioritization } from './prioritization.js';
import { Rebuild } from './queue-rebuild.js';
import { Scorer } from './scorer.js';

/** Index of the schema for a number of `table.categories` (0 = no category). Asked on every push: keep it cheap. */
export type SchemaOf = (category: number) => number;

/**
 * All queued items of a tenant, in the exact order of their priority at any instant: score descending, due ascending
 * (none last), created ascending, seq ascending. Time costs only the items that cross into another segment of their
 * curve. Its one writer is the tenant's actor.
 *
 * Invariants: a queued slot stays open in the table; whoever changes one of its created, activation, due, seq,
 * businessValue, segment or category calls `rekey` (or `remove`) before anything else of the queue. Time never goes
 * back: an instant before the latest one that the queue has seen counts as the latest.
 */
export class UniversalQueue {
  private readonly table: ItemTable;
  private order: Order;
  private inForce: Prioritization;
  private clock = Number.NEGATIVE_INFINITY;
  private building: Rebuild | undefined;

  constructor(table: ItemTable, prioritization: Prioritization, schemaOf: SchemaOf) {
    this.table = table;
    this.inForce = prioritization;
    this.order = new Order(table, new Scorer(table, prioritization, schemaOf));
  }

  get size(): number {
    return this.order.size;
  }

  /** The prioritization that the order in force follows: an older one while a rebuild runs. */
  get prioritization(): Prioritization {
    return this.inForce;
  }

  /** Bytes of typed arrays behind the order in force, without the table's. */
  get bytes(): number {
    return this.order.bytes;
  }

  has(slot: number): boolean {
    return this.order.has(slot);
  }

  laneOf(slot: number): number {
    return this.order.laneOf(slot);
  }

  /** `lane` is a small integer: the items with one requirement. */
  push(slot: number, lane: number, t: number): void {
    assert(!this.order.has(slot), 'an item is in the queue once');
    this.tick(t);
    this.order.insert(slot, lane, this.clock);
    this.building?.inserted(slot, lane, this.clock);
  }

  remove(slot: number): void {
    assert(this.order.has(slot), 'only a queued item leaves the queue');
    this.order.remove(slot);
    this.building?.removed(slot);
  }

  /** The slot's columns have changed: brings it to its new place. */
  rekey(slot: number, t: number): void {
    assert(this.order.has(slot), 'only a queued item has a place in the order');
    this.tick(t);
    this.order.rekey(slot, this.clock);
    this.building?.rekeyed(slot, this.clock);
  }

  /** Puts many slots in at once, for a recovery: the cost of one heapify instead of a push each. */
  pushAll(slots: Iterable<number>, lane: number, t: number): void {
    this.tick(t);
    this.order.loosen();
    for (const slot of slots) {
      assert(!this.order.has(slot), 'an item is in the queue once');
      this.order.insert(slot, lane, this.clock);
      this.building?.inserted(slot, lane, this.clock);
    }
    while (this.order.tightenStep(Number.MAX_SAFE_INTEGER) > 0);
  }

  /**
   * Moves items that have crossed into another segment by t, at most `crossingsMax` of them (about 2 us each at
   * 1,000,000 items); true when none is left. `best`, `top` and `rank` do what is left of it themselves, all at once.
   */
  advance(t: number, crossingsMax: number): boolean {
    this.tick(t);
    return this.order.advance(this.clock, crossingsMax);
  }

  /** The earliest instant at which an item enters another segment, Infinity when none will. */
  nextCrossing(): number {
    return this.order.timers.earliest;
  }

  /** Slot of the first item at t, of the given lanes or of all; -1 when there is none. */
  best(t: number, lanes?: readonly number[]): number {
    this.advance(t, Number.POSITIVE_INFINITY);
    const { order, clock } = this;
    if (lanes === undefined) return order.bestOf(order.heaps, clock, undefined)?.slots[0] ?? -1;
    let leader: PriorityHeap | undefined;
    for (const lane of lanes) leader = order.bestOf(order.heapsOf(lane), clock, leader);
    return leader?.slots[0] ?? -1;
  }

  /** The first n slots at t, in order. */
  top(t: number, n: number): number[] {
    this.advance(t, Number.POSITIVE_INFINITY);
    const frontier = new Frontier(this.order, this.clock);
    const slots: number[] = [];
    for (let slot = 0; slots.length < n; slots.push(slot)) {
      slot = frontier.take();
      if (slot < 0) break;
    }
    return slots;
  }

  /** Number of items ahead of the slot at t, counted up to `max`: the cost is what is counted. */
  rank(slot: number, t: number, max: number): number {
    assert(this.order.has(slot), 'only a queued item has a rank');
    this.advance(t, Number.POSITIVE_INFINITY);
    return countAhead(this.order, slot, this.clock, max);
  }

  /** Points of an open item's priority at t under the order in force, rounded half up to a millionth. */
  priorityAt(slot: number, t: number): number {
    const { scorer } = this.order;
    const schema = scorer.schemaOf(slot, t);
    const origin = scorer.originOf(schema, slot);
    const segment = scorer.schemas[schema].segments[scorer.segmentAt(schema, origin, t)];
    return (unitsAt(segment, scorer.timeOf(schema, t) - origin) + scorer.staticOf(schema, slot)) / scoreUnits;
  }

  /**
   * Starts to build the order of another prioritization, or of other categories, beside the one in force. Nothing
   * happens until its `step` is called; a rebuild that was running is given up.
   */
  rebuild(prioritization: Prioritization, schemaOf: SchemaOf): Rebuild {
    this.building?.giveUp();
    const next = new Order(this.table, new Scorer(this.table, prioritization, schemaOf));
    const rebuild = new Rebuild(this.order, next, () => this.swap(rebuild, next, prioritization));
    this.building = rebuild;
    return rebuild;
  }

  /** One bounded step of growing ahead of need, beside `table.growStep`; false when there is nothing to do. */
  growStep(): boolean {
    return this.order.growStep();
  }

  private swap(rebuild: Rebuild, next: Order, prioritization: Prioritization): void {
    assert(this.building === rebuild && next.size === this.order.size, 'the new order holds what the old one holds');
    this.order.discard();
    this.order = next;
    this.inForce = prioritization;
    this.building = undefined;
  }

  private tick(t: number): void {
    if (t > this.clock) this.clock = t;
  }
}
