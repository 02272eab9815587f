import { Temporal } from 'temporal-polyfill';
import type { Instant } from './work-item.js';

/** A stretch of time in which a zone's clocks keep the same distance from UTC. */
export interface OffsetPeriod {
  from: Instant;
  /** First instant after it. */
  to: Instant;
  /** Wall clock = instant + offset. */
  offsetMs: number;
}

/** What ICU lists: most names of a zone are known by it without asking for its rules, which takes 0.5 ms. */
let listed: ReadonlySet<string> | undefined;

/** A thread's first question about any zone takes 40 ms: better before it serves anybody. */
export function loadTimeZones(): void {
  isTimeZone('Etc/UTC');
  offsetPeriods('Europe/Berlin', Date.UTC(2020, 0, 1), Date.UTC(2021, 0, 1));
}

/** Whether this names a time zone of the IANA database; bare offsets such as `+01:00` are not taken. */
export function isTimeZone(name: unknown): name is string {
  if (typeof name !== 'string' || !/^[A-Za-z]/.test(name)) return false;
  listed ??= new Set(Intl.supportedValuesOf('timeZone'));
  if (listed.has(name)) return true;
  try {
    atInstant(0, name);
    return true;
  } catch {
    return false;
  }
}

/**
 * The periods that make up `from`..`to`, in order, the first and last cut to it. The rules are those of the ICU that
 * Node was built with: servers of one cluster should run the same Node. 3 ms for ten years of a zone that nobody asked
 * for before, a tenth of that afterwards.
 */
export function offsetPeriods(timeZone: string, from: Instant, to: Instant): OffsetPeriod[] {
  const periods: OffsetPeriod[] = [];
  for (let at = from; at < to; ) {
    const zoned = atInstant(at, timeZone);
    const change = zoned.getTimeZoneTransition('next')?.epochMilliseconds ?? to;
    const end = Math.min(change, to);
    periods.push({ from: at, to: end, offsetMs: zoned.offsetNanoseconds / 1e6 });
    at = end;
  }
  return periods;
}

function atInstant(at: Instant, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
}
