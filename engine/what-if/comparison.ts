import { formatDuration } from '../duration.js';
import { formatInstant } from '../instant.js';
import type { Instant } from '../work-item.js';
import type { Standing } from './standing.js';

/** Categories of which the answer says how their items moved. */
const categoriesShown = 100;

/** The same items under two settings: how they stand, and when each has its turn (absent: nobody knows the rate). */
export interface Side {
  standing: Standing;
  turns?: Float64Array;
}

export interface Comparison {
  at: Instant;
  windowMs: number;
  top: number;
  ratePerHour: number | undefined;
  before: Side;
  after: Side;
  idOf: (slot: number) => string;
}

/** What the draft would change, as plain JSON. Items of both sides have the same slots. */
export function compare(comparison: Comparison): Record<string, unknown> {
  const { at, windowMs, before, after, top } = comparison;
  const moves = movesOf(before.standing, after.standing, top);
  const line = (slot: number) => lineOf(comparison, slot);
  return {
    at: formatInstant(at),
    window: formatDuration(windowMs),
    queueLength: { before: before.standing.order.length, after: after.standing.order.length },
    moved: moves.counts,
    up: moves.up.map(line),
    down: moves.down.map(line),
    byCategory: categoryMoves(before.standing, after.standing),
    top: {
      before: before.standing.order.slice(0, top).map(line),
      after: after.standing.order.slice(0, top).map(line),
    },
    sla: slaOf(comparison),
  };
}

function lineOf({ before, after, idOf }: Comparison, slot: number): Record<string, unknown> {
  const side = ({ standing }: Side) => ({
    rank: standing.rank[slot] || null,
    priority: standing.rank[slot] === 0 ? null : standing.priority[slot],
    category: standing.categoryOf(slot),
  });
  return { id: idOf(slot), before: side(before), after: side(after) };
}

interface Moves {
  counts: { up: number; down: number; unchanged: number; entered: number; left: number };
  /** Slots that gain, and lose, the most places; equal ones in the order of today. */
  up: number[];
  down: number[];
}

function movesOf(before: Standing, after: Standing, top: number): Moves {
  const counts = { up: 0, down: 0, unchanged: 0, entered: 0, left: 0 };
  const up = new Largest(top);
  const down = new Largest(top);
  for (const slot of before.order) {
    const gain = before.rank[slot] - after.rank[slot];
    if (after.rank[slot] === 0) counts.left++;
    else if (gain > 0) {
      counts.up++;
      up.offer(slot, gain);
    } else if (gain < 0) {
      counts.down++;
      down.offer(slot, -gain);
    } else counts.unchanged++;
  }
  for (const slot of after.order) if (before.rank[slot] === 0) counts.entered++;
  return { counts, up: up.slots, down: down.slots };
}

/** The slots with the largest sizes, at most `count`, largest first; of equal ones those that were offered first. */
class Largest {
  readonly #count: number;
  readonly #entries: { slot: number; size: number }[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  offer(slot: number, size: number): void {
    const entries = this.#entries;
    if (entries.length === this.#count && size <= entries[entries.length - 1].size) return;
    const at = entries.findIndex((entry) => entry.size < size);
    entries.splice(at < 0 ? entries.length : at, 0, { slot, size });
    if (entries.length > this.#count) entries.pop();
  }

  get slots(): number[] {
    return this.#entries.map(({ slot }) => slot);
  }
}

/** By the category of today: how many of its items move, and their mean rank on both sides. */
function categoryMoves(before: Standing, after: Standing): Record<string, unknown>[] {
  const sums = new Map<string | null, { items: number; up: number; down: number; from: number; to: number }>();
  for (const slot of before.order) {
    if (after.rank[slot] === 0) continue;
    const category = before.categoryOf(slot);
    const sum = sums.get(category) ?? { items: 0, up: 0, down: 0, from: 0, to: 0 };
    sums.set(category, sum);
    const gain = before.rank[slot] - after.rank[slot];
    sum.items++;
    if (gain > 0) sum.up++;
    if (gain < 0) sum.down++;
    sum.from += before.rank[slot];
    sum.to += after.rank[slot];
  }
  const largest = [...sums].sort(([, a], [, b]) => b.items - a.items).slice(0, categoriesShown);
  return largest.map(([category, { items, up, down, from, to }]) => ({
    category,
    items,
    up,
    down,
    meanRank: { before: Math.round(from / items), after: Math.round(to / items) },
  }));
}

/**
 * An item misses its deadline when that lies within the window and comes before the item's turn. Those whose deadline has
 * passed already miss it on both sides.
 */
function slaOf(comparison: Comparison): Record<string, unknown> {
  const { at, windowMs, top, ratePerHour, before, after } = comparison;
  const until = at + windowMs;
  const missed = { before: 0, after: 0 };
  const gained: number[] = [];
  const lost: number[] = [];
  const slots = before.standing.rank.length;
  for (let slot = 0; slot < slots; slot++) {
    const was = misses(before, slot, until);
    const is = misses(after, slot, until);
    if (was) missed.before++;
    if (is) missed.after++;
    if (was && !is) gained.push(slot);
    if (is && !was) lost.push(slot);
  }
  const detail = (slot: number) => ({
    ...lineOf(comparison, slot),
    deadline: { before: textOf(before.standing.deadline[slot]), after: textOf(after.standing.deadline[slot]) },
    turn: { before: turnText(before, slot), after: turnText(after, slot) },
  });
  if (ratePerHour === undefined) {
    return { ratePerHour: null, overdue: overdueOf(comparison), missed: null, newlyMissed: null, saved: null };
  }
  return {
    ratePerHour,
    overdue: overdueOf(comparison),
    missed,
    newlyMissed: { count: lost.length, items: soonest(lost, after).slice(0, top).map(detail) },
    saved: { count: gained.length, items: soonest(gained, before).slice(0, top).map(detail) },
  };
}

function misses({ standing, turns }: Side, slot: number, until: Instant): boolean {
  const deadline = standing.deadline[slot];
  return turns !== undefined && deadline <= until && turns[slot] > deadline;
}

function soonest(slots: number[], { standing }: Side): number[] {
  return slots.sort((a, b) => standing.deadline[a] - standing.deadline[b] || a - b);
}

/** Queued items whose deadline has passed at the instant itself. */
function overdueOf({ at, before, after }: Comparison): { before: number; after: number } {
  const count = ({ standing }: Side) => standing.order.filter((slot) => standing.deadline[slot] <= at).length;
  return { before: count(before), after: count(after) };
}

function turnText({ turns }: Side, slot: number): string | null {
  return textOf(turns?.[slot] ?? Number.NaN);
}

function textOf(instant: Instant): string | null {
  return Number.isFinite(instant) ? formatInstant(Math.floor(instant)) : null;
}
