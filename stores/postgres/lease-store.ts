import pg from 'pg';
import type { Lease, LeaseStore, LeaseView, Owner } from '../../actors/ports.js';
import { type Connection, queryDurably } from './connection.js';

export const lockNotAvailable = '55P03';

/** Ends whoever holds the lease row in an unfinished transaction: the row's xmax is that transaction's number. */
const terminateBlocker = `
  SELECT pg_terminate_backend(l.pid) FROM iwd.tenant_lease t
    JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = t.xmax
   WHERE t.tenant_id = $1 AND l.pid <> pg_backend_pid()`;

/** Nobody but an owner has any business with the row, and an owner never leaves a transaction open. */
export async function endBlocker(connection: Connection, tenantId: string): Promise<void> {
  await connection.run((client) => client.query(terminateBlocker, [tenantId]));
}

interface LeaseRow {
  epoch: number;
  heartbeat: number;
  last_seq: number;
  released: boolean;
  owner_pod: string | null;
}

/**
 * The lease row of one tenant, changed only by compare-and-set, one statement each. It shares the journal's connection:
 * what goes out here is ordered after the commit that was sent before it.
 */
export class PostgresLeaseStore implements LeaseStore {
  readonly #connection: Connection;
  readonly #tenantId: string;

  constructor(connection: Connection, tenantId: string) {
    this.#connection = connection;
    this.#tenantId = tenantId;
  }

  async view(): Promise<LeaseView> {
    const row = (await this.#find()) ?? (await this.#create());
    return {
      epoch: row.epoch,
      heartbeat: row.heartbeat,
      lastSeq: row.last_seq,
      released: row.released,
      ownerPod: row.owner_pod,
    };
  }

  acquire(seen: LeaseView, owner: Owner): Promise<Lease | undefined> {
    return this.#take(
      owner,
      `UPDATE iwd.tenant_lease SET epoch = epoch + 1, owner_token = $2, owner_pod = $3, owner_url = $4, hb = hb + 1,
              released = false
        WHERE tenant_id = $1 AND epoch = $5 AND hb = $6 RETURNING epoch, last_seq`,
      [seen.epoch, seen.heartbeat],
    );
  }

  /**
   * On a fresh connection: the old one may hang with the write whose outcome is unknown. The row lock makes this wait
   * for that write, and the new epoch fences it if it is still on its way. Asked twice it answers twice the same.
   */
  async renew(lease: Lease, owner: Owner): Promise<Lease | undefined> {
    this.#connection.discard();
    return this.#take(
      owner,
      `UPDATE iwd.tenant_lease SET epoch = $5::bigint + 1, owner_token = $2, owner_pod = $3, owner_url = $4, hb = hb + 1,
              released = false
        WHERE tenant_id = $1
          AND (epoch = $5 AND owner_token = $6 OR epoch = $5::bigint + 1 AND owner_token = $2)
       RETURNING epoch, last_seq`,
      [lease.epoch, lease.ownerToken],
    );
  }

  async heartbeat(lease: Lease): Promise<boolean> {
    return this.#touch('hb = hb + 1', lease);
  }

  async release(lease: Lease): Promise<void> {
    await this.#touch('released = true, hb = hb + 1', lease);
  }

  async #take(owner: Owner, update: string, seen: unknown[]): Promise<Lease | undefined> {
    const values = [this.#tenantId, owner.token, owner.pod, owner.url, ...seen];
    // Whoever holds a lease tells from the journal what became of an unknown commit: both must be where the standby is.
    const take = () => this.#connection.run((client) => queryDurably(client, { text: update, values }));
    const { rows } = await take().catch(async (error: unknown) => {
      if (!(error instanceof pg.DatabaseError) || error.code !== lockNotAvailable) throw error;
      await endBlocker(this.#connection, this.#tenantId);
      return take();
    });
    const row = rows[0] as { epoch: number; last_seq: number } | undefined;
    return row && { epoch: row.epoch, ownerToken: owner.token, lastSeq: row.last_seq };
  }

  async #touch(change: string, lease: Lease): Promise<boolean> {
    const text = `UPDATE iwd.tenant_lease SET ${change} WHERE tenant_id = $1 AND epoch = $2 AND owner_token = $3`;
    const values = [this.#tenantId, lease.epoch, lease.ownerToken];
    const { rowCount } = await this.#connection.run((client) => client.query(text, values));
    return rowCount === 1;
  }

  async #find(): Promise<LeaseRow | undefined> {
    const { rows } = await this.#connection.run((client) =>
      client.query<LeaseRow>(
        'SELECT epoch, hb AS heartbeat, last_seq, released, owner_pod FROM iwd.tenant_lease WHERE tenant_id = $1',
        [this.#tenantId],
      ),
    );
    return rows[0];
  }

  async #create(): Promise<LeaseRow> {
    await this.#connection.run((client) =>
      client.query('INSERT INTO iwd.tenant_lease (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING', [this.#tenantId]),
    );
    const row = await this.#find();
    if (!row)
      throw new Error(`the database belongs to another tenant than ${this.#tenantId}: one database, one tenant`);
    return row;
  }
}
