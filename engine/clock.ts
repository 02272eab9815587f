import { BusinessTime } from './business-time.js';
import type { CalendarDocument } from './calendar.js';
import type { Instant } from './work-item.js';

/** How the age of an item is measured, as a category or a schema says it; a category's word comes first. */
export interface ClockSettings {
  /** Id of a business calendar: time counts while it is open. */
  calendar?: string;
  /** The time that an item is on hold does not count. */
  clockStopsWhileHeld?: boolean;
}

/** A clock ready for use. Without a calendar it is the one of the world. */
export interface Clock {
  readonly calendar?: BusinessTime;
  readonly stopsWhileHeld: boolean;
}

/** One version of all calendars; those that have not changed since the version before keep what they have laid out. */
export class Calendars {
  readonly documents: readonly CalendarDocument[];
  readonly #byId: ReadonlyMap<string, BusinessTime>;
  /** Those whose axis may not be measured yet. */
  readonly #unprepared: BusinessTime[];

  /** The documents must have passed `checkCalendars`. */
  constructor(documents: readonly CalendarDocument[], before?: Calendars) {
    this.documents = documents;
    this.#byId = new Map(
      documents.map((document) => {
        const known = before?.find(document.id);
        const isSame = JSON.stringify(known?.document) === JSON.stringify(document);
        return [document.id, isSame ? known! : new BusinessTime(document)];
      }),
    );
    this.#unprepared = [...this.#byId.values()];
  }

  /**
   * Does a part of what the first use of each calendar at about `now` would have to do, 2 ms at most; true when nothing
   * is left. Nothing depends on it: who asks before only waits for longer.
   */
  prepareStep(now: Instant): boolean {
    const last = this.#unprepared.at(-1);
    if (last?.prepareStep(now)) this.#unprepared.pop();
    return this.#unprepared.length === 0;
  }

  /** Undefined for a calendar that does not exist (any more): time is that of the world then. */
  find(id: string | undefined): BusinessTime | undefined {
    return id === undefined ? undefined : this.#byId.get(id);
  }
}

/** What of an item its clock depends on. */
export interface Clocked {
  /** Present while the item is on hold. */
  readonly heldDateTime?: Instant;
  /** For how long its clock was stopped by holds that are over. */
  readonly stoppedMs?: number;
}

/** For how long, up to the instant, the clock has stood still for the item. */
export function stoppedBy(clock: Clock, { heldDateTime, stoppedMs = 0 }: Clocked, at: Instant): number {
  if (!clock.stopsWhileHeld) return 0;
  return heldDateTime === undefined ? stoppedMs : stoppedMs + Math.max(0, elapsed(clock, heldDateTime, at));
}

/** Milliseconds on the clock from one instant to another. */
export function elapsed({ calendar }: Clock, from: Instant, to: Instant): number {
  return calendar === undefined ? to - from : calendar.between(from, to);
}

/** The first instant by which `ms` (above 0) have passed on the clock; Infinity when they never will. */
export function after({ calendar }: Clock, from: Instant, ms: number): Instant {
  return calendar === undefined ? from + ms : calendar.add(from, ms);
}
