import { compareTexts } from './filter.js';
import type { FieldKind, FilterField } from './filter-field.js';
import { valueAt } from './filter-match.js';
import { parseField } from './filter-parser.js';
import { sortFieldsMax } from './limits.js';
import type { Fault, RejectionCode } from './rejection.js';
import type { WorkItem } from './work-item.js';

/**
 * An order of items by their fields, in which every item has one place: the last key is always `seq`, in the direction
 * of the key before it. What lacks a field comes last, whichever the direction. An attribute may hold anything: numbers
 * come first in ascending order, then texts, and the rest counts as missing.
 */
export interface SortKey {
  readonly field: FilterField;
  readonly kind: FieldKind;
  readonly path?: readonly string[];
  readonly order: 'asc' | 'desc';
}

export type SortValue = string | number | null;

/** One comparison of an order: an attribute takes two. */
export interface SortPart {
  readonly key: SortKey;
  readonly type: 'number' | 'text' | 'time';
}

/** Where an item stands: a value of each part, then its seq. */
export interface SortPosition {
  readonly values: readonly SortValue[];
  readonly seq: number;
}

/** Newest first: the order of a query that names none. */
export const newestFirst: readonly SortKey[] = [{ field: 'seq', kind: 'number', order: 'desc' }];

/** Reads `[{ "field", "order" }, ...]`, or says everything that is wrong with it. */
export function parseSort(json: unknown, pointer: string): { sort: SortKey[] } | { faults: Fault[] } {
  if (!Array.isArray(json) || json.length === 0 || json.length > sortFieldsMax) {
    const detail = `expected an array of 1 to ${sortFieldsMax} of { "field", "order" }`;
    return { faults: [{ pointer, code: 'invalid-value', detail }] };
  }
  const faults: Fault[] = [];
  const sort = json.map((one, at) => parseKey(one, `${pointer}/${at}`, faults));
  return faults.length > 0 ? { faults } : { sort: withoutIdle(sort as SortKey[]) };
}

/** No two items have the same seq: what comes after it decides nothing. */
function withoutIdle(sort: SortKey[]): SortKey[] {
  const last = sort.findIndex(({ field }) => field === 'seq');
  return last < 0 ? sort : sort.slice(0, last + 1);
}

function parseKey(json: unknown, pointer: string, faults: Fault[]): SortKey | undefined {
  const add = (where: string, code: RejectionCode, detail: string): undefined => {
    faults.push({ pointer: pointer + where, code, detail });
  };
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return add('', 'invalid-value', 'expected an object: { "field", "order" }');
  }
  const { field: name, order = 'asc', ...rest } = json as Record<string, unknown>;
  if (Object.keys(rest).length > 0) add('', 'unknown-field', 'expected field and order, nothing else');
  if (order !== 'asc' && order !== 'desc') return add('/order', 'invalid-value', 'expected asc or desc');
  const parsed = typeof name === 'string' ? parseField(name) : undefined;
  if (parsed === undefined || parsed.kind === 'flag') {
    return add(
      '/field',
      name === undefined ? 'missing-field' : 'invalid-value',
      'expected a field of a work item or attributes.<path>',
    );
  }
  return { field: parsed.field, kind: parsed.kind, ...(parsed.path && { path: parsed.path }), order };
}

/** The comparisons that an order is made of, without the last one by seq. */
export function partsOf(sort: readonly SortKey[]): SortPart[] {
  return sort.flatMap((key): SortPart[] => {
    if (key.field === 'seq') return [];
    if (key.kind === 'attribute')
      return [
        { key, type: 'number' },
        { key, type: 'text' },
      ];
    return [{ key, type: key.kind === 'number' ? 'number' : key.kind === 'time' ? 'time' : 'text' }];
  });
}

/** Direction of the last comparison, by seq. */
export function lastOrderOf(sort: readonly SortKey[]): 'asc' | 'desc' {
  return sort.at(-1)?.order ?? 'asc';
}

export function positionOf(sort: readonly SortKey[], item: WorkItem): SortPosition {
  return { values: partsOf(sort).map((part) => sortValueOf(part, item)), seq: item.seq };
}

function sortValueOf({ key, type }: SortPart, item: WorkItem): SortValue {
  const value = key.kind === 'attribute' ? valueAt(JSON.parse(item.attributes), key.path ?? []) : item[key.field];
  if (typeof value === 'string' && type === 'text') return beginningOf(value);
  return typeof value === 'number' && type !== 'text' ? value : null;
}

/** Characters of a text that an order looks at: a place in it is told in few bytes, however long the text. */
export const sortTextLength = 256;

function beginningOf(text: string): string {
  if (text.length <= sortTextLength) return text;
  return [...text.slice(0, 2 * sortTextLength)].slice(0, sortTextLength).join('');
}

/** Negative when the first position comes before the second. */
export function comparePositions(sort: readonly SortKey[], a: SortPosition, b: SortPosition): number {
  for (const [at, { key }] of partsOf(sort).entries()) {
    const difference = compareValues(a.values[at]!, b.values[at]!, key.order);
    if (difference !== 0) return difference;
  }
  return lastOrderOf(sort) === 'asc' ? a.seq - b.seq : b.seq - a.seq;
}

function compareValues(a: SortValue, b: SortValue, order: 'asc' | 'desc'): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const difference =
    typeof a === 'string' ? compareTexts(a, b as string) : a < (b as number) ? -1 : a > (b as number) ? 1 : 0;
  return order === 'asc' ? difference : -difference;
}
