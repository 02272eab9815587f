import { isUtf8 } from 'node:buffer';
import { Hash } from './hash.js';
import { jsonDepthMax } from './limits.js';
import { type Fault, fault, isRejection, type Rejection, type RejectionCode, reject } from './rejection.js';

/** Faults reported for one document; more would only hide the first. */
export const faultsMax = 20;
/** Characters of a client's key that an answer repeats. */
const shownLengthMax = 64;

/**
 * The one walk over JSON that a client sent (as `JSON.parse` returned it): refuses what our stores cannot keep exactly
 * and hashes the rest, so that equal content has equal hashes whatever the order of its keys.
 *
 * Refused: nesting beyond `jsonDepthMax`; the key `__proto__`; NUL and lone surrogates in texts and keys (Postgres
 * refuses or replaces them); integers beyond 2^53-1 and 1e400, which JavaScript has rounded already. Keys such as
 * `constructor` are plain data: nothing here reads a property that an object does not own.
 */
export class ContentWalk {
  /** Lanes of the value walked last. */
  readonly hash = new Hash();
  readonly faults: Fault[] = [];

  /** Walks `value`, which stands at `pointer` inside `depth - 1` other objects or arrays. */
  walk(value: unknown, pointer: string, depth: number): void {
    const before = this.faults.length;
    this.#value(value, depth);
    if (this.faults.length > before) this.#prefix(before, pointer);
  }

  /** No further fault is taken: looking for more is wasted. */
  get isFull(): boolean {
    return this.faults.length >= faultsMax;
  }

  add(pointer: string, code: RejectionCode, detail: string): void {
    if (!this.isFull) this.faults.push({ pointer, code, detail });
  }

  #value(value: unknown, depth: number) {
    switch (typeof value) {
      case 'string':
        if (!this.hash.text(value)) this.add('', 'unsafe-text', unsafeTextDetail);
        return;
      case 'number':
        return this.#number(value);
      case 'boolean':
        return this.hash.mix(value ? 0x2545f491 : 0x14057b7e, 0x5851f42d);
      default:
        if (value === null) return this.hash.mix(0x0f1bbcdc, 0x6a09e667);
        if (depth > jsonDepthMax) return this.add('', 'too-deep', `expected at most ${jsonDepthMax} levels of nesting`);
        if (Array.isArray(value)) this.#array(value, depth);
        else this.#object(value as Record<string, unknown>, depth);
    }
  }

  #number(value: number) {
    if (!Number.isFinite(value)) this.add('', 'unsafe-number', 'expected a number that a double can hold');
    else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.add('', 'unsafe-number', 'expected an integer of at most 2^53-1 in size; send larger ones as text');
    }
    this.hash.number(value);
  }

  #array(values: unknown[], depth: number) {
    let a = 0x3c6ef372 ^ values.length;
    let b = 0x510e527f;
    for (let i = 0; i < values.length; i++) {
      const before = this.faults.length;
      this.#value(values[i], depth + 1);
      if (this.faults.length > before) this.#prefix(before, `/${i}`);
      a = Math.imul(a ^ this.hash.a, 0x85ebca77);
      b = Math.imul(((b << 13) | (b >>> 19)) ^ this.hash.b, 0xc2b2ae3d);
    }
    this.hash.mix(a, b);
  }

  /** Adds the mixed hashes of the entries up: a sum does not care for their order. */
  #object(object: Record<string, unknown>, depth: number) {
    let a = 0x1f83d9ab;
    let b = 0x5be0cd19;
    for (const key in object) {
      const before = this.faults.length;
      if (!this.hash.text(key)) this.add('', 'unsafe-text', unsafeTextDetail);
      if (key === '__proto__') this.add('', 'unsafe-key', 'the key __proto__ is not allowed');
      const { a: keyA, b: keyB } = this.hash;
      this.#value(object[key], depth + 1);
      if (this.faults.length > before) this.#prefix(before, `/${pointerKey(key)}`);
      this.entry(keyA, keyB);
      a = (a + this.hash.a) | 0;
      b = (b + this.hash.b) | 0;
    }
    this.hash.mix(a, b);
  }

  /** Joins the lanes of a key with those of its value, which was walked last. */
  entry(keyA: number, keyB: number): void {
    this.hash.mix(Math.imul(keyA, 0x27d4eb2f) ^ this.hash.a, Math.imul(keyB, 0x165667b1) ^ this.hash.b);
  }

  /** Faults know where they are from the inside out: each level adds its own key while the walk returns. */
  #prefix(from: number, prefix: string) {
    for (let i = from; i < this.faults.length; i++) this.faults[i]!.pointer = prefix + this.faults[i]!.pointer;
  }
}

