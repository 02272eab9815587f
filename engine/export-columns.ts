import { pointerKey } from './content.js';
import { type Cell, csvLine } from './csv.js';
import { isObject } from './draft.js';
import { type FieldKind, filterFields } from './filter-field.js';
import { valueAt } from './filter-match.js';
import { parseField } from './filter-parser.js';
import { formatInstant } from './instant.js';
import { exportColumnsMax, textLengthMax } from './limits.js';
import type { Fault } from './rejection.js';
import type { WorkItem } from './work-item.js';

export const exportFormats = ['csv', 'ndjson'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** One column of an export: what of the item, and what it is called there. */
export interface ExportColumn {
  readonly name: string;
  readonly field: string;
  readonly kind: FieldKind | 'priority';
  readonly path?: readonly string[];
}

/** Every field, the number that an export goes on from first, the attributes as JSON text last. */
export const allColumns: readonly ExportColumn[] = [
  ...['seq', ...[...filterFields.keys()].filter((name) => name !== 'seq' && name !== 'attributes')].map(
    (name): ExportColumn => ({ name, field: name, kind: filterFields.get(name)! }),
  ),
  { name: 'priority', field: 'priority', kind: 'priority' },
  { name: 'attributes', field: 'attributes', kind: 'attribute' },
];

/** Reads `["captureId", { "field": "attributes.region", "name": "Region" }, ...]`, or says what is wrong with it. */
export function parseColumns(json: unknown, pointer: string): { columns: ExportColumn[] } | { faults: Fault[] } {
  if (!Array.isArray(json) || json.length === 0 || json.length > exportColumnsMax) {
    return { faults: [fault(pointer, `expected an array of 1 to ${exportColumnsMax} columns`)] };
  }
  const faults: Fault[] = [];
  const columns = json.map((one, at) => parseColumn(one, `${pointer}/${at}`, faults));
  const names = columns.map((column) => column?.name);
  names.forEach((name, at) => {
    if (name !== undefined && names.indexOf(name) < at) {
      faults.push(fault(`${pointer}/${at}`, 'expected a name that no column before it has'));
    }
  });
  return faults.length > 0 ? { faults } : { columns: columns as ExportColumn[] };
}

function fault(pointer: string, detail: string): Fault {
  return { pointer, code: 'invalid-value', detail };
}

function parseColumn(json: unknown, pointer: string, faults: Fault[]): ExportColumn | undefined {
  const { field, name = field, ...rest } = isObject(json) ? json : { field: json };
  for (const unknown of Object.keys(rest)) {
    faults.push({
      pointer: `${pointer}/${pointerKey(unknown)}`,
      code: 'unknown-field',
      detail: 'a column has field and name',
    });
  }
  const where = isObject(json) ? `${pointer}/field` : pointer;
  const known = typeof field === 'string' ? knownField(field) : undefined;
  if (known === undefined) {
    faults.push(fault(where, 'expected a field of a work item, attributes, attributes.<path> or priority'));
    return undefined;
  }
  if (typeof name !== 'string' || name === '' || name.length > textLengthMax) {
    faults.push(fault(`${pointer}/name`, `expected a text of 1 to ${textLengthMax} characters`));
    return undefined;
  }
  return { name, ...known };
}

function knownField(field: string): Omit<ExportColumn, 'name'> | undefined {
  if (field === 'attributes') return { field, kind: 'attribute' };
  if (field === 'priority') return { field, kind: 'priority' };
  const parsed = parseField(field);
  return parsed && { field: parsed.field, kind: parsed.kind, ...(parsed.path && { path: parsed.path }) };
}

export function csvHeader(columns: readonly ExportColumn[]): string {
  return csvLine(columns.map(({ name }) => name));
}

/** The item's line in an export; its priority at that instant comes from whoever knows the order. */
export function exportLine(
  format: ExportFormat,
  columns: readonly ExportColumn[],
  item: WorkItem,
  priority: () => number,
): string {
  const needsAttributes = columns.some(({ path }) => path !== undefined);
  const attributes: unknown = needsAttributes ? JSON.parse(item.attributes) : undefined;
  if (format === 'csv') return csvLine(columns.map((column) => cellOf(column, item, attributes, priority)));
  const cells = columns.map((column) => {
    // JSON text already: it is not parsed to be written again.
    const text =
      column.kind === 'attribute' && column.path === undefined
        ? item.attributes
        : JSON.stringify(cellOf(column, item, attributes, priority) ?? null);
    return `${JSON.stringify(column.name)}:${text}`;
  });
  return `{${cells.join(',')}}\n`;
}

function cellOf(
  { field, kind, path }: ExportColumn,
  item: WorkItem,
  attributes: unknown,
  priority: () => number,
): Cell {
  if (kind === 'priority') return priority();
  if (kind === 'attribute') return path === undefined ? item.attributes : (valueAt(attributes, path) as Cell);
  const value = item[field as keyof WorkItem];
  if (kind === 'time') return value === undefined ? undefined : formatInstant(value as number);
  return kind === 'flag' ? value === true : value;
}
