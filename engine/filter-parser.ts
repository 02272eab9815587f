import { checkContent, faultsMax, pointerKey, refusal, shown } from './content.js';
import { parseDuration } from './duration.js';
import type { Filter, FilterCondition, FilterTime, FilterValue } from './filter.js';
import {
  type FieldKind,
  type FilterField,
  filterFields,
  type Operator,
  operators,
  operatorsOf,
} from './filter-field.js';
import { parseInstant } from './instant.js';
import { filterConditionsMax, filterDepthMax, filterPathMax, filterTextLengthMax, filterValuesMax } from './limits.js';
import { nearest } from './nearest.js';
import type { Fault, Rejection, RejectionCode } from './rejection.js';
import { statuses } from './work-item.js';

export interface FilterReading {
  /** Where the filter stands in the client's document. */
  pointer?: string;
  /** The filter saved under an id, as its caller may see it; without this function none can be named. */
  saved?: (id: string) => Filter | undefined;
}

const groupForms = '{ "and": [...] }, { "or": [...] }, { "not": {...} } or { "field", "op", "value" }';
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Reads a filter from parsed JSON, or says everything that is wrong with it, each fault with its pointer. */
export function parseFilter(json: unknown, reading: FilterReading = {}): Filter | Rejection {
  const { pointer = '' } = reading;
  const content = checkContent(json, pointer);
  if ('faults' in content) return refusal(content.faults);
  const parser = new FilterParser(reading);
  const filter = parser.filter(json, pointer, 1);
  return filter === undefined || parser.faults.length > 0 ? refusal(parser.faults) : filter;
}

/** How many conditions a filter has. */
export function conditionsOf(filter: Filter): number {
  if (filter.kind === 'is') return 1;
  if (filter.kind === 'not') return conditionsOf(filter.of);
  return filter.of.reduce((sum, one) => sum + conditionsOf(one), 0);
}

/** What a client calls a field: its name, and for attributes the path to follow. */
export function parseField(text: string): { field: FilterField; kind: FieldKind; path?: string[] } | undefined {
  if (text.startsWith('attributes.')) {
    const path = parsePath(text.slice('attributes.'.length));
    return path && { field: 'attributes', kind: 'attribute', path };
  }
  const kind = filterFields.get(text);
  if (kind === undefined || kind === 'attribute') return undefined;
  return { field: text as FilterField, kind };
}

/** Keys between dots; a backslash takes the dot or backslash after it as part of the key. */
function parsePath(text: string): string[] | undefined {
  const keys = [''];
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '.') keys.push('');
    else if (char !== '\\') keys[keys.length - 1] += char;
    else if (text[at + 1] === '.' || text[at + 1] === '\\') keys[keys.length - 1] += text[++at];
    else return undefined;
  }
  return keys.length <= filterPathMax && keys.every((key) => key !== '') ? keys : undefined;
}

/** Gathers faults while it reads; a part with a fault is undefined. */
class FilterParser {
  readonly faults: Fault[] = [];
  readonly #saved: FilterReading['saved'];
  #conditions = 0;

  constructor({ saved }: FilterReading) {
    this.#saved = saved;
  }

