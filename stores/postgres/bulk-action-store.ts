import type { BulkAction, BulkActionStore, BulkProgress } from '../../actors/ports/bulk-action-store.js';
import type { Lease } from '../../actors/ports.js';
import type { Instant } from '../../engine/work-item.js';
import type { Connection } from './connection.js';
import type { Reader } from './reader.js';

const instant = (column: string) => `timestamptz 'epoch' + ${column} * interval '1 ms'`;

const columns = `id, action, arguments, filter, by, origin AS "from", key, fingerprint, state, matched, next, done, failed,
  failures, created_at AS "createdAt", finished_at AS "finishedAt"`;

/**
 * The fence is inside the statement, as in a commit: an owner whose lease is gone starts nothing that nobody would carry
 * out. Whoever takes the lease afterwards reads what is running.
 */
const startStatement = `
  WITH fence AS (
    UPDATE iwd.tenant_lease SET hb = hb + 1 WHERE epoch = $1 AND owner_token = $2 RETURNING 1)
  INSERT INTO iwd.bulk_action
    (id, action, arguments, filter, by, origin, key, fingerprint, state, matched, created_at, ids)
  SELECT $3, $4, $5::jsonb, $6::json, $7, $8, $9, $10, 'running', $11::integer, ${instant('$12::float8')}, $13::uuid[]
    FROM fence
  ON CONFLICT DO NOTHING
  RETURNING ${columns}`;

const advanceStatement = `
  UPDATE iwd.bulk_action
     SET next = $2::integer, done = $3, failed = $4, failures = $5::jsonb, state = CASE state WHEN 'running' THEN $6 ELSE state END,
         finished_at = coalesce(finished_at, ${instant('$7::float8')}),
         ids = CASE WHEN $6 = 'running' THEN ids ELSE '{}' END
   WHERE id = $1 AND (next < $2::integer OR (state = 'running' AND next = $2::integer AND $6 <> 'running'))`;

/** JSON texts escape alike, so that a text is found as JSON writes it. */
const tellingCondition = `
  WHERE (id = ANY ($2::uuid[]) OR EXISTS (
          SELECT FROM unnest($1::text[]) AS t (text)
           WHERE position(t.text IN arguments::text) > 0 OR position(t.text IN filter::text) > 0))
    AND ($3::uuid IS NULL OR id > $3::uuid)
  ORDER BY id LIMIT $4`;

type Erased = Parameters<BulkActionStore['erase']>[0];

/** The tenant's bulk actions. Writes on the follower's connection, reads on the readers. */
export class PostgresBulkActionStore implements BulkActionStore {
  readonly #writer: Connection;
  readonly #reader: Reader;

  constructor(writer: Connection, reader: Reader) {
    this.#writer = writer;
    this.#reader = reader;
  }

  async start(lease: Lease, action: BulkAction, ids: readonly string[]): Promise<BulkAction | undefined> {
    const { id, action: name, by, from, key, fingerprint, matched, createdAt } = action;
    const filter = action.filter === undefined ? null : JSON.stringify(action.filter);
    const values = [
      ...[lease.epoch, lease.ownerToken, id, name, JSON.stringify(action.arguments), filter],
      ...[by ?? null, from ?? null, key ?? null, fingerprint, matched, createdAt],
      // The driver would quote each id by itself.
      `{${ids.join(',')}}`,
    ];
    const [row] = await this.#write(startStatement, values);
    if (row !== undefined) return row;
    return (await this.find(id)) ?? (key === undefined ? undefined : this.findByKey(key));
  }

  async find(id: string): Promise<BulkAction | undefined> {
    return (await this.#read('WHERE id = $1', [id]))[0];
  }

  async findByKey(key: string): Promise<BulkAction | undefined> {
    return (await this.#read('WHERE key = $1', [key]))[0];
  }

  list(limit: number, beforeId?: string): Promise<BulkAction[]> {
    return this.#read('WHERE $2::uuid IS NULL OR id < $2::uuid ORDER BY id DESC LIMIT $1', [limit, beforeId ?? null]);
  }

  running(): Promise<BulkAction[]> {
    return this.#read("WHERE state = 'running' ORDER BY id", []);
  }

  async ids(id: string): Promise<string[]> {
    const text = 'SELECT ids::text AS ids FROM iwd.bulk_action WHERE id = $1';
    const [row] = await this.#reader.query<{ ids: string }>(undefined, text, [id]);
    const list = row?.ids.slice(1, -1) ?? '';
    return list === '' ? [] : list.split(',');
  }

  async advance({ id, state, next, done, failed, failures, finishedAt }: BulkProgress): Promise<void> {
    const values = [id, next, done, failed, JSON.stringify(failures), state, finishedAt ?? null];
    await this.#write(advanceStatement, values);
  }

  async cancel(id: string, at: Instant): Promise<BulkAction | undefined> {
    const text = `UPDATE iwd.bulk_action SET state = 'cancelled', finished_at = ${instant('$2::float8')}, ids = '{}'
                   WHERE id = $1 AND state = 'running' RETURNING ${columns}`;
    const [row] = await this.#write(text, [id, at]);
    return row ?? this.find(id);
  }

  telling(texts: readonly string[], ids: readonly string[], limit: number, afterId?: string): Promise<BulkAction[]> {
    const inJson = texts.map((text) => JSON.stringify(text).slice(1, -1));
    return this.#read(tellingCondition, [inJson, ids, afterId ?? null, limit]);
  }

  async erase({ id, arguments: given, filter, fingerprint }: Erased): Promise<void> {
    const text = `UPDATE iwd.bulk_action SET arguments = $2::jsonb, filter = $3::json, fingerprint = $4, key = NULL
                   WHERE id = $1`;
    const question = filter === undefined ? null : JSON.stringify(filter);
    await this.#write(text, [id, JSON.stringify(given), question, fingerprint]);
  }

  async forget(before: Instant, limit: number): Promise<void> {
    const text = `DELETE FROM iwd.bulk_action WHERE id IN (
      SELECT id FROM iwd.bulk_action WHERE finished_at < ${instant('$1::float8')} ORDER BY id LIMIT $2)`;
    await this.#write(text, [before, limit]);
  }

  async #read(where: string, values: unknown[]): Promise<BulkAction[]> {
    const rows = await this.#reader.query<Row>(undefined, `SELECT ${columns} FROM iwd.bulk_action ${where}`, values);
    return rows.map(fromRow);
  }

  async #write(text: string, values: unknown[]): Promise<BulkAction[]> {
    const { rows } = await this.#writer.run((client) => client.query<Row>(text, values));
    return rows.map(fromRow);
  }
}

type Row = { [K in keyof BulkAction]-?: BulkAction[K] | null } & {
  arguments: string;
  filter: string | null;
  failures: string;
};

/** The row as the session's type parsers give it: json as text, what is absent as null. */
function fromRow(row: Row): BulkAction {
  const given = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
  return {
    ...(given as unknown as BulkAction),
    arguments: JSON.parse(row.arguments) as BulkAction['arguments'],
    ...(row.filter !== null && { filter: JSON.parse(row.filter) as unknown }),
    failures: JSON.parse(row.failures) as BulkAction['failures'],
  };
}
