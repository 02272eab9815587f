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
  /** Age in milliseconds of each point, ascending. */
  readonly offsets: readonly number[];
  readonly segments: readonly Segment[];
  readonly businessValueWeight: number;
  readonly segmentWeights: ReadonlyMap<string, number>;
  /** Largest magnitude of business value plus segment weight that an item can have: error bounds rest on it. */
  readonly staticMax: number;
}

/** What of an item its priority depends on; every work item is one. */
export interface Scored {
  readonly createdDateTime: Instant;
  readonly activationDateTime?: Instant;
  readonly dueDateTime?: Instant;
  readonly businessValue?: number;
  readonly customerSegment?: string;
  readonly override?: Override;
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
  readonly schemas: readonly Schema[];

  /** The documents must have passed `compilePrioritization`. */
  constructor(documents: readonly SchemaDocument[]) {
    this.documents = documents;
    this.schemas = [noSchema, ...documents].map(schemaOf);
  }

  /** Index of the schema with this id; 0, the built-in one, for none and for unknown ones. */
  indexOf(id: string | undefined): number {
    if (id === undefined) return 0;
    return Math.max(
      0,
      this.schemas.findIndex((schema) => schema.id === id),
    );
  }

  /** Points at the instant, the exact value rounded half up to a millionth. */
  priorityAt(schemaIndex: number, item: Scored, at: Instant): number {
    return this.explain(schemaIndex, item, at).priority;
  }

  /** The terms that make up the priority at the instant. */
  explain(schemaIndex: number, item: Scored, at: Instant): Explanation {
    const schema = this.schemas[schemaIndex];
    const originAt = originOf(schema, item);
    const age = originAt === undefined ? Number.NaN : at - originAt;
    const segment = schema.segments[segmentAt(schema.segments, age)];
    const curve = unitsAt(segment, age);
    const businessValue = weightedUnits(schema.businessValueWeight, item.businessValue ?? 0);
    const weight = schema.segmentWeights.get(item.customerSegment ?? '') ?? 0;
    const override = overrideAt(item, at);
    return {
      schema: schema.id,
      origin: schema.origin,
      ...(originAt !== undefined && { originAt }),
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
    if (originAt === undefined) return [];
    const next = segmentAt(schema.segments, at - originAt) + 1;
    return schema.segments.slice(next, next + limit).map((segment) => {
      const changeAt = originAt + segment.start;
      const priority = this.priorityAt(schemaIndex, item, changeAt);
      return { at: changeAt, priority, point: segment.point, sloped: segment.rise !== 0 };
    });
  }

  /** The end of an override, at which the curve counts again, and what comes after it. */
  #changesFrom(schemaIndex: number, item: Scored, until: Instant | undefined, limit: number): Change[] {
    if (until === undefined) return [];
    const schema = this.schemas[schemaIndex];
    const originAt = originOf(schema, item);
    const segment = schema.segments[segmentAt(schema.segments, originAt === undefined ? Number.NaN : until - originAt)];
    const { priority, point } = this.explain(schemaIndex, item, until);
    const end = { at: until, priority, point, sloped: segment.rise !== 0 };
    return [end, ...this.changesAfter(schemaIndex, item, until, limit - 1)];
  }
}

/**
 * Compiles the whole body of `PUT /settings/prioritization`, `{ "schemas": [...] }`. All faults at once, each with a
 * JSON pointer from the body's root.
 */
export function compilePrioritization(body: unknown): { prioritization: Prioritization } | { faults: Fault[] } {
  const checked = checkSchemas(body);
  return 'faults' in checked ? checked : { prioritization: new Prioritization(checked.documents) };
}

/** Undefined when the item has no such time: the first point's priority holds for ever then. */
function originOf(schema: Schema, item: Scored): Instant | undefined {
  if (schema.origin === 'due') return item.dueDateTime;
  if (schema.origin === 'activation') return item.activationDateTime;
  return item.createdDateTime;
}

function schemaOf(document: SchemaDocument): Schema {
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
