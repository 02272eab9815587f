import type {
  FilterRecord,
  HistoryEntry,
  ItemQuery,
  ItemSearch,
  ItemStanding,
  KeyRecord,
  OpenItems,
  Projection,
  ProjectionStore,
  SettingsRecord,
  SettingsVersion,
} from '../../actors/ports.js';
import type { AuditPage, AuditQuery } from '../../engine/audit-log.js';
import { writtenDetails } from '../../engine/event.js';
import type { Filter } from '../../engine/filter.js';
import type { FilterChange, FilterVersion } from '../../engine/saved-filter.js';
import { type Instant, type Status, statuses, type WorkItem } from '../../engine/work-item.js';
import { type AuditRow, auditPage, tenantAuditQuery } from './audit-search.js';
import type { Connection } from './connection.js';
import { countStatement, idsStatement, pageStatement } from './item-search.js';
import type { Reader } from './reader.js';
import { scanKnown, scanOpen } from './scan.js';
import { Searches } from './searches.js';
import {
  columnNames,
  fromRow,
  recordDefinition,
  recordValues,
  toJson,
  upsertAssignments,
  type WorkItemRow,
} from './work-item-row.js';

const instant = (column: string) => `timestamptz 'epoch' + ${column} * interval '1 ms'`;

/** Moves the cursor by compare-and-set and writes everything, in one statement: all of it or nothing. */
const projectStatement = `
  WITH moved AS (
    UPDATE iwd.follower_cursor SET seq = $2 WHERE name = 'work_item' AND seq = $1 RETURNING 1),
  items AS (
    INSERT INTO iwd.work_item AS w (${columnNames})
    SELECT ${recordValues} FROM moved, json_to_recordset($3::json) AS r (${recordDefinition})
    ON CONFLICT (id) DO UPDATE SET ${upsertAssignments} WHERE w.version < excluded.version),
  history AS (
    INSERT INTO iwd.work_item_history (item_id, seq, at, type, by, origin, version, status, details)
    SELECT "itemId", seq, ${instant('at')}, type, by, "from", version, status, details
      FROM moved, json_to_recordset($4::json) AS r ("itemId" uuid, seq bigint, at float8, type text, by text,
           "from" text, version integer, status text, details jsonb)
    ON CONFLICT DO NOTHING),
  keys AS (
    INSERT INTO iwd.idempotency_key (key, fingerprint, status, item_id, at)
    SELECT key, fingerprint, status, "itemId", ${instant('at')}
      FROM moved, json_to_recordset($5::json) AS r (key text, fingerprint text, status smallint, "itemId" uuid, at float8)
    ON CONFLICT DO NOTHING),
  settings AS (
    INSERT INTO iwd.settings (kind, version, seq, at, by, document)
    SELECT kind, version, seq, ${instant('at')}, by, document
      FROM moved, json_to_recordset($6::json) AS r (kind text, version integer, seq bigint, at float8, by text, document json)
    ON CONFLICT DO NOTHING),
  entries AS (
    INSERT INTO iwd.tenant_history (seq, at, type, by, origin, details)
    SELECT seq, ${instant('at')}, type, by, "from", details
      FROM moved, json_to_recordset($7::json) AS r (seq bigint, at float8, type text, by text, "from" text, details jsonb)
    ON CONFLICT DO NOTHING)`;

/** Takes the rows of deleted items away, and what was written into their history; for the rare projection with some. */
const deletePart = (parameter: string) => `,
  deleted AS (
    DELETE FROM iwd.work_item WHERE id = ANY (${parameter}::uuid[]) AND EXISTS (SELECT FROM moved)),
  unwritten AS (
    UPDATE iwd.work_item_history SET details = details - ARRAY[${writtenDetails.map((name) => `'${name}'`).join(', ')}]
     WHERE item_id = ANY (${parameter}::uuid[]) AND EXISTS (SELECT FROM moved))`;

/** What has become of saved filters; rare as well. */
const filtersPart = (parameter: string) => `,
  filters AS (
    INSERT INTO iwd.saved_filter (id, seq, document)
    SELECT id, seq, document FROM moved, json_to_recordset(${parameter}::json) AS r (id text, seq bigint, document json)
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, document = excluded.document)`;

/** Categories at and below the path $1: one index probe each, however many items there are. */
const categoriesBelow = `
  WITH RECURSIVE path (category) AS (
    SELECT $1::text COLLATE "C"
    UNION ALL
    SELECT (SELECT w.category FROM iwd.work_item w
             WHERE w.category > CASE WHEN path.category = $1 THEN $1 || '/' ELSE path.category END COLLATE "C"
               AND w.category < ($1 || '0') COLLATE "C"
             ORDER BY w.category LIMIT 1)
      FROM path WHERE path.category IS NOT NULL)`;

