import pg from 'pg';
import { GuardedSocket } from './guarded-socket.js';

/** The server cannot keep the promise that an acknowledged commit survives; the message says what to change. */
export class UnfitServer extends Error {
  /** True for a standby: somebody else is the primary, so this owner has nothing to wait for. */
  readonly standby: boolean;

  constructor(message: string, standby = false) {
    super(message);
    this.name = 'UnfitServer';
    this.standby = standby;
  }
}

/** Milliseconds; 0 means none. `queryTimeoutMs` is ours and longer: the server's own gives the clearer answer. */
export interface Timeouts {
  statementTimeoutMs: number;
  queryTimeoutMs: number;
  lockTimeoutMs: number;
}

/** For the commit path (`RELIABILITY.md` 4.4): below the lease's time to live. */
export const commitTimeouts: Timeouts = { statementTimeoutMs: 3000, queryTimeoutMs: 4000, lockTimeoutMs: 1500 };
/** For batches of the follower. */
export const batchTimeouts: Timeouts = { statementTimeoutMs: 30_000, queryTimeoutMs: 35_000, lockTimeoutMs: 5000 };
/** For reads on behalf of a caller who waits. */
export const readTimeouts: Timeouts = { statementTimeoutMs: 10_000, queryTimeoutMs: 12_000, lockTimeoutMs: 1500 };

export const connectTimeoutMs = 2000;

const { INT8, TIMESTAMPTZ, JSON: JSON_OID, JSONB } = pg.types.builtins;

/** int8 as a number (ours stay below 2^53), timestamptz as milliseconds, json as its text: whoever reads it parses. */
export const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8) return Number;
    if (oid === TIMESTAMPTZ) return toInstant;
    if (oid === JSON_OID || oid === JSONB) return (text: string) => text;
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

