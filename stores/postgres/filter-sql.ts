import { type Filter, type FilterCondition, valuesOf } from '../../engine/filter.js';
import type { FieldKind, FilterField } from '../../engine/filter-field.js';
import { formatInstant } from '../../engine/instant.js';
import type { Instant } from '../../engine/work-item.js';
import { columnOf } from './work-item-row.js';

/** Text that may stand in a statement, and what its parameters stand for. */
export interface Sql {
  text: string;
  values: unknown[];
}

/**
 * A filter as the condition of a WHERE over `iwd.work_item`. What a client wrote, keys of attributes included, only ever
 * goes into `values`; the text is made of the names in `work-item-row.ts` and of parameters.
 *
 * SQL knows a third answer, the filter language does not. Unknown counts as false where it stands under AND and OR only,
 * so negations are pushed down to the conditions, where `IS NOT TRUE` makes unknown true.
 *
 * @param values already taken by the statement; the filter's parameters come after them.
 */
export function toSql(filter: Filter, now: Instant, values: readonly unknown[] = []): Sql {
  const writer = new FilterWriter(now, [...values]);
  return { text: writer.write(filter, false), values: writer.values };
}

/** A field of an item as an expression of its column's type; times that are not columns of their own are milliseconds. */
export function fieldSql(field: FilterField, kind: FieldKind): string {
  const column = columnOf(field);
  if (column !== undefined) return column;
  if (kind === 'number' || kind === 'time') return `(extra ->> '${field}')::float8`;
  if (kind === 'flag') return `COALESCE((extra ->> '${field}')::boolean, false)`;
  return `(extra ->> '${field}')`;
}

/**
 * What stands under a path of attributes, as jsonb and as text. Steps into objects only: `->` with a text finds nothing
 * in an array. The keys go into `values`.
 */
export function pathSql(path: readonly string[], values: unknown[]): { json: string; text: string } {
  const keys = path.map((key) => `$${values.push(key)}::text`);
  const json = `(${['attributes', ...keys].join(' -> ')})`;
  return { json, text: `(${['attributes', ...keys.slice(0, -1)].join(' -> ')} ->> ${keys.at(-1)})` };
}

class FilterWriter {
  readonly values: unknown[];
  readonly #now: Instant;

  constructor(now: Instant, values: unknown[]) {
    this.#now = now;
    this.values = values;
  }

  write(filter: Filter, isNegated: boolean): string {
    if (filter.kind === 'not') return this.write(filter.of, !isNegated);
    if (filter.kind === 'is') return this.#condition(filter, isNegated);
    const word = (filter.kind === 'and') === isNegated ? ' OR ' : ' AND ';
    return `(${filter.of.map((one) => this.write(one, isNegated)).join(word)})`;
  }

  #condition(condition: FilterCondition, isNegated: boolean): string {
    const { op } = condition;
    const turned = (op === 'exists' && condition.value === false) || op === 'ne';
    const text = condition.fieldKind === 'attribute' ? this.#attribute(condition) : this.#field(condition);
    return isNegated === turned ? text : `(${text}) IS NOT TRUE`;
  }

  /** True, false or unknown; `ne` and `exists: false` as their opposites. */
  #field(condition: FilterCondition): string {
    const { field, fieldKind, op } = condition;
    const expression = fieldSql(field, fieldKind);
    const type = parameterType(field, fieldKind);
    const values = valuesOf(condition, this.#now).map((value) =>
      type === 'timestamptz' ? formatInstant(value as number) : value,
    );
    const collated = fieldKind === 'text' ? `${expression} COLLATE "C"` : expression;
    switch (op) {
      case 'eq':
      case 'ne':
        return `${expression} = ${this.#parameter(values[0], type)}`;
      case 'in':
        return `${expression} = ANY (${this.#parameter(values, `${type}[]`)})`;
      case 'exists':
        return `${expression} IS NOT NULL`;
      case 'contains':
        return `strpos(${expression}, ${this.#parameter(values[0], 'text')}) > 0`;
      case 'startsWith':
        return `starts_with(${expression}, ${this.#parameter(values[0], 'text')})`;
      default:
        return `${collated} ${comparison[op]} ${this.#parameter(values[0], type)}`;
    }
  }

  /** Values of another JSON type never match: jsonb would order them by type instead. */
  #attribute(condition: FilterCondition): string {
    const { op, path = [] } = condition;
    const values = valuesOf(condition, this.#now);
    const [value] = values as [string | number | boolean];
    const { json, text } = pathSql(path, this.values);
    const isType = (type: string) => `jsonb_typeof${json} = '${type}'`;
    switch (op) {
      case 'eq':
      case 'ne':
        return `${json} = ${this.#parameter(JSON.stringify(value), 'jsonb')}`;
      case 'in':
        return `${json} = ANY (${this.#parameter(
          values.map((one) => JSON.stringify(one)),
          'jsonb[]',
        )})`;
      case 'exists':
        return `jsonb_typeof${json} <> 'null'`;
      case 'contains': {
        const inArray = `(${isType('array')} AND ${json} @> ${this.#parameter(JSON.stringify([value]), 'jsonb')})`;
        if (typeof value !== 'string') return inArray;
        return `(${inArray} OR (${isType('string')} AND strpos(${text}, ${this.#parameter(value, 'text')}) > 0))`;
      }
      case 'startsWith':
        return `(${isType('string')} AND starts_with(${text}, ${this.#parameter(value, 'text')}))`;
      default:
        return typeof value === 'number'
          ? `(${isType('number')} AND ${json} ${comparison[op]} ${this.#parameter(JSON.stringify(value), 'jsonb')})`
          : `(${isType('string')} AND ${text} COLLATE "C" ${comparison[op]} ${this.#parameter(value, 'text')})`;
    }
  }

  #parameter(value: unknown, type: string): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }
}

const comparison = { lt: '<', le: '<=', gt: '>', ge: '>=' } as const;

/** SQL type of what a field is compared with. */
function parameterType(field: FilterField, kind: FieldKind): string {
  switch (kind) {
    case 'id':
      return 'uuid';
    case 'number':
      return 'float8';
    case 'time':
      return columnOf(field) === undefined ? 'float8' : 'timestamptz';
    case 'flag':
      return 'boolean';
    default:
      return 'text';
  }
}
