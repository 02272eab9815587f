import { after, type Clock, stoppedBy } from '../clock.js';
import type { TenantState } from '../state.js';
import { type Instant, statuses } from '../work-item.js';

const queued = statuses.indexOf('queued');
const scheduled = statuses.indexOf('scheduled');
const assigned = statuses.indexOf('assigned');
/** The lane of items that need nothing in particular. */
const anybody = 0;

/** How the items of a state stand at one instant, by slot; kept when the state itself has gone on. */
export interface Standing {
  /** The queued slots, best first. */
  order: readonly number[];
  /** From 1; 0 = the item is not in the queue. */
  rank: Uint32Array;
  /** Points; NaN = the item is not in the queue. */
  priority: Float64Array;
  /** When an item that waits, queued or scheduled, should be done at the latest; NaN for others and when nothing says so. */
  deadline: Float64Array;
  categoryOf: (slot: number) => string | null;
}

/**
 * Lets time pass in a state that nobody else uses: what its time has come for is queued, what has expired is gone. The
 * columns are enough for that; there is nobody to whom events would have to be told.
 */
export function passTime(state: TenantState, t: Instant): void {
  const { deadlines, table, queue } = state;
  while (deadlines.earliest <= t) {
    const slot = deadlines.pop();
    if (!table.isOpen(slot)) continue;
    if (table.expiration[slot] <= t && table.status[slot] !== assigned) {
      if (queue.has(slot)) queue.remove(slot);
      table.remove(slot);
    } else if (table.status[slot] === scheduled && table.activation[slot] <= t) {
      table.status[slot] = queued;
      queue.push(slot, anybody, t);
    }
  }
}

/** The whole order at `t`, and what it rests on. Nothing may be due before `t` any more (`passTime`). */
export function standingOf(state: TenantState, t: Instant): Standing {
  const { table, queue } = state;
  const order = queue.top(t, queue.size);
  const rank = new Uint32Array(table.slotEnd);
  const priority = new Float64Array(table.slotEnd).fill(Number.NaN);
  order.forEach((slot, index) => {
    rank[slot] = index + 1;
    priority[slot] = queue.priorityAt(slot, t);
  });
  const numbers = table.category.slice(0, table.slotEnd);
  const texts = new Map<number, string>();
  for (const number of numbers) if (!texts.has(number)) texts.set(number, table.categories.textOf(number));
  return {
    order,
    rank,
    priority,
    deadline: deadlinesOf(state),
    categoryOf: (slot) => texts.get(numbers[slot]) || null,
  };
}

/** The SLA of the item's category counts from its creation; where the category has none, its due time says it. */
function deadlinesOf({ table, categories, prioritization }: TenantState): Float64Array {
  const deadlines = new Float64Array(table.slotEnd).fill(Number.NaN);
  const slas = new Map<number, { slaMs?: number; clock: Clock }>();
  for (let slot = 0; slot < table.slotEnd; slot++) {
    if (!table.isOpen(slot) || (table.status[slot] !== queued && table.status[slot] !== scheduled)) continue;
    const number = table.category[slot];
    let sla = slas.get(number);
    if (sla === undefined) {
      const settings = categories.resolve(table.categories.textOf(number));
      sla = { slaMs: settings.slaMs, clock: prioritization.clockFor(settings) };
      slas.set(number, sla);
    }
    const stoppedMs = stoppedBy(sla.clock, { stoppedMs: table.stopped.get(slot) }, table.created[slot]);
    deadlines[slot] =
      sla.slaMs === undefined ? table.due[slot] : after(sla.clock, table.created[slot], sla.slaMs + stoppedMs);
  }
  return deadlines;
}

/**
 * When each item has its turn, if from `t` on one item is done every `1 / ratePerHour` hours, always the best one of that
 * instant, and nothing new comes in: Infinity for those that have none by `until`. Empties the state's queue.
 */
export function turnsOf(state: TenantState, t: Instant, until: Instant, ratePerHour: number): Float64Array {
  const { table, queue, deadlines } = state;
  const turns = new Float64Array(table.slotEnd).fill(Number.POSITIVE_INFINITY);
  const stepMs = 3_600_000 / ratePerHour;
  let at = t + stepMs;
  while (at <= until) {
    passTime(state, at);
    const slot = queue.best(at);
    if (slot >= 0) {
      turns[slot] = at;
      queue.remove(slot);
      table.status[slot] = assigned;
      at += stepMs;
    } else if (deadlines.earliest === Number.POSITIVE_INFINITY) break;
    // Nobody waits: the next turn is when somebody comes.
    else at = Math.max(at + stepMs, deadlines.earliest);
  }
  return turns;
}
