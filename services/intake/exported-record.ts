import { decodeBody, pointerKey } from '../../engine/content.js';
import { plainText } from '../../engine/csv.js';
import { fieldNames } from '../../engine/draft.js';
import { type FieldKind, filterFields } from '../../engine/filter-field.js';
import { parseField } from '../../engine/filter-parser.js';
import { nearest } from '../../engine/nearest.js';
import { type Fault, fault, isRejection, type Rejection } from '../../engine/rejection.js';
import type { FileRecord, Item } from './mapping.js';
import type { RecordIntake } from './record-intake.js';

/** What one column of an export is to an import. */
type Column =
  | { role: 'field'; name: string; kind: FieldKind }
  | { role: 'attributes' }
  | { role: 'attribute'; path: readonly string[] }
  /** Only the engine writes it. */
  | { role: 'ignored' };

const drafted: ReadonlySet<string> = new Set(fieldNames);

/** What the engine found out for itself: the one that takes the item in finds it out anew, by its own settings. */
const found: Readonly<Record<string, { flag: string; value: boolean }>> = {
  category: { flag: 'preclassified', value: false },
  dueDateTime: { flag: 'dueByCategory', value: true },
};

/**
 * Reads records as `GET /workitems/export` writes them, headers being names of fields. What only the engine writes (id,
 * status, version, ...) is passed over: an import brings work, not its life so far. A category that rules had found, and
 * a due time whose clock its category stops, stay behind too.
 */
export function exportedIntake(format: 'csv' | 'ndjson'): RecordIntake {
  const known = new Map<string, Column | undefined>();
  const columnOf = (name: string) => {
    // Names of NDJSON are the sender's and come line by line: without an end.
    if (known.size >= namesKept) known.clear();
    if (!known.has(name)) known.set(name, readColumn(name));
    return known.get(name);
  };
  const reader = format === 'csv' ? new CellReader() : new ValueReader();
  return {
    headerFaults: (header) => headerFaults(header, columnOf),
    item: (record) => readRecord(record, columnOf, reader),
  };
}

const namesKept = 1000;

function readColumn(name: string): Column | undefined {
  if (drafted.has(name)) return { role: 'field', name, kind: filterFields.get(name) ?? 'text' };
  if (name === 'attributes') return { role: 'attributes' };
  if (name === 'priority' || filterFields.has(name)) return { role: 'ignored' };
  const path = parseField(name)?.path;
  return path && !path.includes('__proto__') ? { role: 'attribute', path } : undefined;
}

function headerFaults(header: readonly string[], columnOf: (name: string) => Column | undefined): Fault[] {
  return header.flatMap((name, at): Fault[] => {
    const pointer = `/header/${at}`;
    if (columnOf(name) === undefined) return [{ pointer, code: 'unknown-field', detail: unknownName(name) }];
    const isTwice = header.indexOf(name) < at;
    return isTwice ? [{ pointer, code: 'invalid-value', detail: `${name} is the name of a column before it` }] : [];
  });
}

function unknownName(name: string): string {
  const near = nearest(name, [...filterFields.keys()]);
  const hint = near === undefined ? 'other names need a mapping' : `did you mean ${near}?`;
  return `${JSON.stringify(name.slice(0, 64))} is not a field of a work item; ${hint}`;
}

function readRecord(
  record: FileRecord,
  columnOf: (name: string) => Column | undefined,
  reader: CellReader | ValueReader,
): { item: Item } | Rejection {
  const item: Item = {};
  // The whole attributes first: single ones go into them, whatever the order of the columns.
  const attributes = reader.attributes(record.attributes);
  if (isRejection(attributes)) return attributes;
  for (const [name, cell] of Object.entries(record)) {
    const column = columnOf(name);
    if (column === undefined) return fault(`/${pointerKey(name)}`, 'unknown-field', unknownName(name));
    if (column.role === 'field') {
      const value = reader.field(cell, column.kind);
      if (value !== undefined && !isFound(name, record)) item[name] = value;
    } else if (column.role === 'attribute') {
      const value = reader.value(cell);
      if (value !== undefined && !put(attributes, column.path, value)) {
        return fault(`/${pointerKey(name)}`, 'invalid-value', 'expected a path whose keys hold objects');
      }
    }
  }
  return { item: { ...item, attributes } };
}

function isFound(name: string, record: FileRecord): boolean {
  const by = found[name];
  return by !== undefined && String(record[by.flag]) === String(by.value);
}

/** False when something that is no object stands in the way. */
function put(attributes: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  let place = attributes;
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(place, key)) place[key] = {};
    const next = place[key];
    if (typeof next !== 'object' || next === null || Array.isArray(next)) return false;
    place = next as Record<string, unknown>;
  }
  place[path.at(-1)!] = value;
  return true;
}

const notAnObject = () => fault('/attributes', 'invalid-value', 'expected a JSON object');

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** CSV: everything is text, an empty cell is nothing. */
class CellReader {
  attributes(cell: unknown): Record<string, unknown> | Rejection {
    if (cell === undefined || cell === '') return {};
    const json = decodeBody(Buffer.from(String(cell)));
    if (isRejection(json)) return fault('/attributes', json.code, json.detail);
    return isObject(json) ? json : notAnObject();
  }

  field(cell: unknown, kind: FieldKind): unknown {
    const text = String(cell);
    if (text === '') return undefined;
    // What is no number, or none that JSON could write, stays a text, and the engine says what it expected.
    const isNumber = kind === 'number' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);
    return isNumber && Number.isFinite(Number(text)) ? Number(text) : plainText(text);
  }

  value(cell: unknown): unknown {
    return cell === '' ? undefined : plainText(String(cell));
  }
}

/** NDJSON: values are what they are, null is nothing. */
class ValueReader {
  attributes(value: unknown): Record<string, unknown> | Rejection {
    if (value === undefined || value === null) return {};
    return isObject(value) ? value : notAnObject();
  }

  field(value: unknown): unknown {
    return value ?? undefined;
  }

  value(value: unknown): unknown {
    return value ?? undefined;
  }
}
