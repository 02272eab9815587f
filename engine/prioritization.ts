import { Calendars, type Clock, type Clocked, type ClockSettings, elapsed, stoppedBy } from './clock.js';
import { type Segment, segmentAt, segmentsOf, unitsAt } from './curve.js';
import { parseDuration } from './duration.js';
import { scoreMax, scoreUnits } from './limits.js';
import { overrideAt, overrideUnits } from './overrides.js';
import type { Fault } from './rejection.js';
import type { SchemaDocument } from './schema.js';
import { checkSchemas } from './schema-check.js';
import type { Instant, Override } from './work-item.js';

export type Origin = SchemaDocument['origin'];

/** One schema ready for computing; all values in millionths of a point. */
export interface Schema {
  readonly id: string;
  readonly origin: Origin;
  /** What ages are measured with. */
  readonly clock: Clock;
  /** Age in milliseconds of each point, ascending. */
  readonly offsets: readonly number[];
  readonly segments: readonly Segment[];
  readonly businessValueWeight: number;
  readonly segmentWeights: ReadonlyMap<string, number>;
  /** Largest magnitude of business value plus segment weight that an item can have: error bounds rest on it. */
  readonly staticMax: number;
}

/** What of an item its priority depends on; every work item is one. */
export interface Scored extends Clocked {
  readonly createdDateTime: Instant;
  readonly activationDateTime?: Instant;
  readonly dueDateTime?: Instant;
  readonly businessValue?: number;
  readonly customerSegment?: string;
  readonly override?: Override;
}

/** What a category says of the order of its items. */
export interface SchemaUse extends ClockSettings {
  schema?: string;
}

/** An instant at which the item enters another part of its curve, and the priority there at that instant. */
export interface Change {
  at: Instant;
  priority: number;
  /** Index of the point reached then. */
  point: number;
  /** True when the priority then moves along a line, until the next change. */
  sloped: boolean;
}

/** The terms of a score, in points. */
export interface Explanation {
  schema: string;
  origin: Origin;
  /** Instant that offsets count from; absent when the item has none, and the first priority holds for ever. */
  originAt?: Instant;
  clock: Clock;
  /** Milliseconds on the clock since the origin. */
  ageMs?: number;
  /** Index of the last point reached, -1 before the first. */
  point: number;
  curve: number;
  businessValue: number;
  segment: number;
  /** What stands in for all of these at the instant. */
  override?: Override;
  priority: number;
}

const unitsMax = scoreMax * scoreUnits;
const worldClock: Clock = { stopsWhileHeld: false };
const noSchema: SchemaDocument = {
  id: 'none',
  origin: 'created',
  mode: 'step',
  points: [{ offset: 'PT0S', priority: 0 }],
};

/** Orders the items whose priority somebody has set; its origin is the instant at which that is over (`Scorer`). */
export const overrideSchema: Schema = {
  id: 'override',
  origin: 'created',
  clock: worldClock,
  offsets: [0],
  segments: [Number.NEGATIVE_INFINITY, 0].map((start) => ({ start, point: 0, base: 0, rise: 0, span: 1, offset: 0 })),
  businessValueWeight: 0,
  segmentWeights: new Map(),
  staticMax: unitsMax,
};

/** Whole millionths of a business value under a weight, kept within the bound of every score part. */
export function weightedUnits(weight: number, businessValue: number): number {
  return Math.max(-unitsMax, Math.min(unitsMax, Math.round(weight * businessValue * scoreUnits)));
}

/**
 * One version of all prioritization schemas. `priorityAt` is a pure function of item and time; nothing is stored per
 * item. Schema 0 is the built-in `none` (constant 0, no weights) of categories that name no schema.
 */
export class Prioritization {
  /** What the client wrote, in its order. */
  readonly documents: readonly SchemaDocument[];
  /**
   * `none`, then those of the documents with their own clocks, then those that categories use with another clock: items
   * of one schema change places only with their segments, and that holds as long as one clock measures all their ages.
   */
  readonly schemas: readonly Schema[];
  readonly #calendars: Calendars;
  readonly #indexes: ReadonlyMap<string | undefined, number>;
  /** Index by `variantKey`. */
  readonly #variants = new Map<string, number>();

