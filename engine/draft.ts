import { ContentWalk, pointerKey, refusal, shown, unsafeTextDetail } from './content.js';
import { Hash } from './hash.js';
import { parseInstant } from './instant.js';
import {
  attributesBytesMax as attributesBytesMaxDefault,
  categoryDepthMax,
  clockSkewMs,
  textLengthMax,
  yearMax,
  yearMin,
} from './limits.js';
import { nearest } from './nearest.js';
import { fault, type Rejection } from './rejection.js';
import { type Draft, type Instant, plainTexts } from './work-item.js';

/** What reading a draft depends on beside the draft. */
export interface Reading {
  now: Instant;
  attributesBytesMax?: number;
  /** A `tenantId` in the body is accepted when it says the same. */
  tenantId?: string;
}

export type FieldName = Exclude<keyof Draft, 'attributes' | 'fingerprint'>;

interface Field {
  name: FieldName | 'attributes' | 'tenantId';
  kind: 'text' | 'category' | 'instant' | 'value' | 'version' | 'attributes' | 'tenant';
  pointer: string;
  /** Lanes of the name's hash, so that it is hashed once. */
  a: number;
  b: number;
}

const kinds: Record<Field['name'], Field['kind']> = {
  captureId: 'text',
  category: 'category',
  businessValue: 'value',
  customerSegment: 'text',
  departmentId: 'text',
  processId: 'text',
  createdDateTime: 'instant',
  activationDateTime: 'instant',
  dueDateTime: 'instant',
  expirationDateTime: 'instant',
  sourceCreatedDateTime: 'instant',
  sourceDueDateTime: 'instant',
  sourceFirstCreatedDateTime: 'instant',
  sourceVersion: 'version',
  sourceUpdatedDateTime: 'instant',
  ...(Object.fromEntries(plainTexts.map((name) => [name, 'text'])) as Record<(typeof plainTexts)[number], 'text'>),
  attributes: 'attributes',
  tenantId: 'tenant',
};

const fields = new Map(
  Object.entries(kinds).map(([name, kind]): [string, Field] => {
    const hash = new Hash();
    hash.text(name);
    return [name, { name: name as Field['name'], kind, pointer: `/${name}`, a: hash.a, b: hash.b }];
  }),
);

/** Names of a draft's fields, without `attributes`. */
export const fieldNames = [...fields.values()]
  .filter(({ kind }) => kind !== 'attributes' && kind !== 'tenant')
  .map(({ name }) => name as FieldName);

/** Fields of an item that only the engine writes. */
const serverOwned = new Set([
  ...['id', 'seq', 'version', 'status', 'priority', 'score', 'rank', 'age', 'rule', 'error', 'preclassified'],
  ...['stoppedMs', 'dueByCategory'],
  ...['assignedTo', 'assignedDateTime', 'heldDateTime', 'completedDateTime', 'updatedDateTime', 'resultCode', 'reason'],
  ...['fingerprint', 'schema', 'override'],
]);

const businessValueMax = 1e9;
const categoryPattern = new RegExp(`^[A-Za-z0-9_.-]{1,64}(?:/[A-Za-z0-9_.-]{1,64}){0,${categoryDepthMax - 1}}$`);

/**
 * Reads one item as a source sent it (parsed JSON). Runs for every ingested item, so it is written by hand. All faults
 * come back at once, up to `faultsMax`. A field that is null counts as not given, and no attributes as empty ones:
 * sources send either.
 */
export function parseDraft(value: unknown, at: Reading): Draft | Rejection {
  if (!isObject(value)) return fault('', 'invalid-value', 'expected a JSON object: one work item');
  const reader = new DraftReader({ attributes: '{}', fingerprint: '' }, at);
  for (const name in value) reader.read(name, value[name]);
  return reader.finish(undefined);
}

export const expiresTooEarly = 'expected a time after the item was created';

