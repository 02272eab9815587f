import { createHmac } from 'node:crypto';
import type { LedgerEntry, PersonalStore, StoredRow } from '../../actors/ports/personal-store.js';
import type { Event } from '../../engine/event.js';
import { erased } from '../../engine/personal.js';
import { needlesOf, packEvents, unpackEvents } from '../event-batch.js';
import { digestOf } from '../journal-chain.js';
import type { Connection } from './connection.js';
import type { Reader } from './reader.js';

/** Rows of the journal that one statement searches. */
const rowsSearched = 500;

const stored = 'seq, events, sha256(events) AS digest, link IS NOT NULL AS linked';

/** The journal's strings are UTF-8 in its bytes; inside attributes, which are JSON text, as JSON writes them. */
const searchStatement = `
  WITH searched AS MATERIALIZED (
    SELECT seq, events, link FROM iwd.journal
     WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT ${rowsSearched})
  SELECT ${stored}, (SELECT max(seq) FROM searched) AS last, (SELECT count(*) FROM searched) AS searched
    FROM (SELECT 1) AS always LEFT JOIN (
      SELECT * FROM searched WHERE position($3::bytea IN events) > 0 OR position($4::bytea IN events) > 0
       ORDER BY seq LIMIT $5) AS hit ON true
   ORDER BY seq`;

/** An event's row is the last one that begins at or before it. */
const rowsStatement = `
  SELECT ${stored} FROM iwd.journal WHERE seq IN (
    SELECT DISTINCT row.seq FROM iwd.work_item_history h, LATERAL (
      SELECT j.seq FROM iwd.journal j WHERE j.seq <= h.seq ORDER BY j.seq DESC LIMIT 1) AS row
     WHERE h.item_id = ANY ($1::uuid[]) AND row.seq > $2 ORDER BY row.seq LIMIT $3)
   ORDER BY seq`;

/** Rows in which filters were saved or removed. */
const filterRowsPart = `
  filter_row AS MATERIALIZED (
    SELECT seq, events, link FROM iwd.journal WHERE seq > $1 AND seq IN (
      SELECT row.seq FROM iwd.tenant_history h, LATERAL (
        SELECT j.seq FROM iwd.journal j WHERE j.seq <= h.seq ORDER BY j.seq DESC LIMIT 1) AS row
       WHERE h.type IN ('filterSaved', 'filterRemoved')))`;

const filterRowsStatement = `
  WITH ${filterRowsPart}
  SELECT ${stored} FROM filter_row
   WHERE EXISTS (SELECT FROM unnest($2::bytea[]) AS n (bytes) WHERE position(n.bytes IN events) > 0)
   ORDER BY seq LIMIT $3`;

/** $2: the texts as JSON writes them; $3 and $4: what to look for in bytes, and for which of the texts. */
const mentionedStatement = `
  WITH ${filterRowsPart}
  SELECT t.number::integer AS number FROM unnest($2::text[]) WITH ORDINALITY AS t (text, number)
   WHERE EXISTS (SELECT FROM iwd.bulk_action b
                  WHERE position(t.text IN b.arguments::text) > 0 OR position(t.text IN b.filter::text) > 0)
      OR EXISTS (SELECT FROM filter_row, unnest($3::bytea[], $4::integer[]) AS n (bytes, number)
                  WHERE n.number = t.number AND position(n.bytes IN events) > 0)`;

const scrubFiltersStatement = `
  WITH gone AS (DELETE FROM iwd.saved_filter WHERE document IS NULL AND id = ANY ($2::text[]))
  UPDATE iwd.tenant_history AS h SET details = h.details || r.details
    FROM json_to_recordset($1::json) AS r (seq bigint, details jsonb) WHERE h.seq = r.seq`;

/** The journal's trigger lets nobody change a row who does not say that it is an erasure. */
const rewriteStatement = `
  WITH erasing AS (SELECT set_config('iwd.erasing', 'on', true))
  UPDATE iwd.journal SET events = $2 FROM erasing WHERE seq = $1 AND sha256(events) = $3`;

const scrubStatement = `
  WITH history AS (
    UPDATE iwd.work_item_history
       SET details = jsonb_set(details || coalesce((
                         SELECT jsonb_object_agg(name, '${erased}') FROM jsonb_object_keys(details) AS name
                          WHERE name = ANY ($2::text[])), '{}'), '{override,reason}', '"${erased}"', false)
     WHERE item_id = ANY ($1::uuid[])
       AND (details #>> '{override,reason}' <> '${erased}' OR EXISTS (
              SELECT FROM jsonb_each_text(details) AS d WHERE d.key = ANY ($2::text[]) AND d.value <> '${erased}'))
    RETURNING 1),
  keys AS (DELETE FROM iwd.idempotency_key WHERE item_id = ANY ($1::uuid[]) RETURNING 1)
  SELECT (SELECT count(*) FROM history) AS history, (SELECT count(*) FROM keys) AS keys`;

const ledgerColumns = `id, encode(subject, 'hex') AS subject, keys, paths`;

interface Row {
  [column: string]: unknown;
  seq: number;
  events: Buffer;
  digest: Buffer;
  linked: boolean;
}

export interface PersonalStoreContext {
  tenantId: string;
  writer: Connection;
  reader: Reader;
  /** Of the database with the ledger; undefined for tools that erase nothing. */
  registry: Reader | undefined;
}

export class PostgresPersonalStore implements PersonalStore {
  readonly #c: PersonalStoreContext;

