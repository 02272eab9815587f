import { type CalendarDocument, weekdays } from './calendar.js';
import { yearMax, yearMin } from './limits.js';
import { offsetPeriods } from './time-zone.js';
import { parseDay, parseWallClock } from './wall-clock.js';
import type { Instant } from './work-item.js';

const dayMs = 24 * 3_600_000;
/** Business time counts from here: most times of a live queue are near, so that few blocks are ever laid out. */
const epoch = Date.UTC(2020, 0, 1);
/** About ten years. */
const blockMs = 3653 * dayMs;
const instantMin = Date.UTC(yearMin, 0, 1);
const instantEnd = Date.UTC(yearMax + 1, 0, 1);
const firstBlock = Math.floor((instantMin - epoch) / blockMs);
const endBlock = Math.ceil((instantEnd - epoch) / blockMs);

/** The open spells of one block, in order, none touching the next. */
interface Block {
  starts: Float64Array;
  ends: Float64Array;
  /** Business time at each start. */
  opened: Float64Array;
  /** Business time at the block's beginning and end. */
  before: number;
  after: number;
}

/**
 * A business calendar as an axis of time that moves while it is open and stands still while it is closed. A calendar is
 * open when the clocks of its zone show a time inside the day's hours and the day is no holiday: an hour that the clocks
 * skip is not there, one that they show twice is open twice. Outside the engine's years it is closed for ever.
 *
 * The spells are laid out in blocks of ten years when first needed, outwards from 2020. For two spells a working day a
 * block is 125 KB and takes 4 ms, most of them for the rules of a zone that nobody has asked for before (the process's
 * first zone: 40 ms). Afterwards `at` and `instantOf` are binary searches of 0.1 to 0.2 us.
 */
export class BusinessTime {
  readonly document: CalendarDocument;
  readonly #spellsOfDay: { from: number; to: number }[][];
  readonly #holidays: ReadonlySet<number>;
  /** Laid out are the blocks from #low to #high - 1; 0 is the one that begins at the epoch. */
  readonly #blocks = new Map<number, Block>();
  #low = 0;
  #high = 0;

  /** The document must have passed `checkCalendars`. */
  constructor(document: CalendarDocument) {
    this.document = document;
    this.#spellsOfDay = weekdays.map((day) => spellsOf(document, day));
    this.#holidays = new Set((document.holidays ?? []).map((holiday) => parseDay(holiday)!));
  }

  /** Business milliseconds since 2020 at the instant, negative before; never falls while time passes. */
  at(t: Instant): number {
    if (!(t > instantMin)) return this.#block(firstBlock).before;
    if (t >= instantEnd) return this.#block(endBlock - 1).after;
    const block = this.#block(Math.floor((t - epoch) / blockMs));
    const index = countBelow(block.starts, t) - 1;
    return index < 0 ? block.before : block.opened[index] + Math.min(t, block.ends[index]) - block.starts[index];
  }

  /** The first instant at which `at` has come to this much; Infinity when it never does, -Infinity when it always had. */
  instantOf(businessMs: number): Instant {
    let number = 0;
    for (; this.#block(number).after < businessMs; number++) if (number + 1 >= endBlock) return Infinity;
    for (; this.#block(number).before >= businessMs; number--) if (number <= firstBlock) return -Infinity;
    const block = this.#block(number);
    const index = countBelow(block.opened, businessMs) - 1;
    return block.starts[index] + businessMs - block.opened[index];
  }

  /** Business milliseconds from one instant to a later one. */
  between(from: Instant, to: Instant): number {
    return this.at(to) - this.at(from);
  }

  /** The first instant by which `ms` (above 0) of business time have passed since `from`; Infinity when they never will. */
  add(from: Instant, ms: number): Instant {
    return this.instantOf(this.at(from) + ms);
  }

  isOpen(t: Instant): boolean {
    return this.at(t + 1) > this.at(t);
  }

  /** The first instant from `t` on at which it is open, undefined when it never is again. */
  opensAt(t: Instant): Instant | undefined {
    const firstAfter = this.instantOf(this.at(t) + 1);
    return firstAfter === Infinity ? undefined : firstAfter - 1;
  }

  #block(number: number): Block {
    for (; this.#high <= number; this.#high++) {
      const before = this.#blocks.get(this.#high - 1)?.after ?? 0;
      this.#blocks.set(this.#high, this.#layOut(this.#high, before));
    }
    for (; this.#low > number; this.#low--) {
      const after = this.#blocks.get(this.#low)?.before ?? 0;
      this.#blocks.set(this.#low - 1, endingAt(after, this.#layOut(this.#low - 1, 0)));
    }
    return this.#blocks.get(number)!;
  }

  #layOut(number: number, before: number): Block {
    const from = Math.max(instantMin, epoch + number * blockMs);
    const to = Math.min(instantEnd, epoch + (number + 1) * blockMs);
    const starts: number[] = [];
    const ends: number[] = [];
    for (const period of offsetPeriods(this.document.timeZone, from, to)) {
      const { offsetMs } = period;
      const lastDay = Math.floor((period.to - 1 + offsetMs) / dayMs);
      for (let day = Math.floor((period.from + offsetMs) / dayMs); day <= lastDay; day++) {
        for (const spell of this.#spellsOn(day)) {
          const start = Math.max(day * dayMs + spell.from - offsetMs, period.from);
          const end = Math.min(day * dayMs + spell.to - offsetMs, period.to);
          if (start >= end) continue;
          if (start === ends[ends.length - 1]) ends[ends.length - 1] = end;
          else {
            starts.push(start);
            ends.push(end);
          }
        }
      }
    }
    const opened = new Float64Array(starts.length);
    let after = before;
    for (let index = 0; index < starts.length; index++) {
      opened[index] = after;
      after += ends[index] - starts[index];
    }
    return { starts: Float64Array.from(starts), ends: Float64Array.from(ends), opened, before, after };
  }

  /** @param day its number since 1970-01-01, which was a Thursday. */
  #spellsOn(day: number): { from: number; to: number }[] {
    return this.#holidays.has(day) ? [] : this.#spellsOfDay[(((day + 3) % 7) + 7) % 7];
  }
}

function spellsOf(document: CalendarDocument, day: string): { from: number; to: number }[] {
  return document.weekly
    .filter((hours) => hours.day === day)
    .map(({ from, to }) => ({ from: parseWallClock(from)!, to: parseWallClock(to)! }))
    .sort((a, b) => a.from - b.from);
}

/** A block that was laid out from 0, moved on the axis so that it ends at `after`. */
function endingAt(after: number, block: Block): Block {
  const before = after - block.after;
  return { ...block, opened: block.opened.map((ms) => ms + before), before, after };
}

/** How many of the ascending numbers lie below the value. */
function countBelow(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
