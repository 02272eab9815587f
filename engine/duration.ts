import { yearMax, yearMin } from './limits.js';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** No duration is longer than the span of times that the engine knows, so time + duration always stays exact. */
export const durationMsMax = (yearMax + 1 - yearMin) * 366 * dayMs;

// Each run of digits is bounded and followed by its own letter, so the match is linear.
const pattern =
  /^([+-]?)P(?=\d|T\d)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,11})(?:\.(\d{1,9}))?S)?)?$/;

/**
 * Milliseconds of an ISO 8601 duration (`PT8H`, `P1DT12H`, `P2W`, `-PT0.5S`), undefined when it is not one. Years and
 * months are refused because they have no fixed length; digits after the milliseconds are cut. A day is 24 hours.
 */
export function parseDuration(text: string): number | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const part = (group: number) => Number(match[group] ?? 0);
  const fractionMs = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const ms = (part(2) * 7 + part(3)) * dayMs + part(4) * hourMs + part(5) * minuteMs + part(6) * secondMs + fractionMs;
  if (ms > durationMsMax) return undefined;
  return match[1] === '-' && ms > 0 ? -ms : ms;
}

/** The ISO 8601 text of whole milliseconds, in days and smaller: `P1DT2H`, `-PT0.5S`, `PT0S`. */
export function formatDuration(ms: number): string {
  const size = Math.abs(ms);
  const days = Math.floor(size / dayMs);
  const hours = Math.floor((size % dayMs) / hourMs);
  const minutes = Math.floor((size % hourMs) / minuteMs);
  const seconds = (size % minuteMs) / secondMs;
  const date = days > 0 ? `${days}D` : '';
  const time = `${hours > 0 ? `${hours}H` : ''}${minutes > 0 ? `${minutes}M` : ''}${seconds > 0 ? `${seconds}S` : ''}`;
  if (date === '' && time === '') return 'PT0S';
  return `${ms < 0 ? '-' : ''}P${date}${time === '' ? '' : `T${time}`}`;
}