/** Whether an item's expiration, if it has one, has passed at the instant. */
export function isExpiredAt(expiration: Instant | undefined, at: Instant): boolean {
  return expiration !== undefined && expiration <= at;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Puts checked fields into a draft and gathers the faults and the fingerprint. The fingerprint is of what was meant, not
 * of how it was written: `09:00Z` and `10:00+01:00`, absent and null, any order of keys are the same.
 */
export class DraftReader {
  readonly draft: Draft;
  readonly #at: Reading;
  readonly #walk = new ContentWalk();
  #a = 0;
  #b = 0;

  constructor(draft: Draft, at: Reading) {
    this.draft = draft;
    this.#at = at;
  }

  /** Reads one field of the body. */
  read(name: string, value: unknown): void {
    const field = fields.get(name);
    if (field === undefined) this.#refuse(name);
    else if (value !== null && value !== undefined) this.#field(field, value);
  }

  #field(field: Field, value: unknown) {
    switch (field.kind) {
      case 'text':
        return this.#text(field, value);
      case 'instant':
        return this.#instant(field, value);
      case 'attributes':
        return this.#attributes(field, value);
      case 'category':
        return this.#category(field, value);
      case 'tenant':
        return this.#tenant(value);
      default:
        return this.#number(field, value);
    }
  }

  /** Takes over a field that was checked when the item came in. */
  keep(name: FieldName, value: string | number): void {
    const field = fields.get(name)!;
    if (typeof value === 'string') this.#putText(field, value);
    else this.#putNumber(field, value);
  }

  fault(name: string, detail: string): void {
    this.#walk.add(`/${name}`, 'invalid-value', detail);
  }

  /**
   * The finished draft; `created` is when the item counts as created if the draft does not say. Undefined: it is for
   * `decide` to say, because the same text must read the same whenever it comes again.
   */
  finish(created: Instant | undefined): Draft | Rejection {
    const { draft } = this;
    const { createdDateTime = created, expirationDateTime } = draft;
    if (createdDateTime !== undefined && createdDateTime > this.#at.now + clockSkewMs) {
      this.fault('createdDateTime', `expected a time that is not in the future; ${clockSkewMs} ms of skew are allowed`);
    } else if (createdDateTime !== undefined && isExpiredAt(expirationDateTime, createdDateTime)) {
      this.fault('expirationDateTime', expiresTooEarly);
    }
    if (this.#walk.faults.length > 0) return refusal(this.#walk.faults);
    this.#walk.hash.mix(this.#a, this.#b);
    draft.fingerprint = this.#walk.hash.hex();
    return draft;
  }

  #text(field: Field, value: unknown) {
    if (typeof value !== 'string' || value.length === 0 || value.length > textLengthMax) {
      return this.#expected(field, `a text of 1 to ${textLengthMax} characters`);
    }
    this.#putText(field, value);
  }

  #category(field: Field, value: unknown) {
    if (typeof value !== 'string' || value.length > 65 * categoryDepthMax || !categoryPattern.test(value)) {
      return this.#expected(field, 'a category path such as "noise/street": letters, digits, _ . - and /');
    }
    this.#putText(field, value);
  }

  #instant(field: Field, value: unknown) {
    const ms = typeof value === 'string' ? parseInstant(value) : undefined;
    if (ms !== undefined) return this.#putNumber(field, ms);
    const example = '2026-03-01T09:30:00Z or 2026-03-01T10:30:00+01:00';
    this.#expected(field, `an ISO 8601 time with offset between the years ${yearMin} and ${yearMax}, e.g. ${example}`);
  }

  #number(field: Field, value: unknown) {
    if (field.kind === 'version') {
      if (Number.isSafeInteger(value) && (value as number) >= 0) return this.#putNumber(field, (value as number) + 0);
      return this.#expected(field, 'a whole number from 0 to 2^53-1');
    }
    if (typeof value !== 'number' || !(Math.abs(value) <= businessValueMax)) {
      return this.#expected(field, `a number from -${businessValueMax} to ${businessValueMax}`);
    }
    this.#putNumber(field, value + 0);
  }

  #tenant(value: unknown) {
    if (value === this.#at.tenantId) return;
    this.fault('tenantId', 'expected the tenant of the API key, or no tenantId at all');
  }

  #attributes(field: Field, value: unknown) {
    if (!isObject(value)) return this.#expected(field, 'a JSON object');
    const walk = this.#walk;
    const before = walk.faults.length;
    walk.walk(value, field.pointer, 2);
    // Content with a fault may be too deep for JSON.stringify.
    if (walk.faults.length > before) return;
    const text = JSON.stringify(value);
    if (text === '{}') return;
    this.#sum(field);
    const bytesMax = this.#at.attributesBytesMax ?? attributesBytesMaxDefault;
    // A UTF-16 character is at most 3 bytes: most texts need no counting.
    if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) {
      return walk.add(field.pointer, 'too-large', `expected at most ${bytesMax} bytes of JSON`);
    }
    this.draft.attributes = text;
  }

  #putText(field: Field, value: string) {
    if (!this.#walk.hash.text(value)) return this.#walk.add(field.pointer, 'unsafe-text', unsafeTextDetail);
    this.#sum(field);
    (this.draft as unknown as Record<string, unknown>)[field.name] = value;
  }

  #putNumber(field: Field, value: number) {
    this.#walk.hash.number(value);
    this.#sum(field);
    (this.draft as unknown as Record<string, unknown>)[field.name] = value;
  }

  /** Adds the field, whose value was hashed last, to the fingerprint. */
  #sum(field: Field) {
    this.#walk.entry(field.a, field.b);
    this.#a = (this.#a + this.#walk.hash.a) | 0;
    this.#b = (this.#b + this.#walk.hash.b) | 0;
  }

  #expected(field: Field, what: string) {
    this.#walk.add(field.pointer, 'invalid-value', `expected ${what}`);
  }

  #refuse(name: string) {
    if (this.#walk.isFull) return;
    const pointer = `/${pointerKey(name)}`;
    if (name === '__proto__') return this.#walk.add(pointer, 'unsafe-key', 'the key __proto__ is not allowed');
    if (serverOwned.has(name)) {
      return this.#walk.add(pointer, 'unknown-field', `${name} is set by the engine and cannot be given`);
    }
    const known = nearest(name, fields.keys());
    const hint = known === undefined ? 'free fields belong into attributes' : `did you mean ${known}?`;
    this.#walk.add(pointer, 'unknown-field', `${JSON.stringify(shown(name))} is not a field of a work item; ${hint}`);
  }
}
