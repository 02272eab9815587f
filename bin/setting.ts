import { formatDuration, parseDuration } from '../engine/duration.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One environment variable: what it is called, what it must be, what it is without. */
export interface Setting<T> {
  env: string;
  /** What the value must be, as the docs and the messages say it: `a TCP port, 0 to 65535`. */
  expected: string;
  /** The default as text, or how it follows from the rest; undefined: none, and the setting may be absent. */
  standard: string | ((env: Environment) => string) | undefined;
  /** The default as the docs say it, where it is not a fixed text. */
  standardNote?: string;
  description: string;
  /** Never printed, not even in a message about its fault. */
  secret?: boolean;
  /** undefined: the text is not what is expected. */
  parse(text: string): T | undefined;
  /** How a value is printed, where `String` does not say it well. */
  print?(value: T): string;
}

/** What the kinds below take to make a setting. */
export type Described<T> = Omit<Setting<T>, 'expected' | 'parse' | 'print'>;

/** A count. */
export function whole(setting: Described<number>, range: { min: number; max: number }): Setting<number> {
  const parse = (text: string) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= range.min && value <= range.max ? value : undefined;
  };
  return { ...setting, expected: `a whole number from ${range.min} to ${range.max}`, parse };
}

/** A time in milliseconds, given as an ISO 8601 duration. */
export function duration(setting: Described<number>, range: { min: string; max: string }): Setting<number> {
  const [minMs, maxMs] = [mustParseDuration(range.min), mustParseDuration(range.max)];
  const parse = (text: string) => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
  };
  return {
    ...setting,
    expected: `an ISO 8601 duration from ${range.min} to ${range.max}`,
    parse,
    print: formatDuration,
  };
}

function mustParseDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`${text} is not a duration`);
  return ms;
}

/** A text of a shape. */
export function pattern(setting: Described<string>, shape: RegExp, expected: string): Setting<string> {
  return { ...setting, expected, parse: (text) => (shape.test(text) ? text : undefined) };
}

/** Keys and secrets: 1 to 256 printable ASCII characters without spaces. */
export const keyShape = /^[\x21-\x7e]{1,256}$/;
