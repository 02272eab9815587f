import type { WorkItem } from '../../engine/work-item.js';

/** One row of `iwd.work_item` as the session's type parsers give it: times in ms, json as text. */
export type WorkItemRow = Record<string, string | number | null>;

/** Column, field of the work item, SQL type of the JSON document that carries it, expression that stores it. */
const columns = [
  ['id', 'id', 'uuid'],
  ['seq', 'seq', 'bigint'],
  ['version', 'version', 'integer'],
  ['status', 'status', 'text'],
  ['category', 'category', 'text'],
  ['capture_id', 'captureId', 'text'],
  ['business_value', 'businessValue', 'float8'],
  ['customer_segment', 'customerSegment', 'text'],
  ['department_id', 'departmentId', 'text'],
  ['process_id', 'processId', 'text'],
  ['assigned_to', 'assignedTo', 'text'],
  ['created_at', 'createdDateTime', 'time'],
  ['activation_at', 'activationDateTime', 'time'],
  ['due_at', 'dueDateTime', 'time'],
  ['expiration_at', 'expirationDateTime', 'time'],
  ['updated_at', 'updatedDateTime', 'time'],
  ['assigned_at', 'assignedDateTime', 'time'],
  ['held_at', 'heldDateTime', 'time'],
  ['completed_at', 'completedDateTime', 'time'],
  ['fingerprint', 'fingerprint', 'text'],
  ['attributes', 'attributes', 'jsonb'],
  ['extra', 'extra', 'jsonb'],
] as const;

const ownColumn = new Map<string, string>(columns.map(([column, field]) => [field, column]));

/** Names of all columns, for SELECT and INSERT. */
export const columnNames = columns.map(([column]) => column).join(', ');
/** The column definition list of `json_to_recordset` for what `toJson` writes: times are milliseconds there. */
export const recordDefinition = columns
  .map(([column, , type]) => `${column} ${type === 'time' ? 'float8' : type}`)
  .join(', ');
/** Expressions that turn a record into the columns. Not `to_timestamp(seconds)`: after 2106 it is off by a microsecond. */
export const recordValues = columns
  .map(([column, , type]) => (type === 'time' ? `timestamptz 'epoch' + r.${column} * interval '1 ms'` : `r.${column}`))
  .join(', ');
/** What an upsert sets: everything but the key. */
export const upsertAssignments = columns
  .slice(1)
  .map(([column]) => `${column} = excluded.${column}`)
  .join(', ');

/** The column of a field of the item; undefined for those that `extra` holds under their own names. */
export function columnOf(field: keyof WorkItem): string | undefined {
  return ownColumn.get(field);
}

/**
 * The item as one JSON object. Written by hand because it runs for every item that is projected: one pass over the
 * fields, and the attributes, which are JSON text already, go in as they are.
 */
export function toJson(item: WorkItem): string {
  const source = item as unknown as Record<string, unknown>;
  let json = '{';
  let extra = '';
  for (const field in source) {
    const value = source[field];
    if (value === undefined || field === 'attributes') continue;
    const column = ownColumn.get(field);
    const text = typeof value === 'number' ? value : JSON.stringify(value);
    if (column === undefined) extra += `${extra === '' ? '' : ','}"${field}":${text}`;
    else json += `"${column}":${text},`;
  }
  if (extra !== '') json += `"extra":{${extra}},`;
  return `${json}"attributes":${item.attributes}}`;
}

/** The item of a row; fields that the item does not have are absent. */
export function fromRow(row: WorkItemRow): WorkItem {
  const item: Record<string, unknown> = {};
  for (const [column, field] of columns) {
    const value = row[column];
    if (value !== null && column !== 'extra') item[field] = value;
  }
  if (row.extra !== null) Object.assign(item, JSON.parse(row.extra as string));
  return item as unknown as WorkItem;
}
