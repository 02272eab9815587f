import { isDeepStrictEqual } from 'node:util';
import type { WorkItem } from '../../engine/work-item.js';
import { query } from '../../stores/conformance/test-database.js';
import { columnNames, fromRow, type WorkItemRow } from '../../stores/postgres/work-item-row.js';
import type { JournalFold } from './journal-fold.js';
import type { Violations } from './violation.js';

/** What is in the database beside the journal; it must be at rest. */
export interface Tables {
  lastSeq: number;
  leaseEpoch: number;
  /** The follower's place in the journal. */
  cursor: number;
  items: Map<string, WorkItem>;
  history: { seq: number; itemId: string; type: string; version: number; status: string }[];
  keys: Map<string, string | null>;
}

export async function readTables(databaseUrl: string): Promise<Tables> {
  const [lease] = await query(databaseUrl, 'SELECT epoch, last_seq FROM iwd.tenant_lease');
  const [cursor] = await query(databaseUrl, "SELECT seq FROM iwd.follower_cursor WHERE name = 'work_item'");
  const items = (await query(databaseUrl, `SELECT ${columnNames} FROM iwd.work_item`)) as WorkItemRow[];
  const history = await query(
    databaseUrl,
    'SELECT seq, item_id AS "itemId", type, version, status FROM iwd.work_item_history ORDER BY seq',
  );
  const keys = await query(databaseUrl, 'SELECT key, item_id FROM iwd.idempotency_key');
  return {
    lastSeq: lease!.last_seq as number,
    leaseEpoch: lease!.epoch as number,
    cursor: cursor!.seq as number,
    items: new Map(items.map((row) => [row.id as string, fromRow(row)])),
    history: history as Tables['history'],
    keys: new Map(keys.map(({ key, item_id }) => [key as string, item_id as string | null])),
  };
}

/** The lease knows the journal's end, and an epoch that is not older. */
export function checkLease({ lastSeq, leaseEpoch }: Tables, fold: JournalFold, violations: Violations): void {
  if (lastSeq !== fold.lastSeq) violations.add('gap', `the lease ends at ${lastSeq}, the journal at ${fold.lastSeq}`);
  if (leaseEpoch < fold.lastEpoch)
    violations.add('epoch', `the lease has ${leaseEpoch}, the journal ${fold.lastEpoch}`);
}

/**
 * Compares items, history and keys with what the journal says they must be.
 * @param fold of the journal up to the follower's cursor: timers may have gone on when the follower had stopped.
 */
export function checkTables(tables: Tables, fold: JournalFold, violations: Violations): void {
  const note = (detail: string) => violations.add('table', detail);
  checkItems(tables.items, fold, note);
  checkHistory(tables.history, fold, note);
  for (const [key, { itemId }] of fold.keys) {
    if (tables.keys.get(key) !== itemId) note(`key ${key}: ${tables.keys.get(key)} instead of ${itemId}`);
  }
  for (const key of tables.keys.keys()) if (!fold.keys.has(key)) note(`key ${key} is not in the journal`);
}

function checkItems(items: Tables['items'], fold: JournalFold, note: (detail: string) => void): void {
  for (const [id, { item }] of fold.items) {
    const row = items.get(id);
    if (row === undefined) note(`item ${id} has no row`);
    else if (!isDeepStrictEqual(comparable(row), comparable(item))) {
      note(`item ${id}: ${JSON.stringify(row)} instead of ${JSON.stringify(item)}`);
    }
  }
  for (const id of items.keys()) if (!fold.items.has(id)) note(`item ${id} is not in the journal`);
}

/** The database keeps attributes as `jsonb`, which has its own order of keys and spaces. */
function comparable(item: WorkItem): object {
  const given = Object.entries(item).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), attributes: JSON.parse(item.attributes) as unknown };
}

function checkHistory(history: Tables['history'], fold: JournalFold, note: (detail: string) => void): void {
  if (history.length !== fold.events.length) {
    note(`the history has ${history.length} entries, the journal ${fold.events.length} events of items`);
  }
  const bySeq = new Map(history.map((entry) => [entry.seq, entry]));
  for (const event of fold.events) {
    const entry = bySeq.get(event.seq);
    if (!isDeepStrictEqual(entry, event)) note(`history ${event.seq}: ${JSON.stringify(entry)}`);
  }
}
