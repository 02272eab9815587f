import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { idempotencyKeyLengthMax } from '../engine/limits.js';
import { type Rejection, reject } from '../engine/rejection.js';

/**
 * The version that `If-Match` names; undefined when any will do (`*` or no header). Only the strong ETag that we give
 * out is understood: refusing the rest is safer than comparing it in a way that the client did not mean.
 */
export function readIfMatch(value: string | undefined): number | undefined | Rejection {
  if (value === undefined || value === '*') return undefined;
  const match = /^"(\d{1,15})"$/.exec(value);
  if (match) return Number(match[1]);
  return reject('invalid-value', 'If-Match must be one strong ETag as we gave it, for example "3", or *.');
}

const printable = new RegExp(`^[\\x20-\\x7e]{1,${idempotencyKeyLengthMax}}$`);

export function readIdempotencyKey(value: string | string[] | undefined): string | undefined | Rejection {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && printable.test(value)) return value;
  return reject('invalid-value', `Idempotency-Key must be 1 to ${idempotencyKeyLengthMax} printable ASCII characters.`);
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The id in canonical form, or undefined: what is no UUID names nothing, and the engine need not look. */
export function readId(value: string): string | undefined {
  return uuid.test(value) ? value.toLowerCase() : undefined;
}

const sane = /^[\w.:/+=-]{1,128}$/;
const ownIds = randomBytes(6).toString('hex');
let count = 0;

/** The client's `x-request-id` when it is fit for a log line, else one of our own: random per process, then counted. */
export function requestId(raw: IncomingMessage): string {
  const given = raw.headers['x-request-id'];
  if (typeof given === 'string' && sane.test(given)) return given;
  count += 1;
  return `${ownIds}-${count.toString(36)}`;
}
