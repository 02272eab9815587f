import { writtenDetails } from '../engine/event.js';
import type { WorkItem } from '../engine/work-item.js';
import type { Batch } from './batch.js';
import type { HistoryEntry, Projection, ProjectionStore, Runtime } from './ports.js';
import { pause } from './runtime.js';

/** Items of one projection statement: longer ones hold the table's locks and the shard's turn for longer. */
const itemsMax = 500;
/**
 * How long a few items wait for more, unless somebody waits for them: many small statements cost the shard and Postgres
 * as much as the items do.
 */
const gatherMs = 25;
/**
 * While commits need the machine more, the follower rests this many times as long as its last statement took: a burst
 * is acknowledged first and projected after.
 */
const restFactor = 3;
const retryMsMin = 50;
const retryMsMax = 5000;

export interface ProjectorOptions {
  store: ProjectionStore;
  runtime: Runtime;
  cursor: number;
  /** Whether others need the machine more now, and there is room to lag behind. */
  mayRest: () => boolean;
  /** The table holds these versions now. */
  onProjected: (items: Iterable<WorkItem>, deleted: Iterable<string>, keys: Iterable<string>) => void;
  /** The cursor stands where this owner has never put it: somebody else projects. */
  onLost: () => void;
  onError: (error: unknown) => void;
}

/**
 * The follower that keeps the `work_item` table and its companions: takes committed batches from memory, in order,
 * coalesces them (create, assign and complete of one item is one row) and moves the cursor in the same statement.
 * **Invariant:** everything up to `cursor` is in the tables, exactly once. It never stops trying; what it has not
 * written yet stays in memory, and its size is what ingest is throttled by.
 */
export class Projector {
  readonly #options: ProjectorOptions;
  #waiting: Batch[] = [];
  #cursor: number;
  #running = false;
  #stopped = false;
  #barriers: { seq: number; reached: () => void }[] = [];
  #waitingItems = 0;
  /** Ends the wait for more items, or the rest, while there is one. */
  #hurry: (() => void) | undefined;
  #resting = false;

  constructor(options: ProjectorOptions) {
    this.#options = options;
    this.#cursor = options.cursor;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Takes a batch that is durable. */
  add(batch: Batch): void {
    this.#waiting.push(batch);
    this.#waitingItems += batch.items.length;
    if (this.#waitingItems >= itemsMax && !this.#resting) this.#hurry?.();
    void this.#run();
  }

  /** Resolves when everything up to `seq` can be read from the tables, or after `msMax`; true when it can. */
  reached(seq: number, msMax: number): Promise<boolean> {
    if (this.#cursor >= seq) return Promise.resolve(true);
    this.#hurry?.();
    return new Promise((resolve) => {
      const reached = () => {
        cancel();
        resolve(true);
      };
      const barrier = { seq, reached };
      const cancel = this.#options.runtime.timer(msMax, () => {
        this.#barriers = this.#barriers.filter((other) => other !== barrier);
        resolve(false);
      });
      this.#barriers.push(barrier);
    });
  }

  /** Takes nothing more to the tables; what is missing follows from the journal after the next start. */
  stop(): void {
    this.#stopped = true;
    this.#hurry?.();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    let retryMs = retryMsMin;
    while (this.#waiting.length > 0 && !this.#stopped) {
      await this.#gather();
      if (this.#stopped) break;
      try {
        const begunAt = this.#options.runtime.monotonic();
        await this.#projectSome();
        retryMs = retryMsMin;
        await this.#rest((this.#options.runtime.monotonic() - begunAt) * restFactor);
      } catch (error) {
        this.#options.onError(error);
        await pause(this.#options.runtime, retryMs);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
    }
    this.#running = false;
  }

  /** Resolves when there is enough for one statement, somebody waits for it, or it has waited for long enough. */
  async #gather(): Promise<void> {
    if (this.#waitingItems < itemsMax) await this.#wait(gatherMs);
  }

  /** Leaves the machine to who needs it more, unless somebody waits for the tables. */
  async #rest(ms: number): Promise<void> {
    if (this.#stopped || !this.#options.mayRest()) return;
    this.#resting = true;
    await this.#wait(ms);
    this.#resting = false;
  }

  async #wait(ms: number): Promise<void> {
    if (this.#barriers.length > 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.runtime.timer(ms, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  async #projectSome(): Promise<void> {
    const batches = this.#take();
    const projection = {
      fromSeq: this.#cursor,
      toSeq: batches[batches.length - 1].toSeq,
      ...rowsOf(batches),
      keys: batches.flatMap((batch) => batch.keys),
      settings: batches.flatMap((batch) => batch.settings),
      filters: batches.flatMap((batch) => batch.filters),
      entries: batches.flatMap((batch) => batch.entries),
    };
    const done = (await this.#options.store.project(projection)) ? batches : await this.#doneBefore();
    if (!this.#stopped && done.length > 0) this.#settle(done);
  }

  /** The front batches are in the tables. */
  #settle(batches: readonly Batch[]): void {
    this.#waiting.splice(0, batches.length);
    for (const batch of batches) this.#waitingItems -= batch.items.length;
    this.#cursor = batches[batches.length - 1].toSeq;
    const { items, deleted } = rowsOf(batches);
    this.#options.onProjected(
      items,
      deleted,
      batches.flatMap((batch) => batch.keys).map(({ key }) => key),
    );
    this.#release();
  }

  /** The batches from the front that fit into one statement; always at least one. */
  #take(): Batch[] {
    let count = 0;
    let itemCount = 0;
    for (const batch of this.#waiting) {
      itemCount += batch.items.length;
      if (count > 0 && itemCount > itemsMax) break;
      count++;
    }
    return this.#waiting.slice(0, count);
  }

  /**
   * The cursor was not where we left it: an attempt of ours whose answer was lost has arrived, perhaps with fewer batches
   * than this one, or we are not alone. @returns the front batches that are in the tables.
   */
  async #doneBefore(): Promise<Batch[]> {
    const cursor = await this.#options.store.cursor();
    if (cursor === this.#cursor) return [];
    const last = this.#waiting.findIndex((batch) => batch.toSeq === cursor);
    if (last >= 0) return this.#waiting.slice(0, last + 1);
    this.stop();
    this.#options.onLost();
    return [];
  }

  #release(): void {
    const reached = this.#barriers.filter(({ seq }) => seq <= this.#cursor);
    if (reached.length === 0) return;
    this.#barriers = this.#barriers.filter(({ seq }) => seq > this.#cursor);
    for (const barrier of reached) barrier.reached();
  }
}

/** One row an item, whatever its events, and none for the deleted ones, whose history keeps only what happened. */
export function rowsOf(batches: readonly Batch[]): Pick<Projection, 'items' | 'deleted' | 'history'> {
  const items = new Map<string, WorkItem>();
  for (const batch of batches) for (const item of batch.items) items.set(item.id, item);
  const deleted = batches.flatMap((batch) => batch.deleted);
  for (const id of deleted) items.delete(id);
  const history = batches.flatMap((batch) => batch.history);
  if (deleted.length > 0) forgetWritten(history, new Set(deleted));
  return { items: [...items.values()], deleted, history };
}

function forgetWritten(history: HistoryEntry[], deleted: ReadonlySet<string>): void {
  history.forEach((entry, index) => {
    if (!deleted.has(entry.itemId)) return;
    const details = { ...entry.details };
    for (const name of writtenDetails) delete details[name];
    history[index] = { ...entry, details };
  });
}
