import type { FieldKind, FilterField, Operator } from './filter-field.js';
import type { Instant } from './work-item.js';

/**
 * A question about one work item, checked and plain (it crosses threads): the one filter language of lists, bulk actions
 * and exports. `filter-parser.ts` reads it from JSON, `filter-match.ts` answers it in memory,
 * `stores/postgres/filter-sql.ts` in SQL; a property test holds the two to each other.
 *
 * Two-valued: each condition is true or false of each item. Of a field that the item does not have (or an attribute that
 * is null) only `ne` and `exists: false` are true; `not` turns that around like any other answer.
 *
 * An item's priority is no field: it is a function of time that only the queue knows. Filter on what it is made of.
 */
export type Filter = FilterGroup | FilterNot | FilterCondition;

export interface FilterGroup {
  readonly kind: 'and' | 'or';
  /** At least one. */
  readonly of: readonly Filter[];
}

export interface FilterNot {
  readonly kind: 'not';
  readonly of: Filter;
}

export interface FilterCondition {
  readonly kind: 'is';
  readonly field: FilterField;
  readonly fieldKind: FieldKind;
  /** `attributes` only: the keys to follow, at least one. Steps into objects, never into arrays. */
  readonly path?: readonly string[];
  readonly op: Operator;
  /** `in`: one or more of them. `exists`: a boolean. Of times: `FilterTime`. */
  readonly value: FilterValue | readonly FilterValue[];
}

export type FilterValue = string | number | boolean | FilterTime;

/** An instant, or one relative to the moment at which the filter is asked. */
export type FilterTime = { readonly at: Instant } | { readonly fromNow: number };

/** The instant that a filter's time means at `now`. */
export function instantOf(time: FilterTime, now: Instant): Instant {
  return 'at' in time ? time.at : now + time.fromNow;
}

/** The values of a condition as a list; times as instants. */
export function valuesOf(condition: FilterCondition, now: Instant): (string | number | boolean)[] {
  const { value } = condition;
  const values = Array.isArray(value) ? (value as readonly FilterValue[]) : [value as FilterValue];
  return values.map((one) => (typeof one === 'object' ? instantOf(one, now) : one));
}

/** Compares texts by code point, as Postgres does under the collation "C"; JavaScript's own order differs above U+FFFF. */
export function compareTexts(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a === b) continue;
    const isSurrogateA = (a & 0xf800) === 0xd800;
    const isSurrogateB = (b & 0xf800) === 0xd800;
    if (isSurrogateA !== isSurrogateB) return isSurrogateA ? 1 : -1;
    return a - b;
  }
  return left.length - right.length;
}
