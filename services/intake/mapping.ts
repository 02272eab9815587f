import { fieldNames } from '../../engine/draft.js';
import { nearest } from '../../engine/nearest.js';
import type { Fault } from '../../engine/rejection.js';
import { type TimeReader, timeReader } from './wall-time.js';

/**
 * How columns of a file become fields of a work item (`mapping.json`):
 *
 *   { "fields": { FIELD: SOURCE, ... }, "attributes": ["Column", ...] or { "name": SOURCE, ... } }
 *
 * SOURCE is a column's name, or an object with exactly one of `column`, `constant`, `template` ("{Column} text") and,
 * beside `column` or `template`, at most one of
 *   "time": "iso" | "epoch-seconds" | "epoch-ms" | a format such as "MM/DD/YYYY hh:mm:ss AM", with "zone" (default UTC)
 *   "number": true | { "decimal": ",", "group": "." }
 * and `"default"`, which stands in for an empty value. An empty value without a default leaves the field out. In NDJSON
 * a column that begins with `/` is a JSON pointer into the line.
 */
export interface Mapping {
  /** Reads one record: the item's JSON-to-be, or what is wrong with the record. */
  item(record: FileRecord): { item: Item } | { detail: string };
  /** Whether every item gets a captureId, so that repeating an import is safe. */
  hasCaptureId: boolean;
  /** Columns that are read, for checking them against a CSV's header. */
  columns: string[];
}

export type FileRecord = Record<string, unknown>;
export type Item = Record<string, unknown>;

/** The value of one source in a record; undefined when empty. Throws a RowFault. */
type Reader = (record: FileRecord) => unknown;

class RowFault extends Error {}

const sourceKeys = ['column', 'constant', 'template', 'time', 'zone', 'number', 'default'] as const;
type Source = { [K in (typeof sourceKeys)[number]]?: unknown };

/** Fields that JSON wants as numbers, whatever the file holds. */
const numberFields = new Set(['businessValue', 'sourceVersion']);

/** Stands in for what should have been an object, whose fault is told already. */
const emptyObject: Record<string, never> = Object.freeze({});

/** @returns the mapping, or every fault of the document with a JSON pointer to it. */
export function compileMapping(document: unknown): { mapping: Mapping } | { faults: Fault[] } {
  const compiler = new Compiler();
  const mapping = compiler.mapping(document);
  return compiler.faults.length > 0 ? { faults: compiler.faults } : { mapping };
}

class Compiler {
  readonly faults: Fault[] = [];
  readonly #columns = new Set<string>();

