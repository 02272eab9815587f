import pg from 'pg';
import { SearchRefused } from '../../actors/ports.js';
import type { Reader } from './reader.js';

/** A statement of a search that takes longer than this is given up; a search has two at most. */
export const searchMsMax = 5000;
/** Searches of one tenant that wait for the one that runs. */
const waitingMax = 8;
/** SQLSTATE of a statement that ran into its time-out. */
const timedOut = '57014';

/**
 * Searches of one tenant, one at a time and none for long: whatever somebody searches for, the sessions that read what
 * the queue needs next stay free.
 */
export class Searches {
  readonly #reader: Reader;
  readonly #msMax: number;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(reader: Reader, msMax = searchMsMax) {
    this.#reader = reader;
    this.#msMax = msMax;
  }

  /** Runs `work` when those before it have ended. Throws `SearchRefused` when it takes too long or too many wait. */
  run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    if (this.#waiting > waitingMax) return Promise.reject(new SearchRefused('too-many-requests'));
    this.#waiting++;
    const turn = this.#tail.then(() => this.#reader.within(this.#msMax, work)).finally(() => this.#waiting--);
    this.#tail = turn.catch(() => {});
    return turn.catch((error: unknown) => {
      const isTimeOut = error instanceof pg.DatabaseError && error.code === timedOut;
      throw isTimeOut ? new SearchRefused('query-too-slow') : error;
    });
  }
}
