import { migrate } from './migrations.js';

/** Migrations at once: each has a session of its own, and hundreds of tenants may start together. */
const atOnceMax = 4;
/** Databases remembered; one that is forgotten is looked at once more. */
const rememberedMax = 10_000;
/** A database that is away is asked once in this time. */
const pauseMs = 1000;

/**
 * Brings each database to this release's schema before this thread uses it for the first time, and knows which it has
 * seen: a tenant that comes back from idleness does not wait for it. Two servers may do it at the same time.
 */
export class MigratedDatabases {
  readonly #seen = new Set<string>();
  /** Databases that could not be migrated a moment ago, with the time from when on one is tried again. */
  readonly #failed = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  async ensure(databaseUrl: string, onProgress: (step: string) => void): Promise<void> {
    if (this.#seen.has(databaseUrl)) return;
    if (performance.now() < (this.#failed.get(databaseUrl) ?? 0)) throw new Error('the database failed a moment ago');
    await this.#enter();
    try {
      await migrate(databaseUrl, onProgress);
      if (this.#seen.size >= rememberedMax) this.#seen.clear();
      this.#seen.add(databaseUrl);
      this.#failed.delete(databaseUrl);
    } catch (error) {
      if (this.#failed.size >= rememberedMax) this.#failed.clear();
      this.#failed.set(databaseUrl, performance.now() + pauseMs);
      throw error;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #enter(): Promise<void> {
    // Who was woken may find that somebody new has taken the place.
    while (this.#running >= atOnceMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }
}
