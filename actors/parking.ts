import type { Needs } from '../engine/needs.js';
import { reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Entry } from './entry.js';
import type { Loader } from './loader.js';
import type { Runtime } from './ports.js';

const retryMs = 50;

export interface ParkingContext {
  state: TenantState;
  loader: Loader;
  runtime: Runtime;
  /** How long a read that fails is tried again before its entry is told. */
  holdMs: number;
  /** An entry can go on, or was answered. */
  onChange: () => void;
  onError: (message: string, error: unknown) => void;
}

/** Entries that wait for documents or keys to be read, and those whose turn it is again, in the order of their reads. */
export class Parking {
  readonly #c: ParkingContext;
  readonly #parked = new Set<Entry>();
  /** Since when the reads of an entry have failed, monotonic. */
  readonly #failingSince = new Map<Entry, number>();
  #resumed: Entry[] = [];
  #closed = false;

  constructor(context: ParkingContext) {
    this.#c = context;
  }

  get isEmpty(): boolean {
    return this.#parked.size === 0 && this.#resumed.length === 0;
  }

  get entries(): Entry[] {
    return [...this.#resumed, ...this.#parked];
  }

  /** The next entry whose read is done. */
  shift(): Entry | undefined {
    return this.#resumed.shift();
  }

  park(entry: Entry, needs: Needs): void {
    this.#parked.add(entry);
    this.#c.loader.want(needs, (error) => {
      // What this memory learns late must not reach an entry that a successor is deciding.
      if (this.#closed) return;
      if (error !== undefined && this.#tryAgain(entry, error, () => this.park(entry, needs))) return;
      this.#parked.delete(entry);
      this.#failingSince.delete(entry);
      if (error === undefined) {
        this.#noteAbsent(entry, needs);
        this.#resumed.push(entry);
      }
      this.#c.onChange();
    });
  }

  /** Waits for a read of the tables that answers the entry by itself. */
  async answerLater(entry: Entry, later: () => Promise<Parameters<Entry['answer']>[0]>): Promise<void> {
    this.#parked.add(entry);
    try {
      const reply = await later();
      if (this.#closed) return;
      entry.answer(reply);
    } catch (error) {
      if (this.#closed || this.#tryAgain(entry, error, () => void this.answerLater(entry, later))) return;
    }
    this.#parked.delete(entry);
    this.#failingSince.delete(entry);
    this.#c.onChange();
  }

  /** Reads that are under way mean nothing any more. */
  close(): void {
    this.#closed = true;
  }

  /** "It does not exist" holds only as long as nothing was let go that may have come into being since. */
  forgetAbsent(entry: Entry): void {
    const { evictions } = this.#c.state.documents;
    if (entry.absentAt === evictions) return;
    entry.absent.clear();
    entry.absentAt = evictions;
  }

  #noteAbsent(entry: Entry, needs: Needs): void {
    const { state } = this.#c;
    this.forgetAbsent(entry);
    for (const id of needs.ids) if (state.documents.get(id) === undefined) entry.absent.add(id);
    for (const captureId of needs.captureIds) {
      if (state.findByCapture(captureId) === undefined) entry.absent.add(`c:${captureId}`);
    }
    for (const key of needs.keys) if (state.answerTo(key) === undefined) entry.absent.add(`k:${key}`);
  }

  /**
   * A database that is back in a moment costs its readers time and nothing else. False when the entry has waited for long
   * enough, and was told so.
   */
  #tryAgain(entry: Entry, error: unknown, again: () => void): boolean {
    const { runtime, holdMs, onError } = this.#c;
    const now = runtime.monotonic();
    const since = this.#failingSince.get(entry);
    if (since === undefined) {
      onError('reading the tables failed', error);
      this.#failingSince.set(entry, now);
    }
    if (now - (since ?? now) > holdMs || now > entry.deadlineAt) {
      entry.answer(reject('unavailable', 'the database does not answer', { retryAfterSeconds: 1 }));
      return false;
    }
    runtime.timer(retryMs, () => {
      if (!this.#closed) again();
    });
    return true;
  }
}
