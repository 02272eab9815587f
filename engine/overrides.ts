import { scoreUnits } from './limits.js';
import type { Instant, Override } from './work-item.js';

/** The override that is in force for the item at t. */
export function overrideAt(item: { readonly override?: Override }, t: Instant): Override | undefined {
  const { override } = item;
  return override === undefined || (override.until !== undefined && t >= override.until) ? undefined : override;
}

/** Whole millionths of a point, as scores are counted. */
export function overrideUnits({ priority }: Override): number {
  return Math.round(priority * scoreUnits);
}

interface Entry {
  units: number;
  /** NaN: for ever. */
  until: Instant;
}

/**
 * The overrides of open items by slot of the item table. Few items have one, so that they are no columns: whoever has
 * none is spared both the memory and the look-up. One whose time is over stays until the item changes or goes.
 */
export class Overrides {
  readonly #bySlot = new Map<number, Entry>();

  get size(): number {
    return this.#bySlot.size;
  }

  set(slot: number, units: number, until: Instant): void {
    this.#bySlot.set(slot, { units, until });
  }

  delete(slot: number): void {
    this.#bySlot.delete(slot);
  }

  get(slot: number): Readonly<Entry> | undefined {
    return this.#bySlot.get(slot);
  }

  /** Whether the slot's override decides its place at t. */
  holds(slot: number, t: Instant): boolean {
    const entry = this.#bySlot.get(slot);
    return entry !== undefined && !(t >= entry.until);
  }
}