/** What is said of a text that cannot be stored. */
export const unsafeTextDetail = 'expected text without NUL and without half of a surrogate pair';

/** The 64-bit hash (16 hex digits) of a parsed JSON value, or everything that is wrong with it. */
export function checkContent(value: unknown, pointer = ''): { hash: string } | { faults: Fault[] } {
  const walk = new ContentWalk();
  walk.walk(value, pointer, 1);
  return walk.faults.length > 0 ? { faults: walk.faults } : { hash: walk.hash.hex() };
}

/** A key as a JSON pointer writes it, cut where a client's key is absurdly long. */
export function pointerKey(key: string): string {
  return shown(key).replaceAll('~', '~0').replaceAll('/', '~1');
}

/** A client's text as a detail repeats it. */
export function shown(text: string): string {
  return text.length > shownLengthMax ? `${text.slice(0, shownLengthMax).replace(/\p{Surrogate}/gu, '')}...` : text;
}

/** One rejection for all the faults of a document. */
export function refusal(faults: readonly Fault[]): Rejection {
  const [first] = faults as [Fault];
  const code = faults.every((other) => other.code === first.code) ? first.code : 'invalid-value';
  const where = first.pointer === '' ? '' : `${first.pointer}: `;
  const count = faults.length === 1 ? '' : `${faults.length} faults, the first: `;
  return reject(code, `${count}${where}${first.detail}`, { faults });
}

/**
 * A request body as a JSON value. Refuses what is not UTF-8 (Node would put U+FFFD in its place), not JSON, or nested
 * deeper than `depthMax`: JSON.parse takes 10^6 levels, everything after it overflows the stack. A BOM is skipped.
 * Content is not looked at: that is `checkContent`, per item, so that one bad line harms no other.
 */
export function decodeBody(bytes: Uint8Array, depthMax = jsonDepthMax): unknown | Rejection {
  if (!isUtf8(bytes)) return reject('invalid-json', 'the body is not UTF-8 text');
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return notJson(text, (error as SyntaxError).message);
  }
  if (isRejection(value)) return imitation();
  if (Array.isArray(value)) replaceImitations(value);
  return isDeeper(value, depthMax) ? reject('too-deep', `the body is nested more than ${depthMax} levels deep`) : value;
}

/** For a client's `{"rejected":true}`, which would pass for a refusal of ours. No document of the API has such a field. */
function imitation(): Rejection {
  return fault('/rejected', 'unknown-field', 'rejected is not a field');
}

/** The same for the items of a bulk array: each becomes a real refusal, in its place. */
function replaceImitations(values: unknown[]): void {
  for (let i = 0; i < values.length; i++) if (isRejection(values[i])) values[i] = imitation();
}

/** Whether a parsed value nests deeper than `levels`. 0.2 us for a 1 KB item; a scan of the text takes ten times that. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (isDeeper(value[i], levels - 1)) return true;
    return false;
  }
  for (const key in value) {
    if (isDeeper((value as Record<string, unknown>)[key], levels - 1)) return true;
  }
  return false;
}

/** Says where and what, never more of the content than one character: bodies hold personal data, answers get logged. */
function notJson(text: string, message: string): Rejection {
  const position = Number(/ at position (\d+)/.exec(message)?.[1] ?? errorPosition(text));
  const what =
    /^(Unexpected token '.{1,2}'|Unexpected end|[A-Z][a-z' -]+?)(?=,| in JSON| of JSON| after JSON| at position)/u;
  const why = what.exec(message)?.[0] ?? 'Unexpected character';
  return reject('invalid-json', `the body is not JSON: ${why} at character ${position}`, { facts: { position } });
}

/** V8 does not say where an unexpected token stands. Every prefix that holds it fails in the same way; no other does. */
function errorPosition(text: string): number {
  let without = 0;
  let within = text.length + 1;
  while (within - without > 1) {
    const middle = (without + within) >> 1;
    if (hasUnexpectedToken(text.slice(0, middle))) within = middle;
    else without = middle;
  }
  return within - 1;
}

function hasUnexpectedToken(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return (error as SyntaxError).message.startsWith('Unexpected token');
  }
}
