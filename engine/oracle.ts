import type { CalendarOracle } from './calendar-oracle.js';
import { parseDuration } from './duration.js';
import { scoreMax, scoreUnits } from './limits.js';
import type { Scored } from './prioritization.js';
import type { SchemaDocument } from './schema.js';
import type { Instant } from './work-item.js';

/**
 * The order straight from its definition, slow and plain: what the queue must agree with at every instant. For tests
 * and the simulator; shares no code with the queue beyond reading durations.
 */
export interface OracleItem extends Scored {
  readonly seq: number;
  /** Id of the schema of the item's category; absent = none: a constant 0 without weights. */
  readonly schema?: string;
  /** What the category says of the clock; else its schema's word holds. */
  readonly calendar?: string;
  readonly clockStopsWhileHeld?: boolean;
}

/** The business calendars, by id. */
export type CalendarOracles = ReadonlyMap<string, CalendarOracle>;

const wallTime: CalendarOracles = new Map();

/** numerator / denominator millionths of a point; the denominator is positive. */
export interface Rational {
  numerator: bigint;
  denominator: bigint;
}

/** The items in the order in which they are handed out at t. */
export function orderAt<T extends OracleItem>(
  items: readonly T[],
  documents: readonly SchemaDocument[],
  t: Instant,
  calendars = wallTime,
): T[] {
  const scored = items.map((item) => ({ item, score: scoreAt(item, documents, t, calendars) }));
  scored.sort((a, b) => -compare(a.score, b.score) || compareTies(a.item, b.item));
  return scored.map(({ item }) => item);
}

/** The first item of that order, without sorting the others; undefined when there are none. */
export function firstAt<T extends OracleItem>(
  items: readonly T[],
  documents: readonly SchemaDocument[],
  t: Instant,
  calendars = wallTime,
): T | undefined {
  let first: { item: T; score: Rational } | undefined;
  for (const item of items) {
    const score = scoreAt(item, documents, t, calendars);
    const isAhead = first === undefined || (compare(first.score, score) || -compareTies(first.item, item)) < 0;
    if (isAhead) first = { item, score };
  }
  return first?.item;
}

export function scoreAt(
  item: OracleItem,
  documents: readonly SchemaDocument[],
  t: Instant,
  calendars = wallTime,
): Rational {
  const { override } = item;
  if (override !== undefined && (override.until === undefined || t < override.until)) {
    return { numerator: millionths(override.priority), denominator: 1n };
  }
  const document = documents.find(({ id }) => id === item.schema);
  if (document === undefined) return { numerator: 0n, denominator: 1n };
  const { numerator, denominator } = curveAt(document, ageOf(document, item, t, calendars));
  const weighted = (document.businessValueWeight ?? 0) * (item.businessValue ?? 0) * scoreUnits;
  const businessValue = Math.min(Math.max(Math.round(weighted), -scoreMax * scoreUnits), scoreMax * scoreUnits);
  const weights = new Map(Object.entries(document.segmentWeights ?? {}));
  const segment = millionths(weights.get(item.customerSegment ?? '') ?? 0);
  return { numerator: numerator + (BigInt(businessValue) + segment) * denominator, denominator };
}

/** Points rounded half up to a millionth, as priorities are shown. */
export function shown({ numerator, denominator }: Rational): number {
  const doubled = 2n * numerator + denominator;
  const rest = ((doubled % (2n * denominator)) + 2n * denominator) % (2n * denominator);
  return Number((doubled - rest) / (2n * denominator)) / scoreUnits;
}

/** Milliseconds that count, from the origin to t; undefined without an origin. */
function ageOf(document: SchemaDocument, item: OracleItem, t: Instant, calendars: CalendarOracles): bigint | undefined {
  const origin = originOf(document, item);
  if (origin === undefined) return undefined;
  const stops = item.clockStopsWhileHeld ?? document.clockStopsWhileHeld ?? false;
  const until = stops && item.heldDateTime !== undefined ? Math.min(t, item.heldDateTime) : t;
  const calendar = calendars.get(item.calendar ?? document.calendar ?? '');
  const ms = calendar === undefined ? until - origin : calendar.between(origin, until);
  return BigInt(ms) - BigInt((stops && item.stoppedMs) || 0);
}

function curveAt(document: SchemaDocument, age: bigint | undefined): Rational {
  const points = document.points.map(({ offset, priority }) => ({
    offset: BigInt(parseDuration(offset)!),
    priority: millionths(priority),
  }));
  if (age === undefined || age < points[0].offset) return { numerator: points[0].priority, denominator: 1n };
  const reached = points.findLastIndex((point) => age >= point.offset);
  const from = points[reached];
  const to = points[reached + 1];
  if (document.mode === 'step' || to === undefined) return { numerator: from.priority, denominator: 1n };
  const denominator = to.offset - from.offset;
  const climbed = (to.priority - from.priority) * (age - from.offset);
  return { numerator: from.priority * denominator + climbed, denominator };
}

function originOf(document: SchemaDocument, item: OracleItem): Instant | undefined {
  if (document.origin === 'due') return item.dueDateTime;
  if (document.origin === 'created') return item.createdDateTime;
  return item.activationDateTime;
}

function millionths(points: number): bigint {
  return BigInt(Math.round(points * scoreUnits));
}

function compare(a: Rational, b: Rational): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

function compareTies(a: OracleItem, b: OracleItem): number {
  const dueA = a.dueDateTime ?? Number.POSITIVE_INFINITY;
  const dueB = b.dueDateTime ?? Number.POSITIVE_INFINITY;
  if (dueA !== dueB) return dueA < dueB ? -1 : 1;
  return a.createdDateTime - b.createdDateTime || a.seq - b.seq;
}
