import type { Command } from './command.js';
import type { TenantState } from './state.js';
import { type Instant, statuses } from './work-item.js';

/** What has become due for the item, undefined when its deadline means nothing any more. */
export function dueCommand(state: TenantState, id: string, now: Instant): Command | undefined {
  const slot = state.table.find(id);
  if (slot < 0) return undefined;
  const status = statuses[state.table.status[slot]];
  if (status !== 'assigned' && state.table.expiration[slot] <= now) return { type: 'expire', id };
  if (status === 'scheduled' && state.table.activation[slot] <= now) return { type: 'activateDue', id };
  return undefined;
}
