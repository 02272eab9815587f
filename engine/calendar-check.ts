import { type CalendarDocument, type Weekday, weekdays } from './calendar.js';
import { DocumentCheck } from './document-check.js';
import { calendarsMax, holidaysMax, weeklyHoursMax } from './limits.js';
import type { Fault } from './rejection.js';
import { isTimeZone } from './time-zone.js';
import { parseDay, parseWallClock } from './wall-clock.js';

const documentFields = ['id', 'timeZone', 'weekly', 'holidays'];
const hoursFields = ['day', 'from', 'to'];

interface Spell {
  from: number;
  to: number;
}

/** Checks the whole body of `PUT /settings/calendars`: the calendar documents, or every fault found. */
export function checkCalendars(body: unknown): { documents: CalendarDocument[] } | { faults: Fault[] } {
  const check = new CalendarCheck();
  check.body(body);
  if (check.faults.length > 0) return { faults: check.faults };
  return { documents: (body as { calendars: CalendarDocument[] }).calendars };
}

class CalendarCheck extends DocumentCheck {
  body(body: unknown): void {
    if (!this.object(body, '', ['calendars'], ['calendars'])) return;
    const { calendars } = body;
    if (!this.array(calendars, '/calendars', 0, calendarsMax)) return;
    for (const [at, calendar] of calendars.entries()) this.calendar(calendar, `/calendars/${at}`);
  }

  private calendar(calendar: unknown, pointer: string): void {
    if (!this.object(calendar, pointer, documentFields, ['id', 'timeZone', 'weekly'])) return;
    const { id, timeZone, weekly, holidays } = calendar;
    this.id(id, `${pointer}/id`, 'calendar');
    if (timeZone !== undefined && !isTimeZone(timeZone)) {
      this.add(`${pointer}/timeZone`, 'invalid-value', 'The IANA name of a time zone is expected, e.g. Europe/Berlin');
    }
    this.weekly(weekly, `${pointer}/weekly`);
    this.holidays(holidays, `${pointer}/holidays`);
  }

  private weekly(weekly: unknown, pointer: string): void {
    if (!this.array(weekly, pointer, 1, weeklyHoursMax)) return;
    const seen = new Map<Weekday, Spell[]>();
    for (const [at, hours] of weekly.entries()) this.hours(hours, `${pointer}/${at}`, seen);
  }

  private hours(hours: unknown, pointer: string, seen: Map<Weekday, Spell[]>): void {
    if (!this.object(hours, pointer, hoursFields, hoursFields)) return;
    this.oneOf(hours.day, `${pointer}/day`, weekdays);
    const from = this.time(hours.from, `${pointer}/from`);
    const to = this.time(hours.to, `${pointer}/to`);
    if (from === undefined || to === undefined) return;
    if (from >= to) {
      this.add(`${pointer}/to`, 'invalid-value', 'Hours end after they begin; what goes past midnight is two entries');
      return;
    }
    const day = hours.day as Weekday;
    const others = seen.get(day) ?? [];
    if (others.some((other) => from < other.to && other.from < to)) {
      this.add(pointer, 'invalid-value', `These hours overlap earlier ones of ${day}`);
    }
    seen.set(day, [...others, { from, to }]);
  }

  private time(text: unknown, pointer: string): number | undefined {
    if (text === undefined) return undefined;
    const ms = typeof text === 'string' ? parseWallClock(text) : undefined;
    if (ms === undefined) this.add(pointer, 'invalid-value', 'A time from 00:00 to 24:00 is expected, e.g. 08:30');
    return ms;
  }

  private holidays(holidays: unknown, pointer: string): void {
    if (!this.array(holidays, pointer, 0, holidaysMax)) return;
    for (const [at, holiday] of holidays.entries()) {
      if (typeof holiday === 'string' && parseDay(holiday) !== undefined) continue;
      this.add(`${pointer}/${at}`, 'invalid-value', 'A day of the years 1970 to 2200 is expected, e.g. 2026-12-25');
    }
  }
}