const listByStatus = `
  SELECT ${columnNames} FROM iwd.work_item WHERE id IN (
    SELECT head.id FROM unnest($1::text[]) AS s (status), LATERAL (
      SELECT w.id, w.seq FROM iwd.work_item w
       WHERE w.status = s.status AND w.seq < $2 ORDER BY w.seq DESC LIMIT $3) AS head
     ORDER BY head.seq DESC LIMIT $3)
   ORDER BY seq DESC`;

const listByCategory = `${categoriesBelow}
  SELECT ${columnNames} FROM iwd.work_item WHERE id IN (
    SELECT head.id FROM path, LATERAL (
      SELECT w.id, w.seq FROM iwd.work_item w
       WHERE w.category = path.category AND w.seq < $2 AND w.status = ANY ($4) ORDER BY w.seq DESC LIMIT $3) AS head
     ORDER BY head.seq DESC LIMIT $3)
   ORDER BY seq DESC`;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The follower's tables. Writes on a connection of their own, reads over the shared sessions, scans on one opened for each. */
export class PostgresProjectionStore implements ProjectionStore {
  readonly #writer: Connection;
  readonly #reader: Reader;
  readonly #searches: Searches;

  constructor(writer: Connection, reader: Reader) {
    this.#writer = writer;
    this.#reader = reader;
    this.#searches = new Searches(reader);
  }

  async cursor(): Promise<number> {
    const text = "SELECT seq FROM iwd.follower_cursor WHERE name = 'work_item'";
    const [row] = await this.#reader.query<{ seq: number }>('cursor', text, []);
    return row?.seq ?? 0;
  }

  async project(projection: Projection): Promise<boolean> {
    const { fromSeq, toSeq, items, deleted, history, keys, settings, filters, entries } = projection;
    const values: unknown[] = [
      fromSeq,
      toSeq,
      `[${items.map(toJson).join(',')}]`,
      JSON.stringify(history),
      JSON.stringify(keys),
      JSON.stringify(settings),
      JSON.stringify(entries),
    ];
    const query = projectQuery(values, deleted, filters);
    const { rowCount } = await this.#writer.run((client) => client.query(query));
    return rowCount === 1;
  }

  async load(ids: readonly string[]): Promise<WorkItem[]> {
    const text = `SELECT ${columnNames} FROM iwd.work_item WHERE id = ANY ($1::uuid[])`;
    return this.#items('load', text, [ids.filter((id) => uuidPattern.test(id))]);
  }

  async loadByCapture(captureIds: readonly string[]): Promise<WorkItem[]> {
    const text = `SELECT ${columnNames} FROM iwd.work_item WHERE capture_id = ANY ($1::text[])`;
    return this.#items('load-by-capture', text, [captureIds]);
  }

  async findKeys(keys: readonly string[]): Promise<KeyRecord[]> {
    const text = `SELECT key, fingerprint, status, item_id AS "itemId", at FROM iwd.idempotency_key
                   WHERE key = ANY ($1::text[])`;
    return this.#reader.query<KeyRecord & { [column: string]: unknown }>('find-keys', text, [keys]);
  }

  async list(query: ItemQuery): Promise<WorkItem[]> {
    const wanted = [...new Set<Status>(query.statuses ?? statuses)];
    const before = query.beforeSeq ?? Number.MAX_SAFE_INTEGER;
    // Not prepared: a plan that does not know the limit takes it for a tenth of the table and reads all of it.
    return query.category === undefined
      ? this.#items(undefined, listByStatus, [wanted, before, query.limit])
      : this.#items(undefined, listByCategory, [query.category, before, query.limit, wanted]);
  }

