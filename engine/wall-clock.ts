import { yearMax, yearMin } from './limits.js';

const dayMs = 24 * 3_600_000;
const timePattern = /^([01]\d|2[0-4]):([0-5]\d)$/;
const dayPattern = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Milliseconds since midnight of `HH:MM`, up to and with `24:00`; undefined when it is no such time. */
export function parseWallClock(text: string): number | undefined {
  const match = timePattern.exec(text);
  if (match === null) return undefined;
  const ms = (Number(match[1]) * 60 + Number(match[2])) * 60_000;
  return ms <= dayMs ? ms : undefined;
}

/** Number of the day `YYYY-MM-DD`, 1970-01-01 being 0; undefined when there is no such day in the engine's years. */
export function parseDay(text: string): number | undefined {
  const match = dayPattern.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = match.slice(1).map(Number);
  const ms = Date.UTC(year, month - 1, day);
  // A day that a month does not have would count into the next month.
  const isReal = new Date(ms).getUTCMonth() === month - 1 && new Date(ms).getUTCDate() === day;
  return isReal && year >= yearMin && year <= yearMax ? ms / dayMs : undefined;
}
