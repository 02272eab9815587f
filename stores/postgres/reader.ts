import pg from 'pg';
import { Connection, readTimeouts } from './connection.js';

const connectionsMax = 3;

/** Reads for callers who wait: a few connections, opened when needed, each query on the one with the shortest line. */
export class Reader {
  readonly #connections: { connection: Connection; waiting: number }[];

  constructor(databaseUrl: string) {
    this.#connections = Array.from({ length: connectionsMax }, () => ({
      connection: new Connection(databaseUrl, readTimeouts),
      waiting: 0,
    }));
  }

  /** Rows of one statement, prepared when it has a name. A connection that breaks is replaced, once: reading again is safe. */
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
    return this.#onSession(async (client) => {
      await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}`);
      try {
        return await work(client);
      } finally {
        // A session that broke meanwhile has nothing to end.
        await client.query('ROLLBACK').catch(() => {});
      }
    });
  }

  async #run<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]> {
    return (await this.#onSession((client) => client.query<Row>(query))).rows;
  }

  async #onSession<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const shortest = this.#connections.reduce((a, b) => (b.waiting < a.waiting ? b : a));
    shortest.waiting++;
    try {
      return await shortest.connection.run(work);
    } finally {
      shortest.waiting--;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map(({ connection }) => connection.close()));
  }
}

/** The server ended the session or the connection went away; a time-out or a server that is down would only last longer. */
function isBroken(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.severity === 'FATAL';
  return error instanceof Error && /^Connection terminated|ECONNRESET|EPIPE/.test(error.message);
}
