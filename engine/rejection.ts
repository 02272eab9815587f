/**
 * Everything the engine refuses, by stable code. A rejection is a value, never an exception: the command was understood
 * (or not), nothing has changed. `status` is the HTTP status of the problem document (RFC 9457) that the API answers.
 */
export const rejections = {
  'invalid-json': { status: 400, title: 'The body is not JSON' },
  'invalid-csv': { status: 400, title: 'The body is not CSV' },
  'invalid-value': { status: 400, title: 'A value is not what is expected here' },
  'unknown-field': { status: 400, title: 'A field is not known here' },
  'missing-field': { status: 400, title: 'A required field is missing' },
  'too-deep': { status: 400, title: 'The JSON is nested too deeply' },
  'unsafe-number': { status: 400, title: 'A number cannot be kept exactly' },
  'unsafe-text': { status: 400, title: 'A text holds characters that cannot be stored' },
  'unsafe-key': { status: 400, title: 'A key is not allowed' },
  'invalid-settings': { status: 400, title: 'The settings document has a fault' },
  'invalid-cursor': { status: 400, title: 'The cursor is not one of ours' },
  unauthorized: { status: 401, title: 'The credentials are missing or wrong' },
  forbidden: { status: 403, title: 'The credentials do not allow this' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'illegal-transition': { status: 409, title: 'The item is in a state that does not allow this' },
  gone: { status: 410, title: 'The item has been deleted' },
  conflict: { status: 409, title: 'It conflicts with what is there' },
  'capture-conflict': { status: 409, title: 'The captureId belongs to an item with other content' },
  'version-mismatch': { status: 412, title: 'The item has changed since' },
  'too-large': { status: 413, title: 'The content is larger than allowed' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported here' },
  'query-too-slow': { status: 422, title: 'The search takes longer than a search may' },
  'key-reused': { status: 422, title: 'The Idempotency-Key was used with another body' },
  'quota-exceeded': { status: 429, title: 'A quota of the tenant is used up' },
  'too-many-requests': { status: 429, title: 'Too many requests at once' },
  internal: { status: 500, title: 'The server made a mistake' },
  unavailable: { status: 503, title: 'The tenant is not available right now' },
  draining: { status: 503, title: 'The server is stopping' },
  timeout: { status: 503, title: 'No answer in time; the outcome is unknown' },
} as const satisfies Record<string, { status: number; title: string }>;

export type RejectionCode = keyof typeof rejections;

/** One fault in a document: a JSON pointer (RFC 6901) to the field, and what was expected there. */
export interface Fault {
  pointer: string;
  code: RejectionCode;
  detail: string;
}

export interface Rejection {
  readonly rejected: true;
  readonly code: RejectionCode;
  /** One sentence for the caller: what is wrong and what would be right. */
  readonly detail: string;
  readonly faults?: readonly Fault[];
  /** Facts a program may act on, e.g. `{ status: 'held', allowed: ['resume', 'cancel'] }`. */
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;
}

export function reject(
  code: RejectionCode,
  detail: string,
  more: Omit<Rejection, 'rejected' | 'code' | 'detail'> = {},
): Rejection {
  return { rejected: true, code, detail, ...more };
}

/** A rejection for one faulty field. */
export function fault(pointer: string, code: RejectionCode, detail: string): Rejection {
  return reject(code, detail, { faults: [{ pointer, code, detail }] });
}

/** A rejection because of If-Match: what was read is no longer so. */
export function versionMismatch(version: number): Rejection {
  return reject('version-mismatch', `the version is ${version} now; read it again and decide anew`, {
    facts: { version },
  });
}

export function isRejection(value: unknown): value is Rejection {
  return typeof value === 'object' && value !== null && (value as Rejection).rejected === true;
}