  constructor(context: PersonalStoreContext) {
    this.#c = context;
  }

  async hasher(): Promise<(subject: string) => string> {
    const [row] = await this.#c.reader.query<{ pepper: Buffer }>(
      undefined,
      'SELECT pepper FROM iwd.subject_pepper',
      [],
    );
    if (row === undefined) throw new Error('the tenant’s database has no pepper');
    return (subject) => createHmac('sha256', row.pepper).update(subject).digest('hex');
  }

  async rowsWith(text: string, fromSeq: number, untilSeq: number, rowsMax: number) {
    const inJson = JSON.stringify(text).slice(1, -1);
    const values = [fromSeq, untilSeq, Buffer.from(text), Buffer.from(inJson), rowsMax];
    const found = await this.#c.reader.query<Row & { seq: number | null; last: number | null; searched: number }>(
      undefined,
      searchStatement,
      values,
    );
    const rows = found.filter(({ seq }) => seq !== null).map(storedRow);
    const { last, searched } = found[0]!;
    if (rows.length === rowsMax) return { rows, next: rows[rows.length - 1]!.seq + 1 };
    return { rows, next: searched < rowsSearched || last === null ? undefined : last + 1 };
  }

  async rowsOf(itemIds: readonly string[], afterSeq: number, rowsMax: number): Promise<StoredRow[]> {
    const rows = await this.#c.reader.query<Row>(undefined, rowsStatement, [itemIds, afterSeq, rowsMax]);
    return rows.map(storedRow);
  }

  async mentioned(texts: readonly string[]): Promise<string[]> {
    const needles = texts.flatMap((text, index) => needlesOf(text).map((bytes) => ({ bytes, number: index + 1 })));
    const found = await this.#c.reader.query<{ number: number }>(undefined, mentionedStatement, [
      0,
      texts.map((text) => JSON.stringify(text).slice(1, -1)),
      needles.map(({ bytes }) => bytes),
      needles.map(({ number }) => number),
    ]);
    return found.map(({ number }) => texts[number - 1]!);
  }

  async filterRows(texts: readonly string[], afterSeq: number, rowsMax: number): Promise<StoredRow[]> {
    const values = [afterSeq, texts.flatMap(needlesOf), rowsMax];
    return (await this.#c.reader.query<Row>(undefined, filterRowsStatement, values)).map(storedRow);
  }

  async scrubFilters(
    entries: readonly { seq: number; details: Record<string, unknown> }[],
    removed: readonly string[],
  ): Promise<void> {
    if (entries.length + removed.length === 0) return;
    const values = [JSON.stringify(entries), removed];
    await this.#c.writer.run((client) => client.query(scrubFiltersStatement, values));
  }

  packed(events: readonly Event[]): { bytes: Uint8Array; digest: Uint8Array } {
    const bytes = packEvents(events);
    return { bytes, digest: digestOf(bytes) };
  }

  async rewrite({ seq, digest }: StoredRow, bytes: Uint8Array): Promise<boolean> {
    const values = [seq, bytes, digest];
    const { rowCount } = await this.#c.writer.run((client) => client.query(rewriteStatement, values));
    return rowCount === 1;
  }

  async scrub(itemIds: readonly string[], fields: readonly string[]): Promise<{ history: number; keys: number }> {
    const values = [itemIds, fields];
    const { rows } = await this.#c.writer.run((client) =>
      client.query<{ history: number; keys: number }>(scrubStatement, values),
    );
    return rows[0]!;
  }

  async addToLedger({ id, subject, keys, paths }: LedgerEntry): Promise<string> {
    const { registry, tenantId } = this.#c;
    if (registry === undefined) throw new Error('there is no ledger of erasures here');
    const [open] = await this.#openEntries(registry, subject);
    if (open !== undefined) return open.id;
    // Sent again when its session breaks: the id makes it one entry.
    await registry.query(
      undefined,
      `INSERT INTO iwd_cluster.erasure (id, tenant_id, subject, keys, paths)
       VALUES ($1, $2, decode($3, 'hex'), $4, $5) ON CONFLICT DO NOTHING`,
      [id, tenantId, subject, keys, paths],
    );
    return id;
  }

  async notErased(): Promise<LedgerEntry[]> {
    const { registry } = this.#c;
    return registry === undefined ? [] : this.#openEntries(registry, null);
  }

  /** Entries of one person, or of all, that the tenant's journal does not know as done. */
  async #openEntries(registry: Reader, subject: string | null): Promise<LedgerEntry[]> {
    const ledger = await registry.query<LedgerEntry & Record<string, unknown>>(
      undefined,
      `SELECT ${ledgerColumns} FROM iwd_cluster.erasure
        WHERE tenant_id = $1 AND ($2::text IS NULL OR subject = decode($2, 'hex')) ORDER BY at`,
      [this.#c.tenantId, subject],
    );
    if (ledger.length === 0) return [];
    const done = await this.#c.reader.query<{ id: string }>(
      undefined,
      `SELECT details ->> 'erasure' AS id FROM iwd.tenant_history
        WHERE type = 'subjectErased' AND details ->> 'erasure' = ANY ($1::text[])`,
      [ledger.map(({ id }) => id)],
    );
    const ids = new Set(done.map((row) => row.id));
    return ledger.filter(({ id }) => !ids.has(id));
  }
}

function storedRow({ seq, events, digest, linked }: Row): StoredRow {
  return { seq, events: unpackEvents(events), digest, isLinked: linked };
}
