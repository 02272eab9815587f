import type { ItemTable } from './item-table.js';
import type { Order } from './order.js';

/** Operations of a step that takes 1 to 4 ms at 1,000,000 items (`bench/queue.ts`). */
export const rebuildOpsDefault = 25_000;
/** What one node costs to order, or one item to move, in units of looking at one slot. */
const opsPerNode = 4;
/** Each sampled slot misses the cache. */
const opsPerSample = 2;
const opsPerCrossing = 100;

/**
 * Operations of a phase's first step; each further one may do twice as many. A process's first rebuild runs code that
 * is not compiled yet, up to 20 times slower: a first slice of 25,000 took 10 to 30 ms.
 */
const rampMin = 1000;
/** The sample's share; its loop knows that it is 2^4. */
const sampleStride = 16;

type Phase = 'sample' | 'fill' | 'tighten' | 'catch up' | 'done';

/**
 * Builds a new order beside the one in force, in steps that the caller spreads over its turns:
 *
 *   sample  looks at one slot of sixteen to guess how big each heap gets, so that big ones need not grow while filled
 *   fill    looks at every slot and appends the queued ones; slots below `cursor` are in the new order
 *   tighten orders the heaps from the leaves up
 *   catch up moves what has crossed segments since, then takes the old order's place
 *
 * Meanwhile the old order answers. Every change of the queue goes to the new one as well, at once, if the slot is below
 * the cursor: half-built heaps take pushes and removals, so there is nothing to redo and the end is always reached.
 */
export class Rebuild {
  private readonly old: Order;
  private readonly next: Order;
  private readonly table: ItemTable;
  private readonly swap: () => void;
  private phase: Phase = 'sample';
  private cursor = 0;
  private clock = Number.NEGATIVE_INFINITY;
  private ramp = rampMin;

  /** `swap` puts the new order in force; called once. */
  constructor(old: Order, next: Order, swap: () => void) {
    this.old = old;
    this.next = next;
    this.table = old.table;
    this.swap = swap;
    next.loosen();
  }

  /** True when the new order is in force, or a later rebuild has replaced this one. */
  get done(): boolean {
    return this.phase === 'done';
  }

  /** Goes on for about `opsMax` operations at time t, fewer while a phase is young; true when `done`. */
  step(opsMax: number, t: number): boolean {
    if (t > this.clock) this.clock = t;
    const { phase } = this;
    this.go(Math.min(opsMax, this.ramp));
    this.ramp = this.phase === phase ? this.ramp * 2 : rampMin;
    return this.done;
  }

  private go(opsMax: number): void {
    switch (this.phase) {
      case 'sample':
        this.sample(opsMax);
        break;
      case 'fill':
        this.fill(opsMax);
        break;
      case 'tighten':
        if (this.next.tightenStep(Math.ceil(opsMax / opsPerNode)) === 0) this.phase = 'catch up';
        break;
      case 'catch up':
        if (this.next.advance(this.clock, Math.ceil(opsMax / opsPerCrossing))) this.finish();
    }
  }

  /** The queue has taken the slot in. */
  inserted(slot: number, lane: number, t: number): void {
    if (t > this.clock) this.clock = t;
    if (this.holds(slot)) this.next.insert(slot, lane, this.clock);
  }

  removed(slot: number): void {
    if (this.holds(slot)) this.next.remove(slot);
  }

  rekeyed(slot: number, t: number): void {
    if (t > this.clock) this.clock = t;
    if (this.holds(slot)) this.next.rekey(slot, this.clock);
  }

  /** A later rebuild takes this one's place. */
  giveUp(): void {
    if (this.done) return;
    this.phase = 'done';
    this.next.discard();
  }

  /** Whether the new order answers for the slot already. */
  private holds(slot: number): boolean {
    return this.phase !== 'sample' && (this.phase !== 'fill' || slot < this.cursor);
  }

  private sample(opsMax: number): void {
    const { old, next, clock } = this;
    const end = Math.min(this.table.slotEnd, this.cursor + Math.ceil(opsMax / opsPerSample) * sampleStride);
    for (let first = this.cursor; first < end; first += sampleStride) {
      // Another one of each sixteen in turn: slots that were filled by turns would fool a fixed stride.
      const slot = first + ((first >> 4) & 15);
      if (slot < end && old.has(slot)) next.expect(slot, old.laneOf(slot), clock);
    }
    this.cursor = end;
    if (end < this.table.slotEnd) return;
    next.reserveExpected(sampleStride);
    this.cursor = 0;
    this.phase = 'fill';
  }

  private fill(opsMax: number): void {
    const { old, next, clock } = this;
    const end = Math.min(this.table.slotEnd, this.cursor + opsMax);
    next.fillFrom(old, this.cursor, end, clock);
    this.cursor = end;
    if (end === this.table.slotEnd) this.phase = 'tighten';
  }

  private finish(): void {
    this.phase = 'done';
    this.swap();
  }
}
