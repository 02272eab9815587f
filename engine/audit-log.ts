import { formatInstant } from './instant.js';
import { fault, type Rejection } from './rejection.js';
import type { Instant } from './work-item.js';

/** What is searched for; what is left out does not narrow the search. */
export interface AuditQuery {
  by?: string;
  from?: string;
  type?: string;
  /** Of a tenant's log only. */
  itemId?: string;
  since?: Instant;
  /** Before this instant. */
  until?: Instant;
  limit: number;
  /** Where the page before ended. */
  before?: AuditPlace;
}

/** A place in a log: lines go from the newest to the oldest. */
export interface AuditPlace {
  at: Instant;
  seq: number;
}

/** Who did what to which item, setting or tenant, and from where. */
export interface AuditLine extends AuditPlace {
  type: string;
  by?: string;
  from?: string;
  itemId?: string;
  tenantId?: string;
  details: Record<string, unknown>;
}

export interface AuditPage {
  lines: AuditLine[];
  /**
   * Where the next page begins; undefined when there is no more. A search looks at a bounded number of lines at a time,
   * so a page may have fewer lines than asked for, or none, and go on.
   */
  next?: AuditPlace;
}

/** Lines that one search looks at. */
export const auditLinesExamined = 20_000;

/** The page as clients get it. */
export function auditPageJson({ lines, next }: AuditPage, isStale = false): string {
  const items = lines.map(({ seq, at, type, by, from, itemId, tenantId, details }) => ({
    seq,
    at: formatInstant(at),
    type,
    by: by ?? null,
    from: from ?? null,
    ...(itemId !== undefined && { itemId }),
    ...(tenantId !== undefined && { tenantId }),
    details: withTimes(details),
  }));
  const cursor = next === undefined ? null : Buffer.from(`${next.at}.${next.seq}`).toString('base64url');
  return JSON.stringify({ items, next: cursor, ...(isStale && { stale: true }) });
}

/** The place that an earlier page's `next` means. */
export function readAuditCursor(cursor: string | undefined): AuditPlace | undefined | Rejection {
  if (cursor === undefined) return undefined;
  const match = /^(-?\d{1,16})\.(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) return fault('?cursor', 'invalid-cursor', 'expected the `next` of an earlier answer');
  return { at: Number(match[1]), seq: Number(match[2]) };
}

/** Times inside details are milliseconds; people read ISO 8601. */
export function withTimes(details: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(details).map(([name, value]) =>
    name.endsWith('DateTime') && typeof value === 'number' ? [name, formatInstant(value)] : [name, value],
  );
  return Object.fromEntries(entries);
}
