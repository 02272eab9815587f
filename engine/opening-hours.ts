import { type CalendarDocument, weekdays } from './calendar.js';
import { parseDay, parseWallClock } from './wall-clock.js';

export const dayMs = 24 * 3_600_000;

/** From `from` to before `to`, in milliseconds since midnight. */
export interface Spell {
  from: number;
  to: number;
}

/**
 * A calendar's weekly hours and holidays on clocks that never change: times here are what the clocks of its zone show,
 * as milliseconds since they showed 1970-01-01 00:00.
 */
export class OpeningHours {
  /** Monday first. */
  readonly #spells: readonly Spell[][];
  /** Open time of a week before each of its days, and of a whole week. */
  readonly #openedByDay: readonly number[];
  readonly #weekMs: number;
  /** Numbers of the days, ascending, and the open time that the holidays before each would have had. */
  readonly #holidays: Float64Array;
  readonly #missedBefore: Float64Array;

  /** The document must have passed `checkCalendars`. */
  constructor(document: CalendarDocument) {
    this.#spells = weekdays.map((day) => spellsOf(document, day));
    let weekMs = 0;
    this.#openedByDay = this.#spells.map((spells) => {
      const before = weekMs;
      weekMs += lengthOf(spells);
      return before;
    });
    this.#weekMs = weekMs;
    this.#holidays = Float64Array.from(new Set((document.holidays ?? []).map((day) => parseDay(day)!))).sort();
    this.#missedBefore = new Float64Array(this.#holidays.length + 1);
    this.#holidays.forEach((day, index) => {
      this.#missedBefore[index + 1] = this.#missedBefore[index] + lengthOf(this.#spells[weekdayOf(day)]);
    });
  }

  /** @param day its number since 1970-01-01. */
  on(day: number): readonly Spell[] {
    const index = countBelow(this.#holidays, day);
    return this.#holidays[index] === day ? [] : this.#spells[weekdayOf(day)];
  }

  /** Open time up to the instant, from a beginning that is always the same: only differences mean something. */
  until(time: number): number {
    const day = Math.floor(time / dayMs);
    const inDay = time - day * dayMs;
    const weeks = Math.floor((day + 3) / 7);
    let open = weeks * this.#weekMs + this.#openedByDay[weekdayOf(day)];
    open -= this.#missedBefore[countBelow(this.#holidays, day)];
    for (const { from, to } of this.on(day)) open += Math.max(0, Math.min(inDay, to) - from);
    return open;
  }
}

/** 1970-01-01 was a Thursday. */
function weekdayOf(day: number): number {
  return (((day + 3) % 7) + 7) % 7;
}

function lengthOf(spells: readonly Spell[]): number {
  return spells.reduce((sum, { from, to }) => sum + to - from, 0);
}

function spellsOf(document: CalendarDocument, day: string): Spell[] {
  return document.weekly
    .filter((hours) => hours.day === day)
    .map(({ from, to }) => ({ from: parseWallClock(from)!, to: parseWallClock(to)! }))
    .sort((a, b) => a.from - b.from);
}

/** How many of the ascending numbers lie below the value. */
export function countBelow(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
