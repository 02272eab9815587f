import type { Needs } from '../engine/needs.js';
import type { TenantState } from '../engine/state.js';
import type { ProjectionStore, Runtime } from './ports.js';

interface Want {
  needs: Needs;
  loaded: (error?: unknown) => void;
}

/** Keys read by one statement. */
const readMax = 1000;

/**
 * Brings documents and keys from the tables into the state for commands that wait for them. One read at a time; what is
 * asked for meanwhile goes with the next. Eviction happens between two reads only: an item that was in memory when its
 * read began stays there until the read has ended, so that a read can never bring back an older version. What a read has
 * brought stays for one turn at least, in which those who asked for it go on: with a cache that is smaller than what is
 * read at once they would otherwise ask for ever.
 */
export class Loader {
  readonly #store: ProjectionStore;
  readonly #state: TenantState;
  readonly #runtime: Runtime;
  #wanted: Want[] = [];
  #reading = false;
  /** Something has been read, and no turn of the loop has passed since. */
  #fresh = false;

  constructor(store: ProjectionStore, state: TenantState, runtime: Runtime) {
    this.#store = store;
    this.#state = state;
    this.#runtime = runtime;
  }

  /** Calls `loaded` when all that exists of `needs` is in the state, or with the error that prevented it. */
  want(needs: Needs, loaded: (error?: unknown) => void): void {
    this.#wanted.push({ needs, loaded });
    if (!this.#reading) void this.#read();
  }

  /** Keeps the documents within their bound while nothing is read: those that are projected may go. */
  relieve(): void {
    if (this.#reading) return;
    if (this.#fresh) void this.#used();
    else this.#state.documents.evict();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#wanted.length > 0) {
      if (this.#fresh) await this.#used();
      this.#state.documents.evict();
      const { wanted, ids, captureIds, keys } = this.#take();
      try {
        const [byId, byCapture, answers] = await Promise.all([
          ids.length > 0 ? this.#store.load(ids) : [],
          captureIds.length > 0 ? this.#store.loadByCapture(captureIds) : [],
          keys.length > 0 ? this.#store.findKeys(keys) : [],
        ]);
        for (const item of [...byId, ...byCapture]) this.#state.documents.offer(item);
        for (const { key, ...answer } of answers) this.#state.offerKey(key, answer);
        this.#fresh = true;
        for (const { loaded } of wanted) loaded();
      } catch (error) {
        for (const { loaded } of wanted) loaded(error);
      }
    }
    this.#reading = false;
  }

  /** Whoever was told that its documents are here has asked for its turn before us. */
  async #used(): Promise<void> {
    await new Promise<void>((resolve) => this.#runtime.soon(resolve));
    this.#fresh = false;
  }

  #take(): { wanted: Want[]; ids: string[]; captureIds: string[]; keys: string[] } {
    const ids = new Set<string>();
    const captureIds = new Set<string>();
    const keys = new Set<string>();
    let count = 0;
    for (const { needs } of this.#wanted) {
      if (count > 0 && ids.size + captureIds.size + keys.size >= readMax) break;
      for (const id of needs.ids) ids.add(id);
      for (const captureId of needs.captureIds) captureIds.add(captureId);
      for (const key of needs.keys) keys.add(key);
      count++;
    }
    return { wanted: this.#wanted.splice(0, count), ids: [...ids], captureIds: [...captureIds], keys: [...keys] };
  }
}
