import { parseInstant } from '../engine/instant.js';
import { fault, type Rejection } from '../engine/rejection.js';
import { type QueryField, type QueryName, queryFields } from './shape.js';

/** The query parameters of one request, checked. */
export interface Query {
  captureId?: string;
  category?: string;
  cursor?: string;
  status?: string[];
  limit?: number;
  version?: number;
  mode?: string[];
  mapping?: string;
  dryRun?: string[];
  by?: string;
  from?: string;
  type?: string;
  itemId?: string;
  /** Milliseconds. */
  saved?: string;
  after?: number;
  at?: number;
  since?: number;
  until?: number;
  format?: string[];
  returnTo?: string;
  service?: string[];
  deleteTenant?: string[];
}

const noQuery: Query = Object.freeze({});

/** A parameter that the operation does not know is refused: a misspelt filter must not answer everything. */
export function readQuery(given: unknown, names: readonly QueryName[]): Query | Rejection {
  let query: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(given as Record<string, string | string[]>)) {
    if (!(names as readonly string[]).includes(name)) {
      const known = names.length === 0 ? 'none' : names.join(', ');
      return fault(
        pointer(name),
        'unknown-field',
        `Query parameter ${shown(name)} is not known here; known: ${known}.`,
      );
    }
    const read = readField(name, queryFields[name as QueryName], value);
    if (typeof read === 'object' && 'rejected' in read) return read;
    query ??= {};
    query[name] = read;
  }
  return query ?? noQuery;
}

function readField(name: string, field: QueryField, value: string | string[]): string | number | string[] | Rejection {
  if (field.kind === 'list') return readList(name, field, value);
  if (typeof value !== 'string') return fault(pointer(name), 'invalid-value', `${name} must be given once.`);
  if (field.kind === 'integer') return readInteger(name, field, value);
  if (field.kind === 'instant') return readInstant(name, value);
  if (value === '' || value.length > field.lengthMax) {
    return fault(pointer(name), 'invalid-value', `${name} must have 1 to ${field.lengthMax} characters.`);
  }
  if (value.includes('\0') || unstorable.test(value))
    return fault(pointer(name), 'unsafe-text', `${name} holds characters that cannot be stored.`);
  return value;
}

/** Lone surrogates, and U+FFFD: what decoding leaves of bytes that were not UTF-8. */
const unstorable = /[\p{Surrogate}\uFFFD]/u;

function readInteger(name: string, field: { min: number; max: number }, value: string): number | Rejection {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= field.min && number <= field.max) return number;
  return fault(pointer(name), 'invalid-value', `${name} must be a whole number from ${field.min} to ${field.max}.`);
}

function readInstant(name: string, value: string): number | Rejection {
  const instant = parseInstant(value);
  if (instant !== undefined) return instant;
  return fault(pointer(name), 'invalid-value', `${name} must be a time with an offset, such as 2026-03-01T09:30:00Z.`);
}

function readList(
  name: string,
  field: { of: readonly string[]; single?: boolean },
  value: string | string[],
): string[] | Rejection {
  const values = [value].flat().flatMap((one) => one.split(',', field.of.length + 1));
  const bad = field.single && values.length > 1 ? values.join() : values.find((one) => !field.of.includes(one));
  if (bad === undefined) return [...new Set(values)];
  return fault(pointer(name), 'invalid-value', `${name} must be one of ${field.of.join(', ')}, not ${shown(bad)}.`);
}

function pointer(name: string): string {
  return `?${name.slice(0, 64)}`;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
