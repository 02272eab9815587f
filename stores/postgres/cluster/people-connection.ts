import pg from 'pg';
import { PeopleUnavailable } from '../../../actors/ports/people.js';
import { Connection, queryDurably, readTimeouts } from '../connection.js';
import { type AuditEntry, recordAudit } from './audit.js';

/**
 * The one connection of people and sessions. What cannot be reached, or does not answer, comes out as
 * `PeopleUnavailable`; what Postgres itself refuses, as it is.
 */
export class PeopleConnection {
  readonly #connection: Connection;

  constructor(databaseUrl: string) {
    this.#connection = new Connection(databaseUrl, readTimeouts);
  }

  /** Rows of a statement that changes nothing: a connection that broke is replaced, once. */
  async read<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return await this.#run<Row>(text, values);
    } catch (error) {
      if (!(error instanceof PeopleUnavailable)) throw error;
      return this.#run<Row>(text, values);
    }
  }

  /**
   * Rows of a statement that changes something, asked once. With `entry`, the statement and the line of the audit log
   * that it makes of the rows are one transaction; no line when it makes none.
   */
  change<Row extends object>(
    text: string,
    values: unknown[],
    entry?: (rows: Row[]) => AuditEntry | undefined,
  ): Promise<Row[]> {
    return entry
      ? this.#turn((client) => inTransaction(client, { text, values }, entry))
      : this.#run<Row>(text, values);
  }

  /** Only a line of the audit log. */
  async record(entry: AuditEntry): Promise<void> {
    await this.#turn((client) => recordAudit(client, entry));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #run<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return this.#turn(async (client) => (await queryDurably(client, { text, values })).rows as Row[]);
  }

  async #turn<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      return await this.#connection.run(work);
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.severity === 'ERROR' && !passing(error)) throw error;
      throw new PeopleUnavailable('the registry of people does not answer', { cause: error });
    }
  }
}

async function inTransaction<Row extends object>(
  client: pg.Client,
  query: pg.QueryConfig,
  entry: (rows: Row[]) => AuditEntry | undefined,
): Promise<Row[]> {
  await client.query('BEGIN');
  try {
    const { rows } = await client.query<Row>(query);
    const line = entry(rows);
    if (line) await recordAudit(client, line);
    await queryDurably(client, { text: 'COMMIT' });
    return rows;
  } catch (error) {
    // On a connection that broke this fails as well, and Postgres rolls back by itself.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** Time-outs, deadlocks and servers that stop: another try may go well. */
function passing({ code }: pg.DatabaseError): boolean {
  return /^(57|40|53|55)/.test(code ?? '');
}
