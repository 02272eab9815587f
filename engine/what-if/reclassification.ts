import { decide } from '../decide.js';
import { isRejection } from '../rejection.js';
import { afterMove, type TenantState } from '../state.js';
import { type Instant, type Status, statuses, type WorkItem } from '../work-item.js';

/** Pairs of categories of which the answer says how many items go from one to the other. */
const transitionsShown = 100;
const errorsShown = 10;

/** The states in which an item waits: the ones that somebody works on or holds keep their category. */
const waiting: ReadonlySet<Status> = new Set(['queued', 'scheduled', 'errorheld']);

interface Change {
  id: string;
  from: string | null;
  to: string | null;
}

/**
 * What the state's rules say of the items that wait: each is restarted, by the same decision that a client's `restart`
 * leads to. The order follows when `isApplied`, else the verdicts are only counted. Documents come from outside, a part
 * at a time: their columns alone have no attributes.
 */
export class Reclassification {
  readonly #state: TenantState;
  readonly #at: Instant;
  readonly #isApplied: boolean;
  readonly #slots: number[];
  readonly #waitingCount: number;
  readonly #counts = new Map<string, Change & { items: number }>();
  readonly #changes: Change[] = [];
  readonly #errors: { id: string; error: string }[] = [];
  #examined = 0;
  #changed = 0;
  #failed = 0;
  #next = 0;

  /** @param itemsMax items that are looked at; those of the queue first, in its order. */
  constructor(state: TenantState, at: Instant, isApplied: boolean, itemsMax: number) {
    this.#state = state;
    this.#at = at;
    this.#isApplied = isApplied;
    const { table, queue } = state;
    const slots = queue.top(at, queue.size);
    for (let slot = 0; slot < table.slotEnd; slot++) {
      if (table.isOpen(slot) && !queue.has(slot) && waiting.has(statuses[table.status[slot]])) slots.push(slot);
    }
    this.#waitingCount = slots.length;
    this.#slots = slots.slice(0, itemsMax);
  }

  get progress(): { done: number; of: number } {
    return { done: this.#next, of: this.#slots.length };
  }

  /** Ids of the next items whose documents are wanted, none when all have been looked at. */
  nextIds(count: number): string[] {
    const slots = this.#slots.slice(this.#next, this.#next + count);
    this.#next += slots.length;
    return slots.map((slot) => this.#state.table.idOf(slot));
  }

  /** An item that has changed since the copy was taken says nothing about it, and is passed over. */
  take(items: readonly WorkItem[]): void {
    const state = this.#state;
    for (const item of items) {
      const slot = state.table.find(item.id);
      if (slot < 0 || state.table.version[slot] !== item.version) continue;
      this.#examined++;
      this.#classify(item, slot);
    }
    state.documents.evict();
  }

  #classify(item: WorkItem, slot: number): void {
    const state = this.#state;
    state.documents.offer(item);
    // Its activation or expiration may have come between the copy and the instant in question; it waits all the same.
    const decision = decide(state, { type: 'restart', id: item.id }, this.#at, neverNew);
    if (isRejection(decision)) return;
    const from = state.table.categories.textOf(state.table.category[slot]) || null;
    for (const event of decision.events) {
      if (!('id' in event) || event.type === 'deleted') continue;
      const after = afterMove(item, event);
      this.#note(item.id, from, after.category ?? null, after.error);
      if (!this.#isApplied) continue;
      state.apply(event, 0, this.#at);
      state.documents.settle(after);
    }
  }

  #note(id: string, from: string | null, to: string | null, error: string | undefined): void {
    if (error !== undefined) {
      this.#failed++;
      if (this.#errors.length < errorsShown) this.#errors.push({ id, error });
    }
    if (from === to) return;
    this.#changed++;
    if (this.#changes.length < transitionsShown) this.#changes.push({ id, from, to });
    const pair = JSON.stringify([from, to]);
    const count = this.#counts.get(pair);
    if (count !== undefined) count.items++;
    else if (this.#counts.size < transitionsShown) this.#counts.set(pair, { id, from, to, items: 1 });
  }

  /** @param top changes that are listed one by one. */
  report(top: number): Record<string, unknown> {
    const counts = [...this.#counts.values()].sort((a, b) => b.items - a.items);
    return {
      applied: this.#isApplied,
      waiting: this.#waitingCount,
      examined: this.#examined,
      changed: this.#changed,
      withoutCategory: this.#failed,
      transitions: counts.map(({ from, to, items }) => ({ from, to, items })),
      items: this.#changes.slice(0, top),
      errors: this.#errors,
    };
  }
}

function neverNew(): string {
  throw new Error('a restart creates no items');
}
