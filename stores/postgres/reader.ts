import type pg from 'pg';
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

  /** Rows of one statement, prepared when it has a name; a broken connection fails the query and is replaced for the next. */
  async query<Row extends pg.QueryResultRow>(
    name: string | undefined,
    text: string,
    values: unknown[],
  ): Promise<Row[]> {
    const query = { text, values, ...(name !== undefined && { name }) };
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
