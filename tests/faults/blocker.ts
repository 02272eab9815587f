import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { FaultSystem } from './fault-system.js';
import { session } from './postgres-server.js';

const pollMs = 5;
const waitMsMax = 10_000;

export const leaseRow = 'SELECT 1 FROM iwd.tenant_lease FOR UPDATE';

/** A session that holds locks in an open transaction, and sees who waits for them. */
export class Blocker {
  readonly #client: pg.Client;
  readonly #system: FaultSystem;

  private constructor(client: pg.Client, system: FaultSystem) {
    this.#client = client;
    this.#system = system;
  }

  /** @param statement takes the lock, e.g. `leaseRow` or a LOCK TABLE. */
  static async hold(system: FaultSystem, statement: string): Promise<Blocker> {
    const client = await session(system.databaseUrl);
    await client.query('BEGIN');
    await client.query(statement);
    return new Blocker(client, system);
  }

  /** Resolves with the backend of the server's that waits for a lock. */
  async waiter(): Promise<number> {
    const text = `SELECT pid FROM pg_stat_activity WHERE application_name = 'iwd' AND wait_event_type = 'Lock'`;
    for (let waitedMs = 0; waitedMs < waitMsMax; waitedMs += pollMs) {
      const [row] = await this.#system.query(text);
      if (row !== undefined) return row.pid as number;
      await sleep(pollMs);
    }
    throw new Error('nobody waits for the lock');
  }

  /** Whether the session is still there: the server may have ended it. */
  async isAlive(): Promise<boolean> {
    return this.#client.query('SELECT 1').then(
      () => true,
      () => false,
    );
  }

  async release(): Promise<void> {
    await this.#client.query('ROLLBACK').catch(() => {});
    await this.#client.end().catch(() => {});
  }
}
