import { DocumentCheck } from './document-check.js';
import { parseDuration } from './duration.js';
import { curvePointsMax, schemasMax, scoreMax, segmentWeightsMax, textLengthMax } from './limits.js';
import { nearest } from './nearest.js';
import type { Fault } from './rejection.js';
import type { SchemaDocument } from './schema.js';

const origins = ['created', 'activation', 'due'];
const modes = ['step', 'linear'];
const documentFields = [
  'id',
  'origin',
  'mode',
  'points',
  'businessValueWeight',
  'segmentWeights',
  'calendar',
  'clockStopsWhileHeld',
];

/** Checks the whole body of `PUT /settings/prioritization`: the schema documents, or every fault found. */
export function checkSchemas(
  body: unknown,
  knownCalendars: ReadonlySet<string>,
): { documents: SchemaDocument[] } | { faults: Fault[] } {
  const check = new SchemaCheck(knownCalendars);
  check.body(body);
  if (check.faults.length > 0) return { faults: check.faults };
  return { documents: (body as { schemas: SchemaDocument[] }).schemas };
}

class SchemaCheck extends DocumentCheck {
  private readonly knownCalendars: ReadonlySet<string>;

  constructor(knownCalendars: ReadonlySet<string>) {
    super();
    this.knownCalendars = knownCalendars;
  }

  body(body: unknown): void {
    if (!this.object(body, '', ['schemas'], ['schemas'])) return;
    const { schemas } = body;
    if (!this.array(schemas, '/schemas', 0, schemasMax)) return;
    for (const [at, schema] of schemas.entries()) this.schema(schema, `/schemas/${at}`);
  }

  private schema(schema: unknown, pointer: string): void {
    if (!this.object(schema, pointer, documentFields, ['id', 'origin', 'mode', 'points'])) return;
    this.schemaId(schema.id, `${pointer}/id`);
    this.oneOf(schema.origin, `${pointer}/origin`, origins);
    this.oneOf(schema.mode, `${pointer}/mode`, modes);
    this.points(schema.points, `${pointer}/points`);
    if ('businessValueWeight' in schema) this.score(schema.businessValueWeight, `${pointer}/businessValueWeight`);
    if ('segmentWeights' in schema) this.weights(schema.segmentWeights, `${pointer}/segmentWeights`);
    this.clock(schema, pointer);
  }

  private clock({ calendar, clockStopsWhileHeld }: Record<string, unknown>, pointer: string): void {
    if (calendar !== undefined && !this.knownCalendars.has(calendar as string)) {
      const near = typeof calendar === 'string' ? nearest(calendar, this.knownCalendars) : undefined;
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      this.add(`${pointer}/calendar`, 'invalid-value', `The id of a business calendar is expected${hint}`);
    }
    if (clockStopsWhileHeld !== undefined && typeof clockStopsWhileHeld !== 'boolean') {
      this.add(`${pointer}/clockStopsWhileHeld`, 'invalid-value', 'true or false is expected');
    }
  }

  private schemaId(id: unknown, pointer: string): void {
    if (id === 'none') {
      this.add(
        pointer,
        'invalid-value',
        '"none" is the built-in schema of categories that name none; choose another id',
      );
    } else this.id(id, pointer, 'schema');
  }

  private points(points: unknown, pointer: string): void {
    if (points === undefined || !this.array(points, pointer, 1, curvePointsMax)) return;
    let before = Number.NEGATIVE_INFINITY;
    for (const [at, point] of points.entries()) {
      const here = `${pointer}/${at}`;
      if (!this.object(point, here, ['offset', 'priority'], ['offset', 'priority'])) continue;
      if ('priority' in point) this.score(point.priority, `${here}/priority`);
      if ('offset' in point) before = this.offset(point.offset, `${here}/offset`, before);
    }
  }

  /** The offset in milliseconds, or `before` when it is faulty. */
  private offset(offset: unknown, pointer: string, before: number): number {
    const ms = typeof offset === 'string' ? parseDuration(offset) : undefined;
    if (ms === undefined) {
      this.add(pointer, 'invalid-value', 'An offset is an ISO 8601 duration of weeks to seconds, such as PT4H or -P1D');
      return before;
    }
    if (ms <= before) this.add(pointer, 'invalid-value', 'Offsets ascend: this one must be later than the one before');
    return Math.max(ms, before);
  }

  private weights(weights: unknown, pointer: string): void {
    if (!this.object(weights, pointer)) return;
    const entries = Object.entries(weights);
    if (entries.length > segmentWeightsMax) {
      this.add(pointer, 'invalid-value', `At most ${segmentWeightsMax} segments may have a weight`);
      return;
    }
    for (const [segment, weight] of entries) {
      const here = `${pointer}/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (segment.length < 1 || segment.length > textLengthMax) {
        this.add(here, 'invalid-value', `A segment's name is 1 to ${textLengthMax} characters`);
      }
      this.score(weight, here);
    }
  }

  private score(value: unknown, pointer: string): void {
    if (typeof value === 'number' && Math.abs(value) <= scoreMax) return;
    this.add(pointer, 'invalid-value', `A number from -${scoreMax} to ${scoreMax} is expected`);
  }
}