  filter(json: unknown, pointer: string, depth: number): Filter | undefined {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      return this.#add(pointer, 'invalid-value', `expected an object: ${groupForms}`);
    }
    const node = json as Record<string, unknown>;
    if ('field' in node || 'op' in node || 'value' in node) return this.#condition(node, pointer);
    const names = Object.keys(node);
    const [name] = names;
    if (names.length !== 1 || name === undefined) {
      return this.#add(
        pointer,
        'invalid-value',
        `expected exactly one of and, or, not, saved, or a condition: ${groupForms}`,
      );
    }
    if (depth > filterDepthMax && name !== 'saved') {
      return this.#add(pointer, 'too-deep', `expected at most ${filterDepthMax} groups inside one another`);
    }
    return this.#group(name, node[name], pointer, depth);
  }

  #group(name: string, value: unknown, pointer: string, depth: number): Filter | undefined {
    const here = `${pointer}/${pointerKey(name)}`;
    switch (name) {
      case 'and':
      case 'or': {
        const of = this.#list(value, here, filterConditionsMax, 'filters', (one, at) =>
          this.filter(one, at, depth + 1),
        );
        return of && { kind: name, of };
      }
      case 'not': {
        const of = this.filter(value, here, depth + 1);
        return of && { kind: 'not', of };
      }
      case 'saved':
        return this.#named(value, here);
      default: {
        const known = nearest(name, ['and', 'or', 'not', 'saved']);
        const hint = known === undefined ? `expected ${groupForms}` : `did you mean ${known}?`;
        return this.#add(here, 'unknown-field', `${JSON.stringify(shown(name))} is not known in a filter; ${hint}`);
      }
    }
  }

  #named(id: unknown, pointer: string): Filter | undefined {
    if (this.#saved === undefined) return this.#add(pointer, 'invalid-value', 'no saved filter can be named here');
    const filter = typeof id === 'string' ? this.#saved(id) : undefined;
    if (filter === undefined)
      return this.#add(pointer, 'invalid-value', 'expected the id of a saved filter that you may see');
    return this.#count(conditionsOf(filter), pointer) ? filter : undefined;
  }

  #condition(node: Record<string, unknown>, pointer: string): FilterCondition | undefined {
    for (const name of Object.keys(node)) {
      if (name === 'field' || name === 'op' || name === 'value') continue;
      this.#add(`${pointer}/${pointerKey(name)}`, 'unknown-field', 'a condition has field, op and value, nothing else');
    }
    if (!this.#count(1, pointer)) return undefined;
    const field = this.#field(node.field, `${pointer}/field`);
    const op = this.#operator(node.op, field?.kind, `${pointer}/op`);
    if (field === undefined || op === undefined) return undefined;
    const value = this.#value(node.value, field.kind, op, `${pointer}/value`);
    if (value === undefined) return undefined;
    return {
      kind: 'is',
      field: field.field,
      fieldKind: field.kind,
      ...(field.path && { path: field.path }),
      op,
      value,
    };
  }

  #field(name: unknown, pointer: string): ReturnType<typeof parseField> {
    if (name === undefined)
      return this.#add(pointer, 'missing-field', 'field is required: what the condition is about');
    const field = typeof name === 'string' ? parseField(name) : undefined;
    if (field !== undefined) return field;
    return this.#add(pointer, 'invalid-value', fieldHint(name));
  }

  #operator(name: unknown, kind: FieldKind | undefined, pointer: string): Operator | undefined {
    if (name === undefined)
      return this.#add(pointer, 'missing-field', `op is required: one of ${operators.join(', ')}`);
    const allowed = kind === undefined ? operators : operatorsOf[kind];
    if (allowed.includes(name as Operator)) return name as Operator;
    return this.#add(pointer, 'invalid-value', `expected one of ${allowed.join(', ')} for this field`);
  }

  #value(value: unknown, kind: FieldKind, op: Operator, pointer: string): FilterCondition['value'] | undefined {
    if (value === undefined) return this.#add(pointer, 'missing-field', 'value is required: what to compare with');
    if (op === 'in') {
      return this.#list(value, pointer, filterValuesMax, 'values', (one, at) => this.#scalar(one, kind, op, at));
    }
    if (op !== 'exists') return this.#scalar(value, kind, op, pointer);
    return typeof value === 'boolean' ? value : this.#add(pointer, 'invalid-value', 'expected true or false');
  }

  #scalar(value: unknown, kind: FieldKind, op: Operator, pointer: string): FilterValue | undefined {
    const read = scalarOf(value, kind, op);
    return typeof read === 'object' && 'expected' in read
      ? this.#add(pointer, 'invalid-value', `expected ${read.expected}`)
      : read;
  }

  /** One to `max` parts, each read by `read`; undefined when any of them has a fault. */
  #list<T>(
    value: unknown,
    pointer: string,
    max: number,
    what: string,
    read: (one: unknown, pointer: string) => T | undefined,
  ): T[] | undefined {
    if (!Array.isArray(value) || value.length === 0 || value.length > max) {
      return this.#add(pointer, 'invalid-value', `expected an array of 1 to ${max} ${what}`);
    }
    const parts: T[] = [];
    for (let at = 0; at < value.length && this.faults.length < faultsMax; at++) {
      const part = read(value[at], `${pointer}/${at}`);
      if (part !== undefined) parts.push(part);
    }
    return parts.length === value.length ? parts : undefined;
  }

  #count(conditions: number, pointer: string): boolean {
    const before = this.#conditions;
    this.#conditions += conditions;
    if (this.#conditions <= filterConditionsMax) return true;
    // Said once: every further condition would say the same.
    if (before <= filterConditionsMax) {
      this.#add(
        pointer,
        'too-large',
        `expected at most ${filterConditionsMax} conditions, those of saved filters included`,
      );
    }
    return false;
  }

  #add(pointer: string, code: RejectionCode, detail: string): undefined {
    if (this.faults.length < faultsMax) this.faults.push({ pointer, code, detail });
  }
}

