import { checkContent, decodeBody, pointerKey, refusal } from '../engine/content.js';
import { isObject } from '../engine/draft.js';
import {
  allColumns,
  csvHeader,
  type ExportColumn,
  type ExportFormat,
  exportLine,
  parseColumns,
} from '../engine/export-columns.js';
import type { Filter } from '../engine/filter.js';
import { parseFilter } from '../engine/filter-parser.js';
import type { SortKey } from '../engine/item-sort.js';
import { fault, isRejection, type Rejection } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Instant, WorkItem } from '../engine/work-item.js';
import { priorityOf } from './answers.js';
import type { ItemSearch } from './ports.js';
import type { Answer, Request } from './request.js';

/** Items of one page: few enough that writing them takes the shard's thread a few milliseconds. */
export const exportPageItems = 200;
/** Oldest first: an export goes on after the last item that it has, whatever has changed meanwhile. */
const bySeq: readonly SortKey[] = [{ field: 'seq', kind: 'number', order: 'asc' }];

export type ExportRequest = Extract<Request, { op: 'export' }>;

/** One page of an export, checked. */
export interface ExportQuestion {
  search: ItemSearch;
  columns: readonly ExportColumn[];
  format: ExportFormat;
}

/** Reads the body of an export; relative times count from `at`, or from `now` where the request names no time. */
export function readExport(
  request: ExportRequest,
  now: Instant,
  saved: (id: string) => Filter | undefined,
): ExportQuestion | Rejection {
  const json = request.body.byteLength === 0 ? {} : decodeBody(request.body);
  if (isRejection(json)) return json;
  const content = checkContent(json);
  if ('faults' in content) return refusal(content.faults);
  if (!isObject(json)) return fault('', 'invalid-value', 'expected an object: { "filter", "columns" }');
  for (const name of Object.keys(json)) {
    if (name === 'filter' || name === 'columns') continue;
    return fault(`/${pointerKey(name)}`, 'unknown-field', 'an export has filter and columns, nothing else');
  }
  const filter = filterOf(json.filter, request, saved);
  if (isRejection(filter)) return filter;
  const read = json.columns === undefined ? { columns: allColumns } : parseColumns(json.columns, '/columns');
  if ('faults' in read) return refusal(read.faults);
  const after = request.after === undefined ? {} : { after: { values: [], seq: request.after } };
  const search = { ...(filter && { filter }), now: request.at ?? now, sort: bySeq, limit: exportPageItems, ...after };
  return { search, columns: read.columns, format: request.format };
}

function filterOf(
  json: unknown,
  request: ExportRequest,
  saved: (id: string) => Filter | undefined,
): Filter | Rejection | undefined {
  if (json !== undefined) return parseFilter(json, { pointer: '/filter', saved });
  if (request.saved === undefined) return undefined;
  const known = saved(request.saved);
  return known ?? fault('?saved', 'invalid-value', 'expected the id of a saved filter that you may see');
}

/**
 * The page's lines, with the header line in front of the first ones; `next` is where the next page begins. Priorities are
 * those of the moment that relative times count from: one export is of one moment, however long it takes.
 */
export function exportAnswerPage(
  state: TenantState,
  { search, columns, format }: ExportQuestion,
  items: readonly WorkItem[],
): Answer {
  const page = items.slice(0, search.limit);
  const lines = page.map((item) => exportLine(format, columns, item, () => priorityOf(state, item, search.now)));
  const header = format === 'csv' && search.after === undefined ? csvHeader(columns) : '';
  const more = items.length > search.limit ? { next: page[page.length - 1].seq } : {};
  return { status: 200, json: header + lines.join(''), at: search.now, ...more };
}
