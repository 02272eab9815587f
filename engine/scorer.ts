import type { BusinessTime } from './business-time.js';
import type { ItemTable } from './item-table.js';
import { type Origin, overrideSchema, type Prioritization, type Schema, weightedUnits } from './prioritization.js';

const originCodes: Record<Origin, number> = { created: 0, activation: 1, due: 2 };
/** Added to the code of a schema whose clock is not the world's. */
const clocked = 3;

/**
 * A prioritization over the table's columns: the same definitions as `Prioritization`, by slot and without allocation.
 * Behind its schemas stands one more, which holds the items with an override: a constant that ends at the override's
 * last instant, as if that were the origin; so an item's way back to its own curve is a crossing like any other.
 * A schema with a calendar counts in business time: origins and `timeOf` are on the calendar's axis, and so are ages.
 * The segments that have a weight keep their numbers as long as the scorer lives, so a weight is one array read.
 */
export class Scorer {
  readonly schemas: readonly Schema[];
  private readonly table: ItemTable;
  private readonly schemaOfCategory: (category: number) => number;
  private readonly origins: Uint8Array;
  private readonly calendars: (BusinessTime | undefined)[];
  /** The last instant that each schema was asked for, and the time on its axis: the same "now" is asked many times. */
  private readonly askedAt: Float64Array;
  private readonly askedTime: Float64Array;
  private readonly starts: Float64Array[];
  private readonly valueWeights: Float64Array;
  private readonly segmentUnits: Float64Array[];
  private readonly held: number[] = [];
  private readonly overriding: number;

  /** `schemaOf` gives the schema's index for a number of `table.categories` (0 = no category). */
  constructor(table: ItemTable, prioritization: Prioritization, schemaOf: (category: number) => number) {
    const schemas = [...prioritization.schemas, overrideSchema];
    this.schemas = schemas;
    this.overriding = schemas.length - 1;
    this.table = table;
    this.schemaOfCategory = schemaOf;
    this.origins = Uint8Array.from(schemas, ({ origin, clock }) => {
      const isClocked = clock.calendar !== undefined || clock.stopsWhileHeld;
      return originCodes[origin] + (isClocked ? clocked : 0);
    });
    this.calendars = schemas.map(({ clock }) => clock.calendar);
    this.askedAt = new Float64Array(schemas.length).fill(Number.NaN);
    this.askedTime = new Float64Array(schemas.length);
    this.starts = schemas.map((schema) => Float64Array.from(schema.segments, (segment) => segment.start));
    this.valueWeights = Float64Array.from(schemas, (schema) => schema.businessValueWeight);
    this.segmentUnits = schemas.map((schema) => this.holdSegments(schema));
  }

  /** Lets the numbers of weighted segments go; the scorer must not be used after. */
  release(): void {
    for (const number of this.held.splice(0)) this.table.segments.release(number);
  }

  /** The schema that orders the slot at t. */
  schemaOf(slot: number, t: number): number {
    const { table } = this;
    if (table.overrides.size > 0 && table.overrides.holds(slot, t)) return this.overriding;
    return this.schemaOfCategory(table.category[slot]);
  }

  /** The time on the schema's axis that ages count from, NaN when the item has none. */
  originOf(schema: number, slot: number): number {
    const { table } = this;
    if (schema === this.overriding) return table.overrides.get(slot)?.until ?? Number.NaN;
    const code = this.origins[schema];
    if (code === 0) return table.created[slot];
    if (code === 2) return table.due[slot];
    return code === 1 ? table.activation[slot] : this.clockedOrigin(schema, slot, code - clocked);
  }

  /** The instant on the schema's axis of time: itself, or its business time. */
  timeOf(schema: number, t: number): number {
    return this.calendars[schema] === undefined ? t : this.businessTime(schema, t);
  }

  /** The part of the score that time does not change, in millionths of a point. */
  staticOf(schema: number, slot: number): number {
    if (schema === this.overriding) return this.table.overrides.get(slot)?.units ?? 0;
    const weight = this.valueWeights[schema];
    const value = this.table.businessValue[slot];
    const units = this.segmentUnits[schema];
    const segment = this.table.segment[slot];
    const fromValue = weight === 0 || value === 0 ? 0 : weightedUnits(weight, value);
    return segment < units.length ? fromValue + units[segment] : fromValue;
  }

  /** Index of the segment at time t; 0 for ever without an origin. */
  segmentAt(schema: number, origin: number, t: number): number {
    const starts = this.starts[schema];
    const age = this.timeOf(schema, t) - origin;
    let index = starts.length - 1;
    while (index > 0 && !(age >= starts[index])) index--;
    return index;
  }

  /** When the item leaves the segment, Infinity when it never does. */
  leaves(schema: number, segment: number, origin: number): number {
    const starts = this.starts[schema];
    if (segment + 1 >= starts.length || Number.isNaN(origin)) return Number.POSITIVE_INFINITY;
    const calendar = this.calendars[schema];
    const at = origin + starts[segment + 1];
    return calendar === undefined ? at : calendar.instantOf(at);
  }

  private clockedOrigin(schema: number, slot: number, code: number): number {
    const { table } = this;
    const at = code === 0 ? table.created[slot] : code === 2 ? table.due[slot] : table.activation[slot];
    if (Number.isNaN(at)) return at;
    const { calendar, stopsWhileHeld } = this.schemas[schema].clock;
    const stopped = stopsWhileHeld ? (table.stopped.get(slot) ?? 0) : 0;
    return (calendar === undefined ? at : calendar.at(at)) + stopped;
  }

  private businessTime(schema: number, t: number): number {
    if (this.askedAt[schema] !== t) {
      this.askedAt[schema] = t;
      this.askedTime[schema] = this.calendars[schema]!.at(t);
    }
    return this.askedTime[schema];
  }

  private holdSegments(schema: Schema): Float64Array {
    const units: number[] = [];
    for (const [text, weight] of schema.segmentWeights) {
      const number = this.table.segments.acquire(text);
      this.held.push(number);
      units[number] = weight;
    }
    return Float64Array.from(units, (weight) => weight ?? 0);
  }
}