  mapping(document: unknown): Mapping {
    const { fields, attributes } = this.#object(document, '', ['fields', 'attributes']);
    const readers = new Map<string, Reader>();
    const known = [...fieldNames, 'tenantId'];
    for (const [name, source] of Object.entries(this.#object(fields ?? {}, '/fields', known))) {
      readers.set(name, this.#source(source, `/fields/${name}`, numberFields.has(name)));
    }
    const attributeReaders = this.#attributes(attributes ?? []);
    const hasCaptureId = readers.has('captureId');
    return {
      item: (record) => readItem(record, readers, attributeReaders),
      hasCaptureId,
      columns: [...this.#columns],
    };
  }

  #attributes(attributes: unknown): Map<string, Reader> {
    if (Array.isArray(attributes)) {
      const columns = attributes.map((column, i) => {
        const fine = typeof column === 'string' && column !== '';
        if (!fine) this.#fault(`/attributes/${i}`, 'expected the name of a column');
        return String(column);
      });
      return new Map(columns.map((column) => [column.replace(/^.*\//, ''), this.#column(column)]));
    }
    const entries = Object.entries(this.#object(attributes, '/attributes'));
    return new Map(
      entries.map(([name, source]) => [name, this.#source(source, `/attributes/${pointerKey(name)}`, false)]),
    );
  }

  #source(written: unknown, pointer: string, asNumber: boolean): Reader {
    if (typeof written === 'string') return this.#source({ column: written }, pointer, asNumber);
    const source: Source = this.#object(written, pointer, sourceKeys);
    const kinds = (['column', 'constant', 'template'] as const).filter((key) => source[key] !== undefined);
    if (kinds.length !== 1) {
      if (source !== emptyObject)
        this.#fault(pointer, 'expected exactly one of column, constant, template (or the name of a column alone)');
      return () => undefined;
    }
    if (source.constant !== undefined) return () => source.constant;
    const read = kinds[0] === 'column' ? this.#columnSource(source, pointer) : this.#template(source, pointer);
    const convert = this.#conversion(source, pointer, asNumber);
    return (record) => {
      const value = read(record);
      if (value === undefined) return source.default;
      return convert ? convert(value) : value;
    };
  }

  #columnSource({ column }: Source, pointer: string): Reader {
    if (typeof column === 'string' && column !== '') return this.#column(column);
    this.#fault(`${pointer}/column`, 'expected the name of a column');
    return () => undefined;
  }

  #column(column: string): Reader {
    this.#columns.add(column);
    const keys = column.startsWith('/') ? column.slice(1).split('/').map(pointerName) : undefined;
    return (record) => {
      const value = keys && !Object.hasOwn(record, column) ? descend(record, keys) : own(record, column);
      const empty = value === null || value === undefined || (typeof value === 'string' && value.trim() === '');
      return empty ? undefined : typeof value === 'string' ? value.trim() : value;
    };
  }

  /** Empty when any of its columns is: half a captureId would not be one. */
  #template({ template }: Source, pointer: string): Reader {
    const parts = typeof template === 'string' ? template.split(/\{([^{}]+)\}/) : [];
    if (parts.length < 3) this.#fault(`${pointer}/template`, 'expected text with at least one {Column}');
    const readers = parts.map((part, i) => (i % 2 === 1 ? this.#column(part) : () => part));
    return (record) => {
      const values = readers.map((read) => read(record));
      return values.includes(undefined) ? undefined : joined(values.map(textOf));
    };
  }

  #conversion(source: Source, pointer: string, asNumber: boolean): ((value: unknown) => unknown) | undefined {
    const { time, zone, number = asNumber || undefined } = source;
    if (time !== undefined && source.number !== undefined) this.#fault(pointer, 'expected time or number, not both');
    if (zone !== undefined && time === undefined) this.#fault(`${pointer}/zone`, 'a zone needs a time format');
    if (time !== undefined) return this.#time(time, zone ?? 'UTC', pointer);
    return number === undefined || number === false ? undefined : this.#number(number, pointer);
  }

  #time(time: unknown, zone: unknown, pointer: string): ((value: unknown) => unknown) | undefined {
    if (time === 'iso') return undefined;
    const unit = time === 'epoch-ms' ? 1 : time === 'epoch-seconds' ? 1000 : undefined;
    if (unit) return (value) => isoOf(Number(textOf(value)) * unit, value, String(time));
    const read: TimeReader | string =
      typeof time === 'string' && typeof zone === 'string'
        ? timeReader(time, zone)
        : 'expected "iso", "epoch-seconds", "epoch-ms" or a format such as "MM/DD/YYYY hh:mm:ss AM"';
    if (typeof read === 'string') {
      this.#fault(`${pointer}/time`, read);
      return undefined;
    }
    return (value) => isoOf(read(textOf(value)), value, String(time));
  }

  #number(number: unknown, pointer: string): (value: unknown) => unknown {
    const signs = number === true ? {} : this.#object(number, `${pointer}/number`, ['decimal', 'group']);
    const { decimal = '.', group = '' } = signs;
    if (typeof decimal !== 'string' || decimal.length !== 1 || typeof group !== 'string' || group === decimal) {
      this.#fault(`${pointer}/number`, 'expected true or { "decimal": ",", "group": "." } with two different signs');
    }
    return (value) => {
      if (typeof value === 'number') return value;
      const plain = textOf(value).replaceAll(String(group), '').replace(String(decimal), '.');
      // An empty group sign replaces nothing; Number would also take 0x10 and blanks.
      const isNumber = /^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(plain) && Number.isFinite(Number(plain));
      if (!isNumber) throw new RowFault(`is ${shown(value)}; expected a number`);
      return Number(plain);
    };
  }

  #object(value: unknown, pointer: string, known?: readonly string[]): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#fault(pointer, 'expected an object');
      return emptyObject;
    }
    for (const key of Object.keys(value)) {
      if (!known || known.includes(key)) continue;
      const near = nearest(key, known);
      const detail = `not known here${near ? `; did you mean ${near}?` : `; expected ${known.join(', ')}`}`;
      this.faults.push({ pointer: `${pointer}/${pointerKey(key)}`, code: 'unknown-field', detail });
    }
    return value as Record<string, unknown>;
  }

  #fault(pointer: string, detail: string): void {
    this.faults.push({ pointer, code: 'invalid-value', detail });
  }
}

function readItem(
  record: FileRecord,
  fields: Map<string, Reader>,
  attributes: Map<string, Reader>,
): { item: Item } | { detail: string } {
  try {
    const item = readAll(record, fields);
    if (fields.has('captureId')) {
      if (item.captureId === undefined) return { detail: 'captureId would be empty: its columns are' };
      item.captureId = textOf(item.captureId);
    }
    return { item: { ...item, attributes: readAll(record, attributes) } };
  } catch (error) {
    if (error instanceof RowFault) return { detail: error.message };
    throw error;
  }
}

/** A column may be named often: what comes of a record stays in proportion. */
function joined(texts: readonly string[]): string {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length > itemLengthMax) throw new RowFault(tooLong);
  return texts.join('');
}

/** Characters of all values that a record becomes, as many as a record may have bytes. */
const itemLengthMax = 1024 * 1024;
const tooLong = `would make the item longer than ${itemLengthMax} characters`;

function readAll(record: FileRecord, readers: Map<string, Reader>): Item {
  const item: Item = {};
  let length = 0;
  for (const [name, read] of readers) {
    try {
      const value = read(record);
      if (value === undefined) continue;
      length += textOf(value).length;
      if (length > itemLengthMax) throw new RowFault(tooLong);
      item[name] = value;
    } catch (error) {
      throw error instanceof RowFault ? new RowFault(`${name} ${error.message}`) : error;
    }
  }
  return item;
}

function isoOf(ms: number | undefined, value: unknown, format: string): string {
  const date = new Date(ms ?? Number.NaN);
  if (Number.isNaN(date.getTime())) throw new RowFault(`is ${shown(value)}; expected a time as ${format}`);
  return date.toISOString();
}

/** What JSON nests as JSON: an object's own `toString` is the sender's, and need not be a function. */
const textOf = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
const shown = (value: unknown) => JSON.stringify(textOf(value).slice(0, 60));
const pointerKey = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');
const pointerName = (key: string) => key.replaceAll('~1', '/').replaceAll('~0', '~');

function own(record: FileRecord, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function descend(record: FileRecord, keys: string[]): unknown {
  let value: unknown = record;
  for (const key of keys) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = own(value as FileRecord, key);
  }
  return value;
}
