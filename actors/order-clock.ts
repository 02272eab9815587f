import { decide } from '../engine/decide.js';
import { dueCommand } from '../engine/due-command.js';
import type { Event } from '../engine/event.js';
import { coldHeads } from '../engine/needs.js';
import { isRejection } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import type { Loader } from './loader.js';
import type { Runtime } from './ports.js';

const crossingsATurn = 2000;
/** Due items collected, and read, at once; decided are fewer a turn, because code that has not run yet is ten times slower. */
const dueMax = 500;
const decidedATurn = 100;
/** Deadlines looked at in one turn: those of items that moved on cost next to nothing, but there may be millions. */
const deadlinesATurn = 5000;
const retryMs = 50;
/** Items taken after which the queue's head is looked over for documents to read ahead. */
const takesALook = 16;
/** Between two looks at items that cross into another segment while nobody asks for the order. */
const idleAdvanceMs = 1000;

export interface OrderClockContext {
  state: TenantState;
  loader: Loader;
  runtime: Runtime;
  apply: (event: Event) => void;
  /** Whether events must wait for the commit in flight, whose end wakes the term. */
  isFull: () => boolean;
  wake: () => void;
  onError: (message: string, error: unknown) => void;
  onBug: (detail: string) => void;
}

/**
 * Lets time pass for a tenant: activations and expirations happen at their instants as events of the engine's own
 * timer, and items move into the segments of their curves. `ready(now)` says whether the order is exact at `now`; it
 * does a bounded part of what is missing, so that a crowd that falls due at one instant takes several turns.
 */
export class OrderClock {
  readonly #c: OrderClockContext;
  /** Ids of items whose activation or expiration has come. */
  #due: string[] = [];
  #loading = false;
  #decided = 0;
  #takes = 0;
  #readingAhead = false;

  constructor(context: OrderClockContext) {
    this.#c = context;
  }

  /** Whether documents of due items are being read; `wake` is called when they are there. */
  get isLoading(): boolean {
    return this.#loading;
  }

  /** Whether it waits for something whose end wakes the term: a read, or a commit. */
  get isWaiting(): boolean {
    return this.#loading || this.#c.isFull();
  }

  /** A new turn of the term: what `ready` does in it is bounded, however often it is asked. */
  beginTurn(): void {
    this.#decided = 0;
  }

  /** Whether everything that was due has happened, and every item is in the segment it belongs to. */
  ready(now: Instant): boolean {
    const { state } = this.#c;
    if ((this.#due.length > 0 || state.deadlines.earliest <= now) && !this.#decideDue(now)) return false;
    return state.queue.advance(now, crossingsATurn);
  }

  /** When to look again if nobody asks before, at the latest. */
  nextLook(now: Instant): Instant {
    const { state } = this.#c;
    return Math.min(state.deadlines.earliest, Math.max(state.queue.nextCrossing(), now + idleAdvanceMs));
  }

  /** An item was taken from the head. */
  taken(): void {
    this.#takes++;
  }

  /** Reads the documents of the next heads before somebody takes them. */
  readAhead(now: Instant): void {
    if (this.#takes < takesALook || this.#readingAhead) return;
    this.#takes = 0;
    const ids = coldHeads(this.#c.state, now);
    if (ids.length === 0) return;
    this.#readingAhead = true;
    this.#c.loader.want({ ids, captureIds: [], keys: [] }, () => {
      this.#readingAhead = false;
    });
  }

  /**
   * False when some are left: too many for one turn, or their documents have to be read first. Those at hand are decided
   * before others are read: a read lets documents go, and with a small cache they would push each other out for ever.
   */
  #decideDue(now: Instant): boolean {
    const { state } = this.#c;
    if (this.#due.length === 0) this.#collect(now);
    const cold: string[] = [];
    while (this.#due.length > 0 && this.#decided < decidedATurn && !this.#c.isFull()) {
      const id = this.#due.pop() as string;
      if (!state.documents.has(id)) cold.push(id);
      else if (this.#decide(id, now)) this.#decided++;
    }
    const isAll = this.#due.length === 0;
    this.#due.push(...cold);
    if (isAll && cold.length > 0) this.#load(cold);
    return this.#due.length === 0 && state.deadlines.earliest > now;
  }

  /** Whether something was still due for the item. */
  #decide(id: string, now: Instant): boolean {
    const { state, apply } = this.#c;
    const command = dueCommand(state, id, now);
    if (command === undefined) return false;
    const decision = decide(state, command, now, neverNew);
    if (!isRejection(decision)) for (const event of decision.events) apply(event);
    return true;
  }

  #collect(now: Instant): void {
    const { state } = this.#c;
    const seen = new Set<string>();
    for (let looked = 0; state.deadlines.earliest <= now && seen.size < dueMax && looked < deadlinesATurn; looked++) {
      const slot = state.deadlines.pop();
      if (!state.table.isOpen(slot)) continue;
      const id = state.table.idOf(slot);
      if (dueCommand(state, id, now) !== undefined) seen.add(id);
    }
    this.#due = [...seen];
  }

  #load(ids: string[]): void {
    if (this.#loading) return;
    this.#loading = true;
    const { state, loader, runtime, wake, onError, onBug } = this.#c;
    loader.want({ ids, captureIds: [], keys: [] }, (error) => {
      if (error !== undefined) {
        onError('reading due items failed', error);
        runtime.timer(retryMs, () => {
          this.#loading = false;
          wake();
        });
        return;
      }
      this.#loading = false;
      const lost = ids.find((id) => !state.documents.has(id) && state.table.find(id) >= 0);
      if (lost !== undefined) onBug(`the open item ${lost} is missing in the work_item table`);
      else wake();
    });
  }
}

function neverNew(): string {
  throw new Error('a timer creates no items');
}