  /**
   * The documents must have passed `compilePrioritization`.
   * @param uses what the categories say, for the clocks that they ask for.
   */
  constructor(documents: readonly SchemaDocument[], calendars = new Calendars([]), uses: readonly SchemaUse[] = []) {
    this.documents = documents;
    this.#calendars = calendars;
    const schemas = [noSchema, ...documents].map((document) => schemaOf(document, this.clockOf(document)));
    this.#indexes = new Map(schemas.map(({ id }, index) => [id, index]));
    for (const [index, schema] of schemas.entries()) this.#variants.set(variantKey(index, schema.clock), index);
    for (const use of uses) {
      const own = this.indexOf(use.schema);
      const clock = this.clockFor(use);
      if (own === 0 || this.#variants.has(variantKey(own, clock))) continue;
      this.#variants.set(variantKey(own, clock), schemas.push({ ...schemas[own], clock }) - 1);
    }
    this.schemas = schemas;
  }

  /** Index of the schema with this id; 0, the built-in one, for none and for unknown ones. */
  indexOf(id: string | undefined): number {
    return this.#indexes.get(id) ?? 0;
  }

  /** Index of the schema that a category uses, with the clock that it asks for. */
  indexFor(use: SchemaUse): number {
    const own = this.indexOf(use.schema);
    return own === 0 ? 0 : (this.#variants.get(variantKey(own, this.clockFor(use))) ?? own);
  }

  /** The clock of a category's items: what it does not say itself, its schema does. */
  clockFor({ schema, calendar, clockStopsWhileHeld }: SchemaUse): Clock {
    const index = this.indexOf(schema);
    const document = index === 0 ? noSchema : this.documents[index - 1];
    return this.clockOf({
      calendar: calendar ?? document.calendar,
      clockStopsWhileHeld: clockStopsWhileHeld ?? document.clockStopsWhileHeld,
    });
  }

  /** Points at the instant, the exact value rounded half up to a millionth. */
  priorityAt(schemaIndex: number, item: Scored, at: Instant): number {
    return this.explain(schemaIndex, item, at).priority;
  }

  /** The terms that make up the priority at the instant. */
  explain(schemaIndex: number, item: Scored, at: Instant): Explanation {
    const schema = this.schemas[schemaIndex];
    const originAt = originOf(schema, item);
    const age = originAt === undefined ? Number.NaN : ageOf(schema.clock, item, originAt, at);
    const segment = schema.segments[segmentAt(schema.segments, age)];
    const curve = unitsAt(segment, age);
    const businessValue = weightedUnits(schema.businessValueWeight, item.businessValue ?? 0);
    const weight = schema.segmentWeights.get(item.customerSegment ?? '') ?? 0;
    const override = overrideAt(item, at);
    return {
      schema: schema.id,
      origin: schema.origin,
      ...(originAt !== undefined && { originAt, ageMs: age }),
      clock: schema.clock,
      point: schema.offsets.findLastIndex((offset) => age >= offset),
      curve: points(curve),
      businessValue: points(businessValue),
      segment: points(weight),
      ...(override !== undefined && { override }),
      priority: points(override === undefined ? curve + businessValue + weight : overrideUnits(override)),
    };
  }

  /** What comes next: the next changes after the instant, soonest first, at most `limit`. */
  changesAfter(schemaIndex: number, item: Scored, at: Instant, limit: number): Change[] {
    const override = overrideAt(item, at);
    if (override !== undefined) return this.#changesFrom(schemaIndex, item, override.until, limit);
    const schema = this.schemas[schemaIndex];
    const originAt = originOf(schema, item);
    const isStopped = schema.clock.stopsWhileHeld && item.heldDateTime !== undefined;
    if (originAt === undefined || isStopped) return [];
    const next = segmentAt(schema.segments, ageOf(schema.clock, item, originAt, at)) + 1;
    const changes = schema.segments.slice(next, next + limit).map((segment) => {
      const changeAt = reaches(schema.clock, item, originAt, segment.start);
      const priority = this.priorityAt(schemaIndex, item, changeAt);
      return { at: changeAt, priority, point: segment.point, sloped: segment.rise !== 0 };
    });
    return changes.filter((change) => Number.isFinite(change.at));
  }

  private clockOf({ calendar, clockStopsWhileHeld }: ClockSettings): Clock {
    return { calendar: this.#calendars.find(calendar), stopsWhileHeld: clockStopsWhileHeld ?? false };
  }

  /** The end of an override, at which the curve counts again, and what comes after it. */
  #changesFrom(schemaIndex: number, item: Scored, until: Instant | undefined, limit: number): Change[] {
    if (until === undefined) return [];
    const schema = this.schemas[schemaIndex];
    const originAt = originOf(schema, item);
    const segment =
      schema.segments[
        segmentAt(schema.segments, originAt === undefined ? Number.NaN : ageOf(schema.clock, item, originAt, until))
      ];
    const { priority, point } = this.explain(schemaIndex, item, until);
    const end = { at: until, priority, point, sloped: segment.rise !== 0 };
    return [end, ...this.changesAfter(schemaIndex, item, until, limit - 1)];
  }
}

/**
 * Compiles the whole body of `PUT /settings/prioritization`, `{ "schemas": [...] }`. All faults at once, each with a
 * JSON pointer from the body's root. `knownCalendars` are the ids that a schema may name.
 */
export function compilePrioritization(
  body: unknown,
  knownCalendars: ReadonlySet<string> = new Set(),
): { prioritization: Prioritization } | { faults: Fault[] } {
  const checked = checkSchemas(body, knownCalendars);
  return 'faults' in checked ? checked : { prioritization: new Prioritization(checked.documents) };
}

/** Undefined when the item has no such time: the first point's priority holds for ever then. */
function originOf(schema: Schema, item: Scored): Instant | undefined {
  if (schema.origin === 'due') return item.dueDateTime;
  if (schema.origin === 'activation') return item.activationDateTime;
  return item.createdDateTime;
}

/** Milliseconds that the clock has counted for the item, from its origin to the instant. */
function ageOf(clock: Clock, item: Scored, originAt: Instant, at: Instant): number {
  return elapsed(clock, originAt, at) - stoppedBy(clock, item, at);
}

/** The first instant at which the clock, if it is not stopped again, has counted this much. */
function reaches({ calendar, stopsWhileHeld }: Clock, item: Scored, originAt: Instant, ageMs: number): Instant {
  const ms = ageMs + (stopsWhileHeld ? (item.stoppedMs ?? 0) : 0);
  return calendar === undefined ? originAt + ms : calendar.instantOf(calendar.at(originAt) + ms);
}

function variantKey(schemaIndex: number, { calendar, stopsWhileHeld }: Clock): string {
  return `${schemaIndex} ${stopsWhileHeld} ${calendar?.document.id ?? ''}`;
}

function schemaOf(document: SchemaDocument, clock: Clock): Schema {
  const curve = document.points.map(({ offset, priority }) => ({
    offset: parseDuration(offset)!,
    units: Math.round(priority * scoreUnits),
  }));
  const weights = Object.entries(document.segmentWeights ?? {});
  const segmentWeights = new Map(weights.map(([segment, weight]) => [segment, Math.round(weight * scoreUnits)]));
  const businessValueWeight = document.businessValueWeight ?? 0;
  return {
    id: document.id,
    origin: document.origin,
    clock,
    offsets: curve.map(({ offset }) => offset),
    segments: segmentsOf(curve, document.mode),
    businessValueWeight,
    segmentWeights,
    staticMax:
      weightedUnits(Math.abs(businessValueWeight), scoreMax) +
      [...segmentWeights.values()].reduce((most, units) => Math.max(most, Math.abs(units)), 0),
  };
}

function points(units: number): number {
  return units / scoreUnits;
}
