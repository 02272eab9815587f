import {
  type Event,
  type FilterChanged,
  type ItemDeleted,
  type ItemEvent,
  isFilterChanged,
  isNote,
  type Note,
} from '../engine/event.js';
import type { FilterChange } from '../engine/saved-filter.js';
import { contentOf, isSettingsReplaced } from '../engine/settings.js';
import type { TenantState } from '../engine/state.js';
import type { WorkItem } from '../engine/work-item.js';
import type { Entry } from './entry.js';
import type { FilterRecord, HistoryEntry, KeyRecord, SettingsRecord, TenantEntry } from './ports.js';
import type { Reply } from './request.js';

/** Attribute bytes of one journal row. */
const bytesMax = 4 * 1024 * 1024;

/**
 * Events that will be committed as one journal row, what they mean for the followers, and whoever waits for them to be
 * durable. Written while the batch before it is being committed; read-only from the moment its own commit begins.
 */
export class Batch {
  /** Number of the last event before this batch. */
  readonly afterSeq: number;
  readonly events: Event[] = [];
  readonly items: WorkItem[] = [];
  /** Ids of items whose rows go. */
  readonly deleted: string[] = [];
  readonly history: HistoryEntry[] = [];
  readonly keys: KeyRecord[] = [];
  readonly settings: SettingsRecord[] = [];
  readonly filters: FilterRecord[] = [];
  readonly entries: TenantEntry[] = [];
  /** Who waits for this batch: how many of the entry's commands are decided with it, and its reply when that is all. */
  readonly waiters: { entry: Entry; decided: number; reply?: Reply }[] = [];

  #bytes = 0;

  constructor(afterSeq: number) {
    this.afterSeq = afterSeq;
  }

  get toSeq(): number {
    return this.afterSeq + this.events.length;
  }

  /** Whether another event would make the journal's row, and with it the commit, too large. */
  isFull(eventsMax: number): boolean {
    return this.events.length >= eventsMax || this.#bytes >= bytesMax;
  }

  /** The batch is durable: everybody who waited for it learns so. */
  settle(): void {
    for (const { entry, decided, reply } of this.waiters) {
      entry.durable = Math.max(entry.durable, decided);
      if (reply !== undefined) entry.answer(reply);
    }
  }

  /** Adds an event that `state` has just applied. */
  add(event: Event, state: TenantState): void {
    this.events.push(event);
    const seq = this.toSeq;
    if (event.key !== undefined) {
      const { key, fingerprint, status } = event.key;
      this.keys.push({ key, fingerprint, status, itemId: itemIdOf(event), at: event.at });
    }
    if (isSettingsReplaced(event)) {
      const { version, at, by } = event;
      this.settings.push({ seq, version, at, by, ...contentOf(event) });
      this.entries.push({ seq, at, type: event.type, by, from: event.from, details: { version } });
      return;
    }
    if (isFilterChanged(event)) {
      const change: FilterChange =
        event.type === 'filterSaved' ? [event.filter.id, event.filter] : [event.filterId, null];
      this.filters.push({ seq, change });
      this.entries.push(filterEntry(event, seq));
      return;
    }
    if (isNote(event)) {
      this.entries.push(noteEntry(event, seq));
      return;
    }
    if (event.type === 'deleted') {
      this.#addDeleted(event, seq);
      return;
    }
    const item = state.mustDocument('item' in event ? event.item.id : event.id);
    this.items.push(item);
    this.#bytes += item.attributes.length;
    this.history.push({
      itemId: item.id,
      seq,
      at: event.at,
      type: event.type,
      by: event.by,
      from: event.from,
      version: item.version,
      status: item.status,
      details: detailsOf(event),
    });
  }

  #addDeleted({ id, at, by, from, version, status }: ItemDeleted, seq: number): void {
    this.deleted.push(id);
    this.history.push({ itemId: id, seq, at, type: 'deleted', by, from, version, status, details: {} });
  }
}

/** Who saved or removed which filter; what it asks is in the filter itself. */
function filterEntry(event: FilterChanged, seq: number): TenantEntry {
  const { type, at, by, from } = event;
  if (event.type === 'filterRemoved') return { seq, at, type, by, from, details: { filter: event.filterId } };
  const { id, name, shared } = event.filter;
  return { seq, at, type, by, from, details: { filter: id, name, shared } };
}

/** Digests are for the verification of the journal, not for people. */
function noteEntry(event: Note, seq: number): TenantEntry {
  const { type, at, by, from, key: _key, ...content } = event;
  const details = 'rows' in content ? { ...content, rows: content.rows.length } : content;
  return { seq, at, type, by, from, details };
}

function itemIdOf(event: Event): string | null {
  if ('item' in event) return event.item.id;
  return 'id' in event ? event.id : null;
}

/** What a person wants to read of an event: never the attributes, which are the item's own. */
function detailsOf(event: Exclude<ItemEvent, ItemDeleted>): Record<string, unknown> {
  switch (event.type) {
    case 'created':
      return {
        // The states that the item went through in this one decision.
        path: event.item.error === undefined ? ['new', 'captured', event.item.status] : ['new', event.item.status],
        category: event.item.category,
        rule: event.item.rule,
        error: event.item.error,
      };
    case 'updated':
      return { changed: event.changed, category: event.item.category, rule: event.item.rule, error: event.item.error };
    case 'erased':
      return { fields: Object.keys(event.set ?? {}) };
    case 'reprioritized': {
      const { priority = null, until, reason } = event.set?.override ?? {};
      return { priority, untilDateTime: until, reason };
    }
    default:
      return Object.fromEntries(Object.entries(event.set ?? {}).filter(([, value]) => value !== null));
  }
}
