import { Packr, Unpackr } from 'msgpackr';
import type { Event } from '../engine/event.js';

/** First byte of every journal row; a reader refuses what it does not know instead of guessing. */
const format = 1;

/**
 * The bytes of one journal row: the format byte, then ONE msgpack message of the whole array. Every row gets a Packr of
 * its own, so that the record definitions lie inside the row and a row is readable alone, for ever. Fields that are
 * undefined are left out: absent and undefined must not become two different things after a replay.
 */
export function packEvents(events: readonly Event[]): Buffer {
  const body = new Packr({ useRecords: true }).pack(withoutUndefined(events));
  const bytes = Buffer.allocUnsafe(body.length + 1);
  bytes[0] = format;
  body.copy(bytes, 1);
  return bytes;
}

/** What a text of JSON, which may be a number there, looks like in the bytes of a row; a short number is found too often. */
export function needlesOf(text: string): Buffer[] {
  const number = Number(text);
  return [Buffer.from(text), ...(String(number) === text ? [Buffer.from(new Packr().pack(number))] : [])];
}

/** The events of one row; throws on bytes of another format or on damage. */
export function unpackEvents(bytes: Uint8Array): Event[] {
  if (bytes[0] !== format) throw new Error(`journal row has format ${bytes[0]}, this release reads ${format}`);
  const events: unknown = new Unpackr({ useRecords: true }).unpack(bytes.subarray(1));
  if (!Array.isArray(events)) throw new Error('journal row does not hold a list of events');
  return events as Event[];
}

/** The value itself when nothing in it is undefined, else a copy without those fields; arrays keep their length. */
function withoutUndefined<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutUndefined) as T;
  let clean: Record<string, unknown> | undefined;
  const source = value as Record<string, unknown>;
  for (const name of Object.keys(source)) {
    const before = source[name];
    const after = withoutUndefined(before);
    if (before !== undefined && after === before) continue;
    clean ??= { ...source };
    if (before === undefined) delete clean[name];
    else clean[name] = after;
  }
  return (clean ?? value) as T;
}
