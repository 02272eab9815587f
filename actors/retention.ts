import type { Filter } from '../engine/filter.js';
import type { TenantState } from '../engine/state.js';
import type { ProjectionStore, Runtime } from './ports.js';
import type { Reply, Request } from './request.js';
import { pause } from './runtime.js';

/** Retention is counted in days: that an item goes a few minutes late does no harm. */
export const sweepMs = 10 * 60_000;
/** Items deleted at once, and the pause between: at most 500 a second. */
const itemsMax = 100;
const restMs = 200;

export interface RetentionContext {
  state: TenantState;
  projection: ProjectionStore;
  runtime: Runtime;
  /** Hands a request of the engine's own to the tenant's mailbox. */
  submit: (request: Request) => Promise<Reply>;
  onError: (message: string, error: unknown) => void;
}

/**
 * Deletes the items of categories with a `retention` so long after their end, by the same command as anybody, in the
 * name of `retention`. An item that has changed since it was found, because it was restarted, stays.
 */
export class Retention {
  readonly #c: RetentionContext;
  #cancel = () => {};
  #closed = false;

  constructor(context: RetentionContext) {
    this.#c = context;
  }

  start(): void {
    this.#cancel = this.#c.runtime.timer(sweepMs, () => void this.#sweep());
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async #sweep(): Promise<void> {
    const { categories } = this.#c.state;
    for (const path of categories.paths) {
      const { retentionMs } = categories.resolve(path);
      if (retentionMs === undefined) continue;
      try {
        while (!this.#closed && (await this.#delete(path, retentionMs))) await pause(this.#c.runtime, restMs);
      } catch (error) {
        if (!this.#closed) this.#c.onError(`the retention of ${path} has to wait`, error);
      }
    }
    if (!this.#closed) this.start();
  }

  /** Deletes some of the category's; true when there may be more. */
  async #delete(path: string, retentionMs: number): Promise<boolean> {
    const { projection, runtime, submit } = this.#c;
    const found = await projection.matchingIds(endedBefore(path, retentionMs), runtime.now(), itemsMax);
    const items = await projection.load(found);
    if (this.#closed || items.length === 0) return false;
    const ids = items.map(({ id }) => id);
    const ifMatches = items.map(({ version }) => version);
    await submit({ op: 'commandMany', name: 'delete', ids, ifMatches, firstLine: 0, by: 'retention' });
    return found.length === itemsMax;
  }
}

/** Only ended items have a completion time. */
function endedBefore(path: string, retentionMs: number): Filter {
  const category = { kind: 'is', field: 'category', fieldKind: 'text', op: 'eq', value: path } as const;
  const value = { fromNow: -retentionMs };
  const ended = { kind: 'is', field: 'completedDateTime', fieldKind: 'time', op: 'le', value } as const;
  return { kind: 'and', of: [category, ended] };
}
