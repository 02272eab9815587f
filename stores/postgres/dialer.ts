import pg from 'pg';
import { connect, type Dialer, type Timeouts } from './connection.js';
import type { DatabaseMetrics } from './database-metrics.js';

const pauseMsMin = 50;
const pauseMsMax = 1000;
/** Failing databases remembered; one that is forgotten is tried once too often. */
const failingMax = 10_000;

interface Failing {
  since: number;
  /** No attempt before this. */
  nextAt: number;
  trying: boolean;
}

/** A database that failed a moment ago is not asked again yet. */
export class NotYet extends Error {
  override name = 'NotYet';
}

/**
 * Opens sessions, for everybody who needs one on this thread. **Invariant:** a database that cannot be reached gets one
 * attempt at a time, and the pause between two grows with the time it has been away to a second: a dead database costs
 * neither sockets nor its neighbours' time, and one that comes back after a second is noticed within a quarter of it.
 */
export class PatientDialer implements Dialer {
  readonly #failing = new Map<string, Failing>();
  readonly #metrics: DatabaseMetrics | undefined;

  constructor(metrics?: DatabaseMetrics) {
    this.#metrics = metrics;
  }

  /** @throws {NotYet} without an attempt; else whatever the attempt failed of. */
  async dial(databaseUrl: string, timeouts: Timeouts): Promise<pg.Client> {
    const failing = this.#failing.get(databaseUrl);
    if (failing !== undefined) {
      if (failing.trying || performance.now() < failing.nextAt) throw new NotYet('the database could not be reached');
      failing.trying = true;
    }
    try {
      const open = () => connect(databaseUrl, timeouts);
      const client = await (this.#metrics?.opened(databaseUrl, open) ?? open());
      this.#failing.delete(databaseUrl);
      return client;
    } catch (error) {
      this.#failed(databaseUrl);
      throw error;
    }
  }

  #failed(databaseUrl: string): void {
    const now = performance.now();
    const since = this.#failing.get(databaseUrl)?.since ?? now;
    const pauseMs = Math.min(Math.max((now - since) / 4, pauseMsMin), pauseMsMax);
    if (this.#failing.size >= failingMax) this.#failing.delete(this.#failing.keys().next().value!);
    this.#failing.set(databaseUrl, { since, nextAt: now + pauseMs, trying: false });
  }
}

/** `host:port` of the server that a URL means, a socket's folder for a host too. */
export function serverOf(databaseUrl: string): string {
  const { host, port } = new pg.Client({ connectionString: databaseUrl });
  return `${host}:${port}`;
}