/** Sessions run in UTC with ISO dates, so a time reads `2026-11-23 01:42:11.123+00`. */
function toInstant(text: string): number {
  return Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`);
}

/** What `pg` takes to connect. */
export function clientConfig(databaseUrl: string, timeouts: Timeouts): pg.ClientConfig {
  return {
    connectionString: databaseUrl,
    application_name: 'iwd',
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
    // A tenant's host comes from outside; the guard stands here so that no way to a database goes around it.
    stream: () => new GuardedSocket(),
    ...(timeouts.queryTimeoutMs > 0 && { query_timeout: timeouts.queryTimeoutMs }),
  };
}

/** Connects, sets the session up and refuses a server that could lose an acknowledged commit. */
export async function connect(databaseUrl: string, timeouts: Timeouts): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(databaseUrl, timeouts));
  // A broken connection also fails the query that runs; without a listener it would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await setUpSession(client, timeouts);
    return client;
  } catch (error) {
    destroy(client);
    throw error;
  }
}

/** Session settings and the check of the server, in one round trip. */
export async function setUpSession(client: pg.ClientBase, timeouts: Timeouts): Promise<void> {
  const results = (await client.query(`
    SET statement_timeout = ${timeouts.statementTimeoutMs};
    SET lock_timeout = ${timeouts.lockTimeoutMs};
    SET idle_in_transaction_session_timeout = 2000;
    SET datestyle = 'ISO'; SET timezone = 'UTC'; SET client_min_messages = 'warning';
    SELECT pg_is_in_recovery() AS standby, current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS sync`)) as unknown;
  const last = (results as pg.QueryResult[]).at(-1)!;
  checkServer(last.rows[0] as { standby: boolean; fsync: string; pages: string; sync: string });
}

function checkServer({
  standby,
  fsync,
  pages,
  sync,
}: {
  standby: boolean;
  fsync: string;
  pages: string;
  sync: string;
}) {
  if (standby) throw new UnfitServer('Postgres is a standby (in recovery): connect to the primary', true);
  if (fsync !== 'on') throw new UnfitServer('Postgres runs with fsync = off: a crash would lose acknowledged work');
  if (pages !== 'on') throw new UnfitServer('Postgres runs with full_page_writes = off: a crash could tear pages');
  if (!['on', 'remote_write', 'remote_apply'].includes(sync)) {
    throw new UnfitServer(
      `Postgres has synchronous_commit = ${sync}: set it to on (ALTER DATABASE ... SET synchronous_commit = on)`,
    );
  }
}

/**
 * Runs a statement that others will rely on. When somebody cancels its wait for the synchronous standby, Postgres reports
 * success although only the primary has it; a warning is all that tells. That is an error here: the outcome is unknown.
 */
export async function queryDurably(client: pg.Client, query: pg.QueryConfig): Promise<pg.QueryResult> {
  let warning: string | undefined;
  const onNotice = (notice: { code?: string; message?: string }) => {
    if (notice.code === '01000') warning = notice.message ?? 'a warning';
  };
  client.on('notice', onNotice);
  try {
    const result = await client.query(query);
    if (warning !== undefined) throw new Error(warning);
    return result;
  } finally {
    client.off('notice', onNotice);
  }
}

/** Closes the socket at once; a statement that runs there may still end on the server. */
export function destroy(client: pg.Client): void {
  (client as unknown as { connection?: { stream?: { destroy(): void } } }).connection?.stream?.destroy();
  client.end().catch(() => {});
}

/** Opens sessions; `dialer.ts` is the one that spares databases which are away. */
export interface Dialer {
  dial(databaseUrl: string, timeouts: Timeouts): Promise<pg.Client>;
}

const waitingMax = 64;

/**
 * Owns one connection at a time and runs one query at a time on it, in the order asked. Reconnects when the next query
 * comes after a loss. Invariant: a connection on which a query ended without an answer is never used again.
 */
export class Connection {
  readonly #dialer: Dialer;
  readonly #databaseUrl: string;
  readonly #timeouts: Timeouts;
  readonly #onLost: (error: Error) => void;
  #client: pg.Client | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  constructor(
    databaseUrl: string,
    timeouts: Timeouts,
    onLost: (error: Error) => void = () => {},
    dialer: Dialer = { dial: connect },
  ) {
    this.#dialer = dialer;
    this.#databaseUrl = databaseUrl;
    this.#timeouts = timeouts;
    this.#onLost = onLost;
  }

  /** Runs `work` alone on the connection. `NotSent` when there was none to be had, so that nothing was asked. */
  run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    if (this.#waiting >= waitingMax) return Promise.reject(new NotSent('too many queries wait for the connection'));
    this.#waiting++;
    const turn = this.#tail.then(() => this.#turn(work)).finally(() => this.#waiting--);
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** Drops the connection, if any, whatever runs on it; the next query gets a fresh one. */
  discard(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client) destroy(client);
  }

  /** Waits for the query that runs, then ends the session. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#tail;
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  async #turn<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = this.#client ?? (await this.#connect());
    try {
      return await work(client);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') this.#drop(client);
      throw error;
    }
  }

  async #connect(): Promise<pg.Client> {
    if (this.#closed) throw new NotSent('the connection is closed');
    try {
      const client = await this.#dialer.dial(this.#databaseUrl, this.#timeouts);
      client.on('error', (error) => this.#lost(client, error));
      client.on('end', () => this.#lost(client, new Error('Postgres closed the connection')));
      this.#client = client;
      return client;
    } catch (error) {
      throw new NotSent('cannot connect to Postgres', { cause: error });
    }
  }

  #lost(client: pg.Client, error: Error): void {
    if (this.#client !== client) return;
    this.#drop(client);
    this.#onLost(error);
  }

  #drop(client: pg.Client): void {
    if (this.#client === client) this.#client = undefined;
    destroy(client);
  }
}

/** The query never left: nothing can have happened. */
export class NotSent extends Error {
  override name = 'NotSent';
}
