import type { RetainedPart } from '../engine/category-tree.js';
import type { Filter, FilterCondition } from '../engine/filter.js';
import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import type { ProjectionStore, Runtime } from './ports.js';
import type { Reply, Request } from './request.js';
import { pause } from './runtime.js';

/** Retention is counted in days: that an item goes a few minutes late does no harm. */
export const sweepMs = 10 * 60_000;
/** A tenant that is not in memory comes back for a sweep so long after its last one. */
export const passiveSweepMs = 24 * 3_600_000;
/** Items deleted at once, and the pause between: at most 500 a second. */
const itemsMax = 100;
const restMs = 200;
/** Slices of one sweep: what is left waits for the next one. */
const slicesMax = 1000;

/** When the tenant's next sweep should be, whether it is in memory then or not: outlives terms. */
export interface SweepPlan {
  dueAt: Instant | undefined;
}

export interface RetentionContext {
  state: TenantState;
  projection: ProjectionStore;
  runtime: Runtime;
  plan: SweepPlan;
  /** Hands a request of the engine's own to the tenant's mailbox. */
  submit: (request: Request) => Promise<Reply>;
  onError: (message: string, error: unknown) => void;
}

/**
 * Deletes the items of categories with a `retention` so long after their end, by the same command as anybody, in the
 * name of `retention`. An item that has changed since it was found, because it was restarted, stays. For an item whose
 * category does not exist any more the nearest one above it that does decides, as for everything else.
 */
export class Retention {
  readonly #c: RetentionContext;
  #cancel = () => {};
  #sweeping = false;
  #slices = 0;
  #closed = false;

  constructor(context: RetentionContext) {
    this.#c = context;
  }

  /** Whether a sweep is under way: the tenant should stay in memory. */
  get isBusy(): boolean {
    return this.#sweeping;
  }

  /** When the tenant must be in memory for a sweep; Infinity when no category has a retention. */
  get wakeAt(): Instant {
    return (this.#isWanted ? this.#c.plan.dueAt : undefined) ?? Number.POSITIVE_INFINITY;
  }

  get #isWanted(): boolean {
    return this.#c.state.categories.retained.length > 0;
  }

  start(): void {
    const { runtime, plan } = this.#c;
    plan.dueAt ??= runtime.now() + sweepMs;
    const waitMs = Math.min(Math.max(0, plan.dueAt - runtime.now()), sweepMs);
    this.#cancel = runtime.timer(waitMs, () => void this.#sweep());
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  /** While the tenant stays in memory the next sweep follows in `sweepMs`. */
  async #sweep(): Promise<void> {
    const { runtime, plan } = this.#c;
    // Whoever loses its place in the middle of it comes back then.
    plan.dueAt = runtime.now() + sweepMs;
    this.#sweeping = this.#isWanted;
    this.#slices = 0;
    let isAll = true;
    for (const part of this.#c.state.categories.retained) if (!(await this.#empty(part))) isAll = false;
    this.#sweeping = false;
    if (this.#closed) return;
    if (isAll) plan.dueAt = runtime.now() + passiveSweepMs;
    this.#cancel = runtime.timer(sweepMs, () => void this.#sweep());
  }

  /** True when nothing that is due is left in this part of the tree. */
  async #empty(part: RetainedPart): Promise<boolean> {
    try {
      while (!this.#closed && this.#slices < slicesMax) {
        if (!(await this.#delete(part))) return true;
        this.#slices++;
        await pause(this.#c.runtime, restMs);
      }
    } catch (error) {
      if (!this.#closed) this.#c.onError(`the retention of ${part.path} has to wait`, error);
    }
    return false;
  }

  /** Deletes some of the part's items; true when there may be more. */
  async #delete(part: RetainedPart): Promise<boolean> {
    const { projection, runtime, submit } = this.#c;
    const found = await projection.matchingIds(endedIn(part), runtime.now(), itemsMax);
    const items = await projection.load(found);
    if (this.#closed || items.length === 0) return false;
    const ids = items.map(({ id }) => id);
    const ifMatches = items.map(({ version }) => version);
    await submit({ op: 'commandMany', name: 'delete', ids, ifMatches, firstLine: 0, by: 'retention' });
    return found.length === itemsMax;
  }
}

/** The part's items that are due; only ended ones have a completion time. */
export function endedIn({ path, retentionMs, except }: RetainedPart): Filter {
  const value = { fromNow: -retentionMs };
  const ended = { kind: 'is', field: 'completedDateTime', fieldKind: 'time', op: 'le', value } as const;
  const others = except.map((other) => ({ kind: 'not', of: inOrBelow(other) }) as const);
  return { kind: 'and', of: [ended, inOrBelow(path), ...others] };
}

/** By ranges, which the index of the categories answers: `0` is the character after `/`. */
function inOrBelow(path: string): Filter {
  const is = (op: FilterCondition['op'], value: string) =>
    ({ kind: 'is', field: 'category', fieldKind: 'text', op, value }) as const;
  const below = { kind: 'and', of: [is('ge', `${path}/`), is('lt', `${path}0`)] } as const;
  return { kind: 'or', of: [is('eq', path), below] };
}
