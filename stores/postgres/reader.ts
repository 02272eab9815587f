import pg from 'pg';
import type { Timeouts } from './connection.js';
import type { SessionPool } from './session-pool.js';

/** Reads of one database for callers who wait, over sessions that the thread's tenants share. */
export class Reader {
  readonly #databaseUrl: string;
  readonly #sessions: SessionPool;

  constructor(databaseUrl: string, sessions: SessionPool) {
    this.#databaseUrl = databaseUrl;
    this.#sessions = sessions;
  }

  /** Rows of one statement, prepared when it has a name. A session that breaks is replaced, once: reading again is safe. */
  async query<Row extends pg.QueryResultRow>(
    name: string | undefined,
    text: string,
    values: unknown[],
  ): Promise<Row[]> {
    const query = { text, values, ...(name !== undefined && { name }) };
    try {
      return await this.#run(query);
    } catch (error) {
      if (!isBroken(error)) throw error;
      return this.#run(query);
    }
  }

  /** Runs statements that only read, the whole of them within a time-out of their own. */
  within<T>(timeoutMs: number, work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.#sessions.run(this.#databaseUrl, async (client) => {
      await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}`);
      try {
        return await work(client);
      } finally {
        // A session that broke meanwhile has nothing to end.
        await client.query('ROLLBACK').catch(() => {});
      }
    });
  }

  /** Runs `work` on a session with time-outs of its own, opened for it and closed after it. */
  runAlone<T>(timeouts: Timeouts, work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.#sessions.runAlone(this.#databaseUrl, timeouts, work);
  }

  async #run<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]> {
    return (await this.#sessions.run(this.#databaseUrl, (client) => client.query<Row>(query))).rows;
  }

  async close(): Promise<void> {
    await this.#sessions.forget(this.#databaseUrl);
  }
}

/** The server ended the session or the connection went away; a time-out or a server that is down would only last longer. */
function isBroken(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.severity === 'FATAL';
  return error instanceof Error && /^Connection terminated|ECONNRESET|EPIPE/.test(error.message);
}
