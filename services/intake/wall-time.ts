/** Clock times as people and exports write them, in a time zone, to instants. */

/** A calendar date and a time of day without a zone. */
export interface WallTime {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** Zones kept: a name may be written in any case, so there is no end of them. */
const formatsMax = 64;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    if (formats.size >= formatsMax) formats.clear();
    formats.set(zone, format);
  }
  return format;
}

/** Whether the name is a time zone that this machine knows, e.g. `America/New_York`, `UTC`. */
export function isTimeZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that the zone's clocks are ahead of UTC at the instant. */
function offsetMs(zone: string, instant: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(instant)) parts[type] = Number(value);
  const shown = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
  return shown - Math.floor(instant / 1000) * 1000;
}

const dayMs = 86_400_000;
/** Days kept: a file is of a few, and asking for an offset takes microseconds. */
const daysMax = 4096;
const days = new Map<string, readonly [before: number, after: number]>();

/** The zone's offsets a day before that day of UTC begins, and a day after it ends. */
function offsetsAround(zone: string, day: number): readonly [before: number, after: number] {
  const key = `${day} ${zone}`;
  let around = days.get(key);
  if (!around) {
    around = [offsetMs(zone, (day - 1) * dayMs), offsetMs(zone, (day + 2) * dayMs)];
    if (days.size >= daysMax) days.clear();
    days.set(key, around);
  }
  return around;
}

/**
 * The instant at which the zone's clocks show this time. An hour that exists twice in autumn means the first of the
 * two; an hour that is left out in spring means as long after the jump as it claims to be after its start.
 * @returns milliseconds since 1970, or undefined when there is no such date or time of day.
 */
export function instantOf(wall: WallTime, zone: string): number | undefined {
  const { year, month, day, hour, minute, second } = wall;
  const asUtc = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(asUtc);
  const real = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!real || hour > 23 || minute > 59 || second > 59) return undefined;
  // A zone changes its offset at most once within three days, so the two offsets around the day are the only candidates.
  const [before, after] = offsetsAround(zone, Math.floor(asUtc / dayMs));
  if (before === after) return asUtc - before;
  for (const offset of [before, after]) {
    if (offsetMs(zone, asUtc - offset) === offset) return asUtc - offset;
  }
  return asUtc - before;
}

/** What a time format may hold, longest first so that `MM` is not read as a part of something else. */
const tokens: Readonly<Record<string, string>> = {
  YYYY: '(?<year>\\d{4})',
  MM: '(?<month>\\d{1,2})',
  DD: '(?<day>\\d{1,2})',
  HH: '(?<hour>\\d{1,2})',
  hh: '(?<hour>\\d{1,2})',
  mm: '(?<minute>\\d{2})',
  ss: '(?<second>\\d{2})',
  AM: '(?<half>AM|PM|am|pm)',
};

export type TimeReader = (text: string) => number | undefined;

/**
 * Compiles a format such as `MM/DD/YYYY hh:mm:ss AM` (`HH` 0-23, `hh` 1-12 with `AM`; absent parts are 0) for one zone.
 * @returns a reader, or a sentence that says what is wrong with the format or the zone.
 */
export function timeReader(format: string, zone: string): TimeReader | string {
  if (!isTimeZone(zone)) return `"${zone}" is not a time zone; expected a name such as America/New_York or UTC`;
  const parts = format.split(/(YYYY|MM|DD|HH|hh|mm|ss|AM)/);
  const used = parts.filter((_, i) => i % 2 === 1);
  if (new Set(used).size !== used.length) return `"${format}" holds a part twice`;
  const missing = ['YYYY', 'MM', 'DD'].filter((part) => !used.includes(part));
  if (missing.length > 0) return `"${format}" lacks ${missing.join(', ')}`;
  if (used.includes('HH') && used.includes('hh')) return `"${format}" holds both HH and hh`;
  if (used.includes('hh') !== used.includes('AM')) return `"${format}": hh (1 to 12) and AM belong together`;
  const source = parts.map((part, i) => (i % 2 === 1 ? tokens[part] : part.replace(/[^\w\s]/g, '\\$&'))).join('');
  const shape = new RegExp(`^${source}$`);
  return (text) => readTime(shape.exec(text.trim())?.groups, zone);
}

function readTime(groups: Record<string, string> | undefined, zone: string): number | undefined {
  if (!groups) return undefined;
  const part = (name: string) => Number(groups[name] ?? 0);
  let hour = part('hour');
  if (groups.half) {
    if (hour < 1 || hour > 12) return undefined;
    hour = (hour % 12) + (groups.half.toUpperCase() === 'PM' ? 12 : 0);
  }
  return instantOf(
    {
      year: part('year'),
      month: part('month'),
      day: part('day'),
      hour,
      minute: part('minute'),
      second: part('second'),
    },
    zone,
  );
}
