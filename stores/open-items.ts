import type { OpenItems } from '../actors/ports.js';
import { type Status, statuses } from '../engine/work-item.js';

const ended: readonly Status[] = ['completed', 'canceled', 'rejected', 'expired'];

/** States in which an item still is the engine's business: all but the four ends. */
export const openStatuses: readonly Status[] = statuses.filter((status) => !ended.includes(status));

export function isOpen(status: Status): boolean {
  return !ended.includes(status);
}

/** An empty slice with room for `capacity` items: `count` is 0, lists are pushed to, number columns are set by row. */
export function newOpenItems(capacity: number): OpenItems {
  return {
    count: 0,
    id: [],
    status: [],
    category: [],
    customerSegment: [],
    assignedTo: [],
    created: new Float64Array(capacity),
    activation: new Float64Array(capacity),
    due: new Float64Array(capacity),
    expiration: new Float64Array(capacity),
    businessValue: new Float64Array(capacity),
    overridePriority: new Float64Array(capacity),
    overrideUntil: new Float64Array(capacity),
    stoppedMs: new Float64Array(capacity),
    seq: new Float64Array(capacity),
    version: new Float64Array(capacity),
  };
}