function fieldHint(name: unknown): string {
  if (typeof name !== 'string') return 'expected the name of a field';
  if (name === 'priority') {
    return 'priority is a function of time and no field of the item: GET /queue has its order; filter on businessValue, category or dueDateTime';
  }
  if (name === 'attributes' || name.startsWith('attributes.')) {
    return `expected attributes. and a path of 1 to ${filterPathMax} keys, such as attributes.address.city; \\. is a dot inside a key`;
  }
  const known = nearest(name, filterFields.keys());
  const hint = known === undefined ? 'free fields are named attributes.<path>' : `did you mean ${known}?`;
  return `${JSON.stringify(shown(name))} is not a field of a work item; ${hint}`;
}

type Expected = { expected: string };

function scalarOf(value: unknown, kind: FieldKind, op: Operator): FilterValue | Expected {
  switch (kind) {
    case 'id':
      return typeof value === 'string' && uuid.test(value) ? value.toLowerCase() : { expected: 'a UUID' };
    case 'status':
      return statuses.some((status) => status === value)
        ? (value as string)
        : { expected: `one of ${statuses.join(', ')}` };
    case 'text':
      return textOf(value);
    case 'number':
      return typeof value === 'number' ? value : { expected: 'a number' };
    case 'flag':
      return typeof value === 'boolean' ? value : { expected: 'true or false' };
    case 'time':
      return timeOf(value);
    case 'attribute':
      return attributeValueOf(value, op);
  }
}

function textOf(value: unknown): string | Expected {
  if (typeof value === 'string' && value.length > 0 && value.length <= filterTextLengthMax) return value;
  return { expected: `a text of 1 to ${filterTextLengthMax} characters` };
}

/** Ordering asks for a number or a text, `startsWith` for a text, the rest for any plain value. */
function attributeValueOf(value: unknown, op: Operator): FilterValue | Expected {
  if (typeof value === 'string' && (value.length > 0 || op === 'eq' || op === 'ne' || op === 'in')) {
    return value.length <= filterTextLengthMax ? value : textOf(value);
  }
  if (op === 'startsWith') return textOf(value);
  if (typeof value === 'number') return value;
  const isOrder = op === 'lt' || op === 'le' || op === 'gt' || op === 'ge';
  if (typeof value === 'boolean' && !isOrder) return value;
  const plain = isOrder ? 'a number or a text' : 'a text, a number, true or false';
  return { expected: `${plain}; whether there is a value is asked with exists` };
}

/** `now`, `now+PT2H`, `now-P1D`, or an ISO 8601 time with its offset from UTC. */
function timeOf(value: unknown): FilterTime | Expected {
  const expected = 'now, now+PT2H, now-P1D or an ISO 8601 time with offset such as 2026-03-01T09:30:00Z';
  if (typeof value !== 'string') return { expected };
  if (value === 'now') return { fromNow: 0 };
  const relative = /^now([+-])(P.{1,64})$/.exec(value);
  if (relative === null) {
    const at = parseInstant(value);
    return at === undefined ? { expected } : { at };
  }
  const ms = parseDuration(relative[2]!);
  if (ms === undefined) return { expected };
  return { fromNow: relative[1] === '-' ? 0 - ms : ms };
}
