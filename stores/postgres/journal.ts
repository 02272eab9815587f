import pg from 'pg';
import type { CommitOutcome, Journal, JournalRow, Lease } from '../../actors/ports.js';
import type { Event } from '../../engine/event.js';
import { packEvents, unpackEvents } from '../event-batch.js';
import { digestOf } from '../journal-chain.js';
import { type Connection, NotSent, queryDurably, UnfitServer } from './connection.js';
import { endBlocker, lockNotAvailable } from './lease-store.js';
import type { Reader } from './reader.js';

/**
 * Fence, journal head, heartbeat, the chain's next link and the row in ONE autocommit statement: a frozen client can
 * block nobody. The link is made here, from the lease's, and not by the owner: whatever became of a commit whose outcome
 * is unknown, the next link follows the last one that is durable (`journal-chain.ts` says what it covers).
 */
const commitStatement = `
  WITH fence AS (
    UPDATE iwd.tenant_lease SET last_seq = last_seq + $5::integer, hb = hb + 1,
           link = sha256(link || int8send($4::bigint + 1) || int8send(epoch) || int4send($5::integer)
                         || timestamptz_send(now()) || $7::bytea)
     WHERE tenant_id = $1 AND epoch = $2 AND owner_token = $3 AND last_seq = $4
    RETURNING epoch, link)
  INSERT INTO iwd.journal (seq, epoch, event_count, at, events, digest, link)
  SELECT $4::bigint + 1, epoch, $5::integer, now(), $6::bytea, $7::bytea, link FROM fence RETURNING seq`;

const readStatement = `
  SELECT seq, epoch, events FROM iwd.journal
   WHERE seq >= (SELECT coalesce(max(seq), 0) FROM iwd.journal WHERE seq <= $1::bigint + 1)
     AND seq + event_count - 1 > $1
   ORDER BY seq LIMIT $2`;

/** The tenant's journal. Commits go over the connection that the lease uses, reads over the readers. */
export class PostgresJournal implements Journal {
  readonly #connection: Connection;
  readonly #reader: Reader;
  readonly #tenantId: string;

  constructor(connection: Connection, reader: Reader, tenantId: string) {
    this.#connection = connection;
    this.#reader = reader;
    this.#tenantId = tenantId;
  }

  async commit(lease: Lease, events: readonly Event[]): Promise<CommitOutcome> {
    let bytes: Buffer;
    try {
      if (events.length === 0) throw new Error('a batch holds at least one event');
      bytes = packEvents(events);
    } catch (error) {
      return { kind: 'refused', transient: false, sqlState: '22000', detail: String(error) };
    }
    try {
      return await this.#connection.run((client) => this.#commitOn(client, lease, events.length, bytes));
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome.kind === 'unknown') this.#connection.discard();
      // The next attempt must not wait again for somebody who has left a transaction open.
      else if (outcome.kind === 'refused' && outcome.sqlState === lockNotAvailable) {
        await endBlocker(this.#connection, this.#tenantId).catch(() => {});
      }
      return outcome;
    }
  }

  async read(afterSeq: number, rowsMax: number): Promise<JournalRow[]> {
    const rows = await this.#reader.query<{ seq: number; epoch: number; events: Buffer }>(
      'journal-read',
      readStatement,
      [afterSeq, rowsMax],
    );
    return rows.map((row) => ({ seq: row.seq, epoch: row.epoch, events: unpackEvents(row.events) }));
  }

  async #commitOn(client: pg.Client, lease: Lease, count: number, bytes: Buffer): Promise<CommitOutcome> {
    const { rowCount } = await queryDurably(client, {
      name: 'journal-commit',
      text: commitStatement,
      values: [this.#tenantId, lease.epoch, lease.ownerToken, lease.lastSeq, count, bytes, digestOf(bytes)],
    });
    return rowCount === 1 ? { kind: 'committed' } : await this.#lookAgain(client, lease, count);
  }

  /** The fence did not match: either somebody else owns the tenant, or this very batch is in already. */
  async #lookAgain(client: pg.Client, lease: Lease, count: number): Promise<CommitOutcome> {
    const { rowCount } = await client.query(
      'SELECT FROM iwd.tenant_lease WHERE tenant_id = $1 AND epoch = $2 AND owner_token = $3 AND last_seq >= $4',
      [this.#tenantId, lease.epoch, lease.ownerToken, lease.lastSeq + count],
    );
    return { kind: rowCount === 1 ? 'committed' : 'lost' };
  }
}

/** Serialization, deadlock, lock and statement time-outs, full disk, too many connections: rolled back, may come again. */
const transientStates = ['40001', '40P01', '55P03', '57014', '53100', '53200', '53300'];

/** What an error of the commit says about the batch; everything that is not clearly "not committed" is unknown. */
export function outcomeOf(error: unknown): CommitOutcome {
  if (error instanceof NotSent) return notSent(error);
  if (!(error instanceof pg.DatabaseError) || error.severity === 'FATAL' || error.severity === 'PANIC') {
    return { kind: 'unknown', cause: String(error) };
  }
  const sqlState = error.code ?? '';
  if (sqlState === '25006') return { kind: 'lost' };
  const transient = transientStates.includes(sqlState);
  if (transient || /^2[23]/.test(sqlState)) {
    return { kind: 'refused', transient, sqlState, detail: error.message };
  }
  return { kind: 'unknown', cause: `${sqlState} ${error.message}` };
}

function notSent(error: NotSent): CommitOutcome {
  const cause = error.cause;
  if (cause instanceof UnfitServer && cause.standby) return { kind: 'lost' };
  const detail = cause === undefined ? error.message : `${error.message}: ${String(cause)}`;
  return { kind: 'refused', transient: true, sqlState: '08001', detail };
}
