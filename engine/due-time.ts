import { after, elapsed } from './clock.js';
import type { TenantState } from './state.js';
import type { Instant, WorkItem } from './work-item.js';

export type Due = Pick<WorkItem, 'dueDateTime' | 'dueByCategory'>;

/** What a due time depends on, beside the category. */
export type DueFacts = Pick<WorkItem, 'activationDateTime' | 'stoppedMs' | 'dueByCategory'>;

const noDue: Due = {};

/** The due time that the category gives an item whose source has given none: on the category's clock. */
export function categoryDue(state: TenantState, category: string, item: DueFacts, created: Instant): Due {
  const settings = state.categories.resolve(category);
  if (settings.dueAfterMs === undefined) return noDue;
  const clock = state.prioritization.clockFor(settings);
  const stops = clock.stopsWhileHeld || undefined;
  const ms = settings.dueAfterMs + (stops ? (item.stoppedMs ?? 0) : 0);
  const dueDateTime = after(clock, item.activationDateTime ?? created, ms);
  return Number.isFinite(dueDateTime) ? { dueDateTime, dueByCategory: stops } : noDue;
}

/** What the end of a hold changes when the category's clock has stood still meanwhile: a due time of its own moves on. */
export function afterHold(
  state: TenantState,
  item: WorkItem,
  now: Instant,
): Pick<WorkItem, 'stoppedMs' | 'dueDateTime'> {
  if (item.heldDateTime === undefined || item.category === undefined) return {};
  const clock = state.prioritization.clockFor(state.categories.resolve(item.category));
  const heldMs = clock.stopsWhileHeld ? elapsed(clock, item.heldDateTime, now) : 0;
  if (heldMs <= 0) return {};
  const stoppedMs = (item.stoppedMs ?? 0) + heldMs;
  if (!item.dueByCategory || item.dueDateTime === undefined) return { stoppedMs };
  const dueDateTime = after(clock, item.dueDateTime, heldMs);
  return Number.isFinite(dueDateTime) ? { stoppedMs, dueDateTime } : { stoppedMs };
}
