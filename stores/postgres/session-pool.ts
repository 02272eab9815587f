import pg from 'pg';
import { destroy, NotSent, readTimeouts, type Timeouts } from './connection.js';
import type { DatabaseMetrics } from './database-metrics.js';
import { PatientDialer, serverOf } from './dialer.js';

export interface SessionPoolOptions {
  /** Sessions on one server, whatever its databases. */
  perServer: number;
  /** Sessions on one database: one that does not answer must not hold all of its server's. */
  perDatabase: number;
}

const defaults: SessionPoolOptions = { perServer: 8, perDatabase: 3 };
/** Who may wait for a session of one server. */
const waitingMax = 1024;
const idleMs = 10_000;
const sweepMs = 2000;

interface Session {
  databaseUrl: string;
  /** Undefined while it is being opened. */
  client: pg.Client | undefined;
  busy: boolean;
  usedAt: number;
}

interface Waiter {
  databaseUrl: string;
  serve: (session: Session) => void;
  refuse: (error: Error) => void;
}

/** One server's sessions, and who waits for one, first come first served as far as each database's share allows. */
interface Server {
  sessions: Set<Session>;
  waiting: Waiter[];
  /** Idle sessions that are being closed to make room. */
  ending: number;
}

/**
 * The sessions for reads of all tenants of one thread: a bounded number a server, shared by its databases. A session
 * belongs to one database for its life, so a database that needs one when all are open takes the place of the one that
 * has been idle for the longest. **Invariant:** a session on which a query ended without an answer is never used again.
 */
export class SessionPool {
  readonly dialer: PatientDialer;
  readonly #options: SessionPoolOptions;
  readonly #servers = new Map<string, Server>();
  /** The server of each database that is in use. */
  readonly #byUrl = new Map<string, Server>();
  readonly #sweep: NodeJS.Timeout;
  #closed = false;

  constructor(options: Partial<SessionPoolOptions> = {}, metrics?: DatabaseMetrics) {
    this.#options = { ...defaults, ...options };
    this.dialer = new PatientDialer(metrics);
    this.#sweep = setInterval(() => this.#closeIdle(), sweepMs).unref();
  }

  /** Runs `work` alone on a session of the database. `NotSent` when there was none to be had. */
  async run<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const server = this.#serverOf(databaseUrl);
    const session = await this.#acquire(server, databaseUrl);
    let broken = false;
    try {
      return await work(session.client ?? (await this.#open(server, session, readTimeouts)));
    } catch (error) {
      broken = !(error instanceof pg.DatabaseError) || error.severity !== 'ERROR';
      throw error;
    } finally {
      this.#release(server, session, broken);
    }
  }

  /** Runs `work` on a session with time-outs of its own, opened for it and closed after it. */
  async runAlone<T>(databaseUrl: string, timeouts: Timeouts, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const server = this.#serverOf(databaseUrl);
    const session = await this.#acquire(server, databaseUrl);
    try {
      const idle = session.client;
      session.client = undefined;
      await idle?.end().catch(() => {});
      const client = await this.#open(server, session, timeouts);
      const result = await work(client);
      await client.end();
      return result;
    } finally {
      this.#release(server, session, true);
    }
  }

  /** Closes what is open on the database and idle; the rest when it is idle. */
  async forget(databaseUrl: string): Promise<void> {
    const server = this.#serverOf(databaseUrl);
    const own = [...server.sessions].filter((session) => session.databaseUrl === databaseUrl);
    this.#byUrl.delete(databaseUrl);
    await Promise.all(own.map((session) => this.#end(server, session)));
  }

  /** Ends every session that nothing runs on, and each of the others after its query. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const server of this.#servers.values()) {
      for (const { refuse } of server.waiting.splice(0)) refuse(new NotSent('the sessions are closed'));
      await Promise.all([...server.sessions].map((session) => this.#end(server, session)));
    }
  }

  #serverOf(databaseUrl: string): Server {
    const known = this.#byUrl.get(databaseUrl);
    if (known !== undefined) return known;
    const name = serverOf(databaseUrl);
    const server = this.#servers.get(name) ?? { sessions: new Set(), waiting: [], ending: 0 };
    this.#servers.set(name, server);
    this.#byUrl.set(databaseUrl, server);
    return server;
  }

  #acquire(server: Server, databaseUrl: string): Promise<Session> {
    if (this.#closed) return Promise.reject(new NotSent('the sessions are closed'));
    if (server.waiting.length >= waitingMax) return Promise.reject(new NotSent('too many queries wait for a session'));
    return new Promise((serve, refuse) => {
      server.waiting.push({ databaseUrl, serve, refuse });
      this.#dispatch(server);
    });
  }

  /** Gives sessions to those who wait, in order; one whose database has its share lets the next go first. */
  #dispatch(server: Server): void {
    for (let i = 0; i < server.waiting.length; ) {
      const waiter = server.waiting[i]!;
      const session = this.#findFor(server, waiter.databaseUrl);
      if (session === undefined) {
        i++;
        continue;
      }
      server.waiting.splice(i, 1);
      session.busy = true;
      waiter.serve(session);
    }
  }

  #findFor(server: Server, databaseUrl: string): Session | undefined {
    let own = 0;
    let oldest: Session | undefined;
    for (const session of server.sessions) {
      if (session.databaseUrl === databaseUrl) {
        if (!session.busy) return session;
        own++;
      } else if (!session.busy && (oldest === undefined || session.usedAt < oldest.usedAt)) oldest = session;
    }
    if (own >= this.#options.perDatabase) return undefined;
    if (server.sessions.size >= this.#options.perServer) {
      // Its place is free when Postgres has let it go: `#end` gives it to whoever waits then.
      if (oldest !== undefined && server.ending < server.waiting.length) {
        server.ending++;
        void this.#end(server, oldest).finally(() => server.ending--);
      }
      return undefined;
    }
    const session: Session = { databaseUrl, client: undefined, busy: true, usedAt: 0 };
    server.sessions.add(session);
    return session;
  }

  async #open(server: Server, session: Session, timeouts: Timeouts): Promise<pg.Client> {
    try {
      const client = await this.dialer.dial(session.databaseUrl, timeouts);
      session.client = client;
      client.once('end', () => {
        if (session.client === client) this.#drop(server, session);
      });
      return client;
    } catch (cause) {
      throw new NotSent('cannot connect to Postgres', { cause });
    }
  }

  #release(server: Server, session: Session, broken: boolean): void {
    session.busy = false;
    session.usedAt = performance.now();
    if (broken || this.#closed) {
      if (session.client !== undefined) destroy(session.client);
      this.#drop(server, session);
    } else this.#dispatch(server);
  }

  async #end(server: Server, session: Session): Promise<void> {
    if (session.busy) return;
    session.busy = true;
    await session.client?.end().catch(() => {});
    this.#drop(server, session);
  }

  #drop(server: Server, session: Session): void {
    session.client = undefined;
    if (server.sessions.delete(session)) this.#dispatch(server);
  }

  #closeIdle(): void {
    const before = performance.now() - idleMs;
    for (const server of this.#servers.values()) {
      for (const session of server.sessions) if (session.usedAt < before) void this.#end(server, session);
    }
  }
}
