import { type AuditLine, type AuditPage, type AuditQuery, auditLinesExamined } from '../../engine/audit-log.js';

const time = (parameter: string) => `(timestamptz 'epoch' + ${parameter}::float8 * interval '1 ms')`;
/** Conditions on time and place, on $1 to $4; the newest first. */
const inTime = `at >= ${time('$1')} AND at < ${time('$2')} AND (at, seq) < (${time('$3')}, $4::bigint)`;
const newest = `ORDER BY at DESC, seq DESC LIMIT $5::integer`;

/**
 * Of the lines in time the newest `auditLinesExamined` are looked at, then those that match are taken: however rare a
 * match is, one search costs no more. The last line that was looked at comes with them, when there may be more behind it.
 */
const search = (examined: string) => `
  WITH examined AS MATERIALIZED (${examined}),
  hits AS (
    SELECT * FROM examined
     WHERE ($6::text IS NULL OR by = $6) AND ($7::text IS NULL OR origin = $7) AND ($8::text IS NULL OR type = $8)
     ORDER BY at DESC, seq DESC LIMIT $9::integer + 1)
  SELECT true AS hit, * FROM hits
  UNION ALL
  (SELECT false, * FROM examined WHERE (SELECT count(*) FROM examined) = $5::integer ORDER BY at, seq LIMIT 1)`;

const columns = 'seq, at, type, by, origin';

const tenantSearch = search(`
  SELECT * FROM (
    (SELECT ${columns}, item_id::text AS item_id, NULL AS tenant_id, details::text AS details
       FROM iwd.work_item_history WHERE ${inTime} ${newest})
    UNION ALL
    (SELECT ${columns}, NULL, NULL, details::text FROM iwd.tenant_history WHERE ${inTime} ${newest})) AS both_logs
  ${newest}`);

/** One item's lines are few, and its own index finds them; adding nothing keeps the planner from walking all lines by time. */
const itemSearch = search(`
  SELECT ${columns}, item_id::text AS item_id, NULL AS tenant_id, details::text AS details
    FROM iwd.work_item_history
   WHERE item_id = $10::uuid AND ${inTime} ORDER BY at + interval '0' DESC, seq DESC LIMIT $5::integer`);

export const clusterSearch = search(`
  SELECT ${columns}, NULL AS item_id, tenant_id, coalesce(entry ->> 'details', '{}') AS details
    FROM iwd_cluster.audit WHERE ${inTime} ${newest}`);

export interface AuditRow {
  [column: string]: unknown;
  hit: boolean;
  seq: number;
  at: number;
  type: string;
  by: string | null;
  origin: string | null;
  item_id: string | null;
  tenant_id: string | null;
  details: string;
}

/** Milliseconds that no line is older or younger than. */
const farAway = 8_000_000_000_000;

/** The statement of a tenant's search with its values. */
export function tenantAuditQuery(query: AuditQuery): { text: string; values: unknown[] } {
  const values = auditValues(query);
  return query.itemId === undefined
    ? { text: tenantSearch, values }
    : { text: itemSearch, values: [...values, query.itemId] };
}

export function auditValues({ since, until, before, by, from, type, limit }: AuditQuery): unknown[] {
  const place = before ?? { at: farAway, seq: Number.MAX_SAFE_INTEGER };
  return [since ?? 0, until ?? farAway, place.at, place.seq, auditLinesExamined, by, from, type, limit].map(
    (value) => value ?? null,
  );
}

export function auditPage(rows: readonly AuditRow[], limit: number): AuditPage {
  const hits = rows.filter(({ hit }) => hit).map(lineOf);
  const lines = hits.slice(0, limit);
  const last = hits.length > limit ? lines.at(-1) : rows.find(({ hit }) => !hit);
  return last === undefined ? { lines } : { lines, next: { at: last.at, seq: last.seq } };
}

function lineOf({ seq, at, type, by, origin, item_id, tenant_id, details }: AuditRow): AuditLine {
  return {
    seq,
    at,
    type,
    ...(by !== null && { by }),
    ...(origin !== null && { from: origin }),
    ...(item_id !== null && { itemId: item_id }),
    ...(tenant_id !== null && { tenantId: tenant_id }),
    details: JSON.parse(details) as Record<string, unknown>,
  };
}