  search(search: ItemSearch, countMax: number): Promise<{ items: WorkItem[]; count: number }> {
    return this.#searches.run(async (client) => {
      // Not prepared, so that each is planned for its own values.
      const page = await client.query<WorkItemRow>(pageStatement(search));
      const items = page.rows.map(fromRow);
      if (countMax === 0) return { items, count: 0 };
      const total = await client.query<{ count: number }>(countStatement(search, countMax));
      return { items, count: total.rows[0]!.count };
    });
  }

  matchingIds(filter: Filter, now: Instant, limit: number): Promise<string[]> {
    return this.#searches.run(async (client) => {
      const { rows } = await client.query<{ id: string }>(idsStatement(filter, now, limit));
      return rows.map(({ id }) => id);
    });
  }

  async history(itemId: string, afterSeq: number, limit: number): Promise<HistoryEntry[]> {
    if (!uuidPattern.test(itemId)) return [];
    const text = `SELECT item_id, seq, at, type, by, origin, version, status, details FROM iwd.work_item_history
                   WHERE item_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`;
    const rows = await this.#reader.query<HistoryRow>('history', text, [itemId, afterSeq, limit]);
    return rows.map(({ item_id, by, origin, details, ...rest }) => ({
      itemId: item_id,
      ...rest,
      ...(by !== null && { by }),
      ...(origin !== null && { from: origin }),
      details: JSON.parse(details) as Record<string, unknown>,
    }));
  }

  async audit(query: AuditQuery): Promise<AuditPage> {
    if (query.itemId !== undefined && !uuidPattern.test(query.itemId)) return { lines: [] };
    const { text, values } = tenantAuditQuery(query);
    return auditPage(await this.#reader.query<AuditRow>(undefined, text, values), query.limit);
  }

  async settings(kind: SettingsRecord['kind'], version?: number): Promise<SettingsRecord | undefined> {
    const text = `SELECT kind, seq, version, at, by, document FROM iwd.settings
                   WHERE kind = $1 AND ($2::integer IS NULL OR version = $2) ORDER BY version DESC LIMIT 1`;
    const [row] = await this.#reader.query<SettingsRow>('settings', text, [kind, version ?? null]);
    if (!row) return undefined;
    const { by, document, ...rest } = row;
    return { ...rest, ...(by !== null && { by }), document: JSON.parse(document) } as SettingsRecord;
  }

  async settingsVersions(
    kind: SettingsRecord['kind'],
    beforeVersion: number,
    limit: number,
  ): Promise<SettingsVersion[]> {
    // Compared as bigint: a caller's bound may lie above what the column holds.
    const text = `SELECT version, at, by FROM iwd.settings
                   WHERE kind = $1 AND version < $2::bigint ORDER BY version DESC LIMIT $3`;
    const values = [kind, beforeVersion, limit];
    const rows = await this.#reader.query<{ version: number; at: Instant; by: string | null }>(
      'settings-versions',
      text,
      values,
    );
    return rows.map(({ version, at, by }) => ({ version, at, ...(by !== null && { by }) }));
  }

  async filters(): Promise<FilterChange[]> {
    const text = 'SELECT id, document FROM iwd.saved_filter';
    const rows = await this.#reader.query<{ id: string; document: string | null }>('filters', text, []);
    return rows.map(({ id, document }) => [id, document === null ? null : (JSON.parse(document) as FilterVersion)]);
  }

  async standingAt(ids: readonly string[], seq: number): Promise<ItemStanding[]> {
    const text = `SELECT item_id AS "itemId", version, status FROM unnest($1::uuid[]) AS wanted (id), LATERAL (
      SELECT item_id, version, status FROM iwd.work_item_history
       WHERE item_id = wanted.id AND seq <= $2 ORDER BY seq DESC LIMIT 1) AS entry`;
    return this.#reader.query<ItemStanding & { [column: string]: unknown }>('standing-at', text, [
      ids.filter((id) => uuidPattern.test(id)),
      seq,
    ]);
  }

  scanOpen(sliceItems: number, each: (slice: OpenItems) => void): Promise<void> {
    return scanOpen(this.#reader, sliceItems, each);
  }

  scanKnown(each: (slice: { captureIds: string[]; keys: string[] }) => void): Promise<void> {
    return scanKnown(this.#reader, each);
  }

  async forgetKeys(before: Instant, limit: number): Promise<number> {
    const text = `DELETE FROM iwd.idempotency_key WHERE key IN (
      SELECT key FROM iwd.idempotency_key WHERE at < ${instant('$1::float8')} ORDER BY at LIMIT $2)`;
    const { rowCount } = await this.#writer.run((client) => client.query(text, [before, limit]));
    return rowCount ?? 0;
  }

  async #items(name: string | undefined, text: string, values: unknown[]): Promise<WorkItem[]> {
    return (await this.#reader.query<WorkItemRow>(name, text, values)).map(fromRow);
  }
}

/** The parts that few projections need cost the others nothing. */
function projectQuery(values: unknown[], deleted: readonly string[], filters: readonly FilterRecord[]) {
  let [name, text] = ['project', projectStatement];
  if (deleted.length > 0) {
    name += '-deleting';
    text += deletePart(`$${values.push(deleted)}`);
  }
  if (filters.length > 0) {
    name += '-filters';
    text += filtersPart(`$${values.push(filterRows(filters))}`);
  }
  return { name, text: `${text} SELECT FROM moved`, values };
}

/** One row an id: a statement cannot write the same one twice. */
function filterRows(filters: readonly FilterRecord[]): string {
  const newest = new Map(filters.map(({ seq, change: [id, document] }) => [id, { id, seq, document }]));
  return JSON.stringify([...newest.values()]);
}

type HistoryRow = Omit<HistoryEntry, 'itemId' | 'by' | 'from' | 'details'> & {
  item_id: string;
  by: string | null;
  origin: string | null;
  details: string;
};

interface SettingsRow {
  kind: SettingsRecord['kind'];
  seq: number;
  version: number;
  at: Instant;
  by: string | null;
  document: string;
}
