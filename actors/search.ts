import { checkContent, decodeBody, pointerKey, refusal } from '../engine/content.js';
import { isObject } from '../engine/draft.js';
import type { Filter } from '../engine/filter.js';
import { parseFilter } from '../engine/filter-parser.js';
import { Hash } from '../engine/hash.js';
import {
  newestFirst,
  parseSort,
  partsOf,
  positionOf,
  type SortKey,
  type SortPart,
  type SortPosition,
} from '../engine/item-sort.js';
import { pageItemsDefault, pageItemsMax, yearMax } from '../engine/limits.js';
import { type Fault, fault, isRejection, type Rejection } from '../engine/rejection.js';
import type { Instant, WorkItem } from '../engine/work-item.js';
import type { ItemSearch } from './ports.js';

/** Matches of a search that are counted; beyond, the answer says "at least". */
export const searchTotalMax = 10_000;
const cursorLengthMax = 16 * 1024;
const instantEnd = Date.UTC(yearMax + 1, 0, 1);
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** One question of `POST /workitems/query`, checked. */
export interface Question {
  search: ItemSearch;
  /** How many the first page counted; absent for the first page itself. */
  total?: number;
  /** Of filter and order: a cursor goes on with no other question. */
  digest: string;
}

/** What a cursor says: when the first page was asked, of what, how many it found, and where the next page begins. */
type CursorText = [at: Instant, digest: string, total: number, seq: number, ...values: unknown[]];

/** Reads the body of a search; relative times count from `now`, or from when the first page was asked. */
export function readQuestion(
  body: Uint8Array,
  now: Instant,
  saved: (id: string) => Filter | undefined,
): Question | Rejection {
  const json = decodeBody(body);
  if (isRejection(json)) return json;
  const content = checkContent(json);
  if ('faults' in content) return refusal(content.faults);
  if (!isObject(json)) return fault('', 'invalid-value', 'expected an object: { "filter", "sort", "limit", "cursor" }');
  const faults = unknownFields(json);
  const filter = given(json.filter) ? parseFilter(json.filter, { pointer: '/filter', saved }) : undefined;
  if (isRejection(filter)) faults.push(...(filter.faults ?? []));
  const sort = given(json.sort) ? parseSort(json.sort, '/sort') : { sort: newestFirst };
  if ('faults' in sort) faults.push(...sort.faults);
  const limit = given(json.limit) ? json.limit : pageItemsDefault;
  if (!isLimit(limit)) faults.push(limitFault);
  if (faults.length > 0 || isRejection(filter) || 'faults' in sort || !isLimit(limit)) return refusal(faults);
  const search: ItemSearch = { ...(filter && { filter }), now, sort: sort.sort, limit };
  return given(json.cursor) ? continued(search, json.cursor) : { search, digest: digestOf(search) };
}

/** Where the page after this item begins. */
export function cursorAfter({ search, digest }: Question, total: number, item: WorkItem): string {
  const { values, seq } = positionOf(search.sort, item);
  const text: CursorText = [search.now, digest, total, seq, ...values];
  return Buffer.from(JSON.stringify(text)).toString('base64url');
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function unknownFields(json: Record<string, unknown>): Fault[] {
  return Object.keys(json)
    .filter((name) => !['filter', 'sort', 'limit', 'cursor'].includes(name))
    .map((name) => ({
      pointer: `/${pointerKey(name)}`,
      code: 'unknown-field',
      detail: 'a search has filter, sort, limit and cursor, nothing else',
    }));
}

const limitFault: Fault = {
  pointer: '/limit',
  code: 'invalid-value',
  detail: `expected a whole number from 1 to ${pageItemsMax}`,
};

function isLimit(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= pageItemsMax;
}

function digestOf({ filter, sort }: ItemSearch): string {
  const hash = new Hash();
  hash.text(JSON.stringify([filter ?? null, sort]));
  return hash.hex();
}

function continued(search: ItemSearch, cursor: unknown): Question | Rejection {
  const read = readCursor(cursor, search.sort);
  const digest = digestOf(search);
  if (read === undefined) return fault('/cursor', 'invalid-cursor', 'expected the `next` of an earlier answer');
  if (read.digest !== digest) {
    return fault('/cursor', 'invalid-cursor', 'expected the filter and the order with which this cursor was given');
  }
  return { search: { ...search, now: read.at, after: read.after }, total: read.total, digest };
}

interface Cursor {
  at: Instant;
  digest: unknown;
  total: number;
  after: SortPosition;
}

/** A client may have made the cursor up: whatever goes on from here must be what we could have written. */
function readCursor(cursor: unknown, sort: readonly SortKey[]): Cursor | undefined {
  if (typeof cursor !== 'string' || cursor.length > cursorLengthMax) return undefined;
  const json = decodeBody(Buffer.from(cursor, 'base64url'), 1);
  if (!Array.isArray(json) || 'faults' in checkContent(json)) return undefined;
  const [at, digest, total, seq, ...values] = json as CursorText;
  const parts = partsOf(sort);
  const isOurs =
    isInstant(at) &&
    isCount(total) &&
    isCount(seq) &&
    values.length === parts.length &&
    parts.every((part, i) => fits(part, values[i]));
  if (!isOurs) return undefined;
  return { at, digest, total, after: { values: values as SortPosition['values'], seq } };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isInstant(value: unknown): value is Instant {
  return isCount(value) && value < instantEnd;
}

function fits({ key, type }: SortPart, value: unknown): boolean {
  if (value === null) return true;
  if (type === 'time') return isInstant(value);
  if (type === 'number') return typeof value === 'number';
  return typeof value === 'string' && (key.kind !== 'id' || uuid.test(value));
}
