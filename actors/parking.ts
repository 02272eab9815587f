import type { Needs } from '../engine/needs.js';
import { reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Entry } from './entry.js';
import type { Loader } from './loader.js';

export interface ParkingContext {
  state: TenantState;
  loader: Loader;
  /** An entry can go on, or was answered. */
  onChange: () => void;
  onError: (message: string, error: unknown) => void;
}

/** Entries that wait for documents or keys to be read, and those whose turn it is again, in the order of their reads. */
export class Parking {
  readonly #c: ParkingContext;
  readonly #parked = new Set<Entry>();
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
      this.#parked.delete(entry);
      if (error === undefined) {
        this.#noteAbsent(entry, needs);
        this.#resumed.push(entry);
      } else this.#fail(entry, error);
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
      if (this.#closed) return;
      this.#fail(entry, error);
    }
    this.#parked.delete(entry);
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

  #fail(entry: Entry, error: unknown): void {
    this.#c.onError('reading the tables failed', error);
    entry.answer(reject('unavailable', 'the database does not answer', { retryAfterSeconds: 1 }));
  }
}
