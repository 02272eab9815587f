import type { ItemCommand } from './command.js';
import { categoryDue } from './due-time.js';
import type { ItemDeleted, ItemMoved } from './event.js';
import { readyStatus } from './life-cycle.js';
import { overrideMax } from './limits.js';
import { fault, type Rejection } from './rejection.js';
import type { TenantState } from './state.js';
import type { Instant, Override, WorkItem } from './work-item.js';

/** What supervisors do to one item beside its way to an end: another priority, another category, away with it. */

/** Undefined when nothing is left to do: there is no override to take away. */
export function reprioritized(item: WorkItem, command: ItemCommand, now: Instant): ItemMoved | Rejection | undefined {
  const { priority, until, reason } = command;
  if (priority === null) return item.override === undefined ? undefined : changed(item, 'reprioritized', now, null);
  if (priority === undefined || !(Math.abs(priority) <= overrideMax)) {
    return fault('/priority', 'invalid-value', `expected a number from -${overrideMax} to ${overrideMax}, or null`);
  }
  if (until !== undefined && until <= now) return fault('/until', 'invalid-value', 'expected a time in the future');
  return changed(item, 'reprioritized', now, {
    priority,
    ...(until !== undefined && { until }),
    ...(reason !== undefined && { reason }),
  });
}

function changed(item: WorkItem, type: 'reprioritized', at: Instant, override: Override | null): ItemMoved {
  const { id, version, status } = item;
  return { type, at, id, version: version + 1, status, set: { override } };
}

/** The category sticks as one that the source has named. Undefined when the item is there already, by somebody's word. */
export function recategorized(
  state: TenantState,
  item: WorkItem,
  command: ItemCommand,
  now: Instant,
): ItemMoved | Rejection | undefined {
  const { category } = command;
  if (category === undefined || !state.categories.has(category)) {
    return fault('/category', 'invalid-value', `category ${category} does not exist`);
  }
  if (item.category === category && item.preclassified && item.error === undefined) return undefined;
  const { id, version, status, activationDateTime } = item;
  const due = item.dueDateTime === undefined ? categoryDue(state, category, item, item.createdDateTime) : {};
  const set = {
    category,
    preclassified: true,
    rule: null,
    error: null,
    ...(due.dueDateTime !== undefined && { dueDateTime: due.dueDateTime }),
    ...(due.dueByCategory && { dueByCategory: true }),
  };
  const next = status === 'errorheld' ? readyStatus(activationDateTime, now) : status;
  return { type: 'moved', at: now, id, version: version + 1, status: next, set };
}

export function deleted({ id, version, status }: WorkItem, { by, from }: ItemCommand, at: Instant): ItemDeleted {
  return { type: 'deleted', at, by, from, id, version: version + 1, status };
}
