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

  async #run<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]> {
    const shortest = this.#connections.reduce((a, b) => (b.waiting < a.waiting ? b : a));
    shortest.waiting++;
    try {
      return (await shortest.connection.run((client) => client.query<Row>(query))).rows;
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
