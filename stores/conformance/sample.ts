import type { HistoryEntry, Owner, Projection } from '../../actors/ports.js';
import type { Event } from '../../engine/event.js';
import type { WorkItem } from '../../engine/work-item.js';

/** Builders of plausible data for the suites; everything is derived from the arguments. */

export function owner(name: string): Owner {
  return { token: `token-of-${name}`, pod: `${name}/1`, url: `http://${name}:4024` };
}

/** A UUID that is the same for the same number and sorts like it. */
export function idOf(number: number): string {
  return `018f0000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

export function item(number: number, more: Partial<WorkItem> = {}): WorkItem {
  return {
    id: idOf(number),
    seq: number,
    version: 1,
    status: 'queued',
    createdDateTime: 1_700_000_000_000 + number,
    updatedDateTime: 1_700_000_000_000 + number,
    attributes: '{"a": 1}',
    fingerprint: '0123456789abcdef',
    ...more,
  };
}

/** An item with every field set, and values at the edges of what may be stored. */
export function fullItem(number: number): WorkItem {
  return item(number, {
    captureId: `Straße "\\' ${number} \u{1f6a7}`,
    category: 'noise/street',
    businessValue: -0.1,
    customerSegment: 'gold',
    departmentId: 'NYPD',
    processId: 'p',
    assignedTo: 'agent 7',
    createdDateTime: Date.UTC(1970, 0, 1, 0, 0, 0, 1),
    activationDateTime: Date.UTC(2200, 11, 31, 23, 59, 59, 999),
    dueDateTime: Date.UTC(2199, 1, 28, 23, 59, 59, 577),
    expirationDateTime: Date.UTC(2038, 0, 19, 3, 14, 8, 1),
    assignedDateTime: 1_700_000_000_001,
    heldDateTime: 1_700_000_000_002,
    completedDateTime: 1_700_000_000_003,
    channel: 'email',
    sourceVersion: 9_007_199_254_740_991,
    sourceUpdatedDateTime: 1_700_000_000_004,
    preclassified: true,
    override: { priority: 1e9 / 3, until: Date.UTC(2200, 0, 1, 0, 0, 0, 1), reason: 'ü' },
    stoppedMs: 3_600_000,
    dueByCategory: true,
    rule: 'noise',
    error: 'line 1\nline 2',
    reason: '\t',
    resultCode: 'ok',
    attributes: '{"deep":[{"x":null,"y":[1.5,true,"\\u00e9"]}],"":0}',
  });
}

export function created(number: number): Event {
  return { type: 'created', at: 1_700_000_000_000 + number, item: item(number) };
}

export function events(first: number, count: number): Event[] {
  return Array.from({ length: count }, (_, index) => created(first + index));
}

export function history(number: number, seq: number, more: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    itemId: idOf(number),
    seq,
    at: 1_700_000_000_000 + seq,
    type: 'created',
    version: 1,
    status: 'queued',
    details: {},
    ...more,
  };
}

export function projection(fromSeq: number, toSeq: number, more: Partial<Projection> = {}): Projection {
  return {
    fromSeq,
    toSeq,
    items: [],
    deleted: [],
    history: [],
    keys: [],
    settings: [],
    filters: [],
    entries: [],
    ...more,
  };
}
