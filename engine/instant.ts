import { yearMax, yearMin } from './limits.js';
import type { Instant } from './work-item.js';

const minuteMs = 60_000;
const instantMin = Date.UTC(yearMin, 0, 1);
const instantEnd = Date.UTC(yearMax + 1, 0, 1);
const daysBeforeMonth = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const daysInMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** Longest text worth reading: nanoseconds and an offset fit with room to spare. */
const lengthMax = 40;

/**
 * Reads an ISO 8601 instant: `2026-03-01T09:30[:15[.123456]](Z|+01:00)`. Undefined when it is not one: no offset, no
 * such day, a leap second, or a year outside yearMin..yearMax. Digits after the milliseconds are cut.
 *
 * By hand because it runs several times for every item: Date.parse takes local times, `2026-02-30` and year 300000.
 */
export function parseInstant(text: string): Instant | undefined {
  const length = text.length;
  if (length < 17 || length > lengthMax) return undefined;
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[10] !== 'T') return undefined;
  const day = dayNumber(twoDigits(text, 0) * 100 + twoDigits(text, 2), twoDigits(text, 5), twoDigits(text, 8));
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  // Written so that NaN, the mark of a missing digit, fails every comparison.
  if (!(day >= -1 && hour <= 23 && minute <= 59)) return undefined;
  const at = parseSeconds(text, 16);
  const offset = parseOffset(text, secondsEnd);
  const ms = ((day * 24 + hour) * 60 + minute - offset) * minuteMs + at;
  return ms >= instantMin && ms < instantEnd ? ms : undefined;
}

/** `2026-03-01T09:30:15.123Z`. */
export function formatInstant(ms: Instant): string {
  if (ms === formattedMs) return formatted;
  formatted = new Date(ms).toISOString();
  formattedMs = ms;
  return formatted;
}

/** Most texts of one turn say the same instant: 0.3 us each. */
let formattedMs = 0;
let formatted = '1970-01-01T00:00:00.000Z';

/** Days since 1970-01-01, NaN when there is no such day. Counts leap days as the Gregorian calendar has them. */
function dayNumber(year: number, month: number, day: number): number {
  if (!(year >= yearMin - 1 && year <= yearMax + 1 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (day > daysInMonth[month - 1]! + (leap && month === 2 ? 1 : 0)) return Number.NaN;
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400) - 477;
  return (year - 1970) * 365 + leapDays + daysBeforeMonth[month - 1]! + (leap && month > 2 ? 1 : 0) + day - 1;
}

/** Where `parseSeconds` stopped: a second result that costs no allocation. */
let secondsEnd = 0;

/** Milliseconds of an optional `:ss[.fff]` at `start`, NaN when malformed; leaves the end in `secondsEnd`. */
function parseSeconds(text: string, start: number): number {
  secondsEnd = start;
  if (text.charCodeAt(start) !== 0x3a) return 0;
  const seconds = twoDigits(text, start + 1);
  if (!(seconds <= 59)) return Number.NaN;
  secondsEnd = start + 3;
  return text.charCodeAt(secondsEnd) === 0x2e ? seconds * 1000 + parseFraction(text) : seconds * 1000;
}

function parseFraction(text: string): number {
  const start = ++secondsEnd;
  let ms = 0;
  let weight = 100;
  for (; digitAt(text, secondsEnd) >= 0; secondsEnd++) {
    if (weight >= 1) ms += digitAt(text, secondsEnd) * weight;
    weight /= 10;
  }
  return secondsEnd === start ? Number.NaN : ms;
}

/** Minutes east of UTC, NaN unless exactly `Z` or `+hh:mm` stands from `start` to the end. */
function parseOffset(text: string, start: number): number {
  const sign = text.charCodeAt(start);
  if (sign === 0x5a) return text.length === start + 1 ? 0 : Number.NaN;
  if ((sign !== 0x2b && sign !== 0x2d) || text.length !== start + 6 || text[start + 3] !== ':') return Number.NaN;
  const hours = twoDigits(text, start + 1);
  const minutes = twoDigits(text, start + 4);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (hours * 60 + minutes) * (sign === 0x2b ? 1 : -1);
}

function twoDigits(text: string, start: number): number {
  const tens = digitAt(text, start);
  const ones = digitAt(text, start + 1);
  return tens >= 0 && ones >= 0 ? tens * 10 + ones : Number.NaN;
}

function digitAt(text: string, index: number): number {
  const digit = text.charCodeAt(index) - 0x30;
  return digit >= 0 && digit <= 9 ? digit : -1;
}
