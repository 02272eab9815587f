import { Temporal } from 'temporal-polyfill';
import type { CalendarDocument } from './calendar.js';
import type { Instant } from './work-item.js';

type Spell = [from: Instant, to: Instant];

/** Instants whose day is remembered; there are few different ones in a test. */
const memoMax = 100_000;
const base = Temporal.PlainDate.from('2026-01-01');
const yearsMin = Date.UTC(1970, 0, 1);
const yearsEnd = Date.UTC(2201, 0, 1);

/**
 * Business time straight from its definition, by dates and clocks of the Temporal polyfill, day after day: what
 * `BusinessTime` must agree with. For tests and the simulator; slow, and shares no code with the engine's.
 */
export class CalendarOracle {
  readonly #document: CalendarDocument;
  readonly #spellsOfDay = new Map<number, Spell[]>();
  readonly #dayOf = new Map<Instant, number>();

  constructor(document: CalendarDocument) {
    this.#document = document;
  }

  /** Open milliseconds from one instant to another, negative when it lies before. */
  between(from: Instant, to: Instant): number {
    if (to < from) return 0 - this.between(to, from);
    let ms = 0;
    const last = this.#day(to);
    for (let day = this.#day(from); day <= last; day++) {
      for (const [opens, closes] of this.#spells(day)) ms += Math.max(0, Math.min(closes, to) - Math.max(opens, from));
    }
    return ms;
  }

  /** Whether the clock on the wall shows a time inside the hours of a day that is no holiday. */
  isOpenAt(t: Instant): boolean {
    if (t < yearsMin || t >= yearsEnd) return false;
    const wall = zoned(t, this.#document.timeZone);
    const ms = sinceMidnight(wall);
    return this.#hoursOf(wall.toPlainDate()).some(({ from, to }) => ms >= from && ms < to);
  }

  /** The day's number, by the calendar's clocks. */
  #day(t: Instant): number {
    let day = this.#dayOf.get(t);
    if (day === undefined) {
      const cut = Math.min(Math.max(t, yearsMin), yearsEnd);
      day = base.until(zoned(cut, this.#document.timeZone).toPlainDate()).days;
      if (this.#dayOf.size >= memoMax) this.#dayOf.clear();
      this.#dayOf.set(t, day);
    }
    return day;
  }

  #spells(day: number): Spell[] {
    let spells = this.#spellsOfDay.get(day);
    if (spells === undefined) {
      spells = this.#walkDay(base.add({ days: day }));
      this.#spellsOfDay.set(day, spells);
    }
    return spells;
  }

  /** Goes through the day from one change of the clocks to the next; between them wall time passes as time does. */
  #walkDay(date: Temporal.PlainDate): Spell[] {
    const { timeZone } = this.#document;
    const end = date.add({ days: 1 }).toZonedDateTime(timeZone);
    const spells: Spell[] = [];
    let at = date.toZonedDateTime(timeZone);
    while (Temporal.ZonedDateTime.compare(at, end) < 0) {
      const change = at.getTimeZoneTransition('next');
      const next = change !== null && Temporal.ZonedDateTime.compare(change, end) < 0 ? change : end;
      // A day that the zone left out (Samoa, 2011-12-30) begins on the next one and has no time.
      if (at.toPlainDate().equals(date)) spells.push(...this.#between(at, next));
      at = next;
    }
    return spells;
  }

  #between(from: Temporal.ZonedDateTime, to: Temporal.ZonedDateTime): Spell[] {
    const start = from.epochMilliseconds;
    const wall = sinceMidnight(from);
    return this.#hoursOf(from.toPlainDate()).flatMap((hours): Spell[] => {
      const opens = Math.max(start, start + hours.from - wall, yearsMin);
      const closes = Math.min(to.epochMilliseconds, start + hours.to - wall, yearsEnd);
      return opens < closes ? [[opens, closes]] : [];
    });
  }

  #hoursOf(date: Temporal.PlainDate): { from: number; to: number }[] {
    const { weekly, holidays } = this.#document;
    if (holidays?.includes(date.toString())) return [];
    const day = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'][date.dayOfWeek - 1];
    return weekly.filter((hours) => hours.day === day).map(({ from, to }) => ({ from: msOf(from), to: msOf(to) }));
  }
}

function zoned(t: Instant, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(t).toZonedDateTimeISO(timeZone);
}

function sinceMidnight(wall: Temporal.ZonedDateTime): number {
  return msOf(wall.toPlainTime().toString());
}

function msOf(time: string): number {
  if (time === '24:00') return 24 * 3_600_000;
  return Temporal.PlainTime.from('00:00').until(Temporal.PlainTime.from(time)).total('milliseconds');
}
