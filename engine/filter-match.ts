import { compareTexts, type Filter, type FilterCondition, valuesOf } from './filter.js';
import type { Instant, WorkItem } from './work-item.js';

type Test = (subject: Subject) => boolean;
type Read = (subject: Subject) => unknown;
type ValueTest = (value: unknown) => boolean;

/** One item under test; its attributes are parsed when the first condition asks for one. */
class Subject {
  readonly item: WorkItem;
  #attributes: unknown;

  constructor(item: WorkItem) {
    this.item = item;
  }

  get attributes(): unknown {
    this.#attributes ??= JSON.parse(this.item.attributes);
    return this.#attributes;
  }
}

/** Whether the filter holds for the item at `now`. For many items of one moment make a `matcherOf` it. */
export function matches(filter: Filter, item: WorkItem, now: Instant): boolean {
  return matcherOf(filter, now)(item);
}

/** The filter as a predicate of items at `now`. */
export function matcherOf(filter: Filter, now: Instant): (item: WorkItem) => boolean {
  const test = testOf(filter, now);
  return (item) => test(new Subject(item));
}

function testOf(filter: Filter, now: Instant): Test {
  switch (filter.kind) {
    case 'and': {
      const tests = filter.of.map((one) => testOf(one, now));
      return (subject) => tests.every((test) => test(subject));
    }
    case 'or': {
      const tests = filter.of.map((one) => testOf(one, now));
      return (subject) => tests.some((test) => test(subject));
    }
    case 'not': {
      const test = testOf(filter.of, now);
      return (subject) => !test(subject);
    }
    case 'is': {
      const read = readerOf(filter);
      const test = valueTestOf(filter, now);
      return (subject) => test(read(subject));
    }
  }
}

function readerOf({ field, fieldKind, path = [] }: FilterCondition): Read {
  if (fieldKind === 'flag') return ({ item }) => item[field] === true;
  if (fieldKind !== 'attribute') return ({ item }) => item[field];
  return ({ attributes }) => valueAt(attributes, path);
}

/** What stands in parsed JSON under keys inside one another; undefined when a step finds no object or no such key. */
export function valueAt(json: unknown, path: readonly string[]): unknown {
  let value = json;
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueTestOf(condition: FilterCondition, now: Instant): ValueTest {
  const wanted = valuesOf(condition, now);
  const [one] = wanted as [string | number | boolean];
  switch (condition.op) {
    case 'eq':
      return (value) => value === one;
    case 'ne':
      return (value) => value !== one;
    case 'in': {
      const set = new Set<unknown>(wanted);
      return (value) => set.has(value);
    }
    case 'lt':
      return (value) => compare(value, one) < 0;
    case 'le':
      return (value) => compare(value, one) <= 0;
    case 'gt':
      return (value) => compare(value, one) > 0;
    case 'ge':
      return (value) => compare(value, one) >= 0;
    case 'contains':
      return (value) =>
        Array.isArray(value) ? value.includes(one) : isText(value) && isText(one) && value.includes(one);
    case 'startsWith':
      return (value) => isText(value) && value.startsWith(one as string);
    case 'exists':
      return (value) => (value !== undefined && value !== null) === one;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** NaN, which no comparison holds for, when the two cannot be compared. */
function compare(value: unknown, wanted: string | number | boolean): number {
  if (typeof value === 'number' && typeof wanted === 'number') return value < wanted ? -1 : value > wanted ? 1 : 0;
  if (isText(value) && isText(wanted)) return compareTexts(value, wanted);
  return Number.NaN;
}
