import type { BulkActionName, BulkArguments } from './bulk-action.js';
import type { CalendarDocument } from './calendar.js';
import type { CategoryDocument } from './category.js';
import type { FilterVersion } from './saved-filter.js';
import type { SchemaDocument } from './schema.js';
import type { Instant, Status, WorkItem } from './work-item.js';

/**
 * What has happened, in the past tense: the only way that state changes, and what the journal keeps for ever. An event
 * says the outcome, not the reasoning, so that replaying it needs no rule, no clock and no randomness.
 */
export type Event = ItemEvent | SettingsReplaced | FilterChanged | Note;

export type ItemEvent = ItemCreated | ItemUpdated | ItemMoved | ItemDeleted;

/** A settings document was replaced as a whole; `settings.ts` knows the kinds. */
export type SettingsReplaced = CategoriesReplaced | PrioritizationReplaced | CalendarsReplaced;

/** A saved filter came, changed or went. */
export type FilterChanged = FilterSaved | FilterRemoved;

/** Something happened to the tenant and changes no state: kept for the audit log. */
export type Note = ErasureAnnounced | SubjectErased | SubjectExported | BulkActionStarted;

interface Common {
  at: Instant;
  /** Who asked: the name of the API key or of the engine's own timer. */
  by?: string;
  /** Where the request came from: the client's address. */
  from?: string;
  /** The Idempotency-Key that this event answers, its request's fingerprint and the first answer's status. */
  key?: { key: string; fingerprint: string; status: number };
}

export interface ItemCreated extends Common {
  type: 'created';
  item: WorkItem;
}

/** `item` is the whole item after the update: a patch is merged when it is decided, never when it is replayed. */
export interface ItemUpdated extends Common {
  type: 'updated';
  item: WorkItem;
  /** Names of the fields that changed. */
  changed: string[];
}

export const moves = [
  'held',
  'resumed',
  'canceled',
  'completed',
  'rejected',
  'restarted',
  'activated',
  'assigned',
  'unassigned',
  'expired',
  'erased',
  'reprioritized',
  'moved',
] as const;

export type Move = (typeof moves)[number];

/** The item went from one state to another, or stayed and something else of its life changed. Carries only what changes. */
export interface ItemMoved extends Common {
  type: Move;
  id: string;
  version: number;
  status: Status;
  /** Fields of the item that change with the move; null takes a field away. */
  set?: { [K in keyof WorkItem]?: WorkItem[K] | null };
}

/** Details that hold what somebody has written: they leave an item's history when the item is deleted. */
export const writtenDetails = ['reason', 'resultCode'] as const;

/** The item is gone: from memory, tables and lists. Its id never comes back, its captureId is free again. */
export interface ItemDeleted extends Common {
  type: 'deleted';
  id: string;
  version: number;
  /** The state that it was in. */
  status: Status;
}

export interface CategoriesReplaced extends Common {
  type: 'categoriesReplaced';
  version: number;
  categories: CategoryDocument[];
}

export interface PrioritizationReplaced extends Common {
  type: 'prioritizationReplaced';
  version: number;
  schemas: SchemaDocument[];
}

export interface CalendarsReplaced extends Common {
  type: 'calendarsReplaced';
  version: number;
  calendars: CalendarDocument[];
}

export interface FilterSaved extends Common {
  type: 'filterSaved';
  filter: FilterVersion;
}

export interface FilterRemoved extends Common {
  type: 'filterRemoved';
  filterId: string;
}

/** An erasure is about to rewrite rows of the journal: what their events' SHA-256 will be. */
export interface ErasureAnnounced extends Common {
  type: 'erasureAnnounced';
  erasure: string;
  rows: { seq: number; digest: Uint8Array }[];
}

/** All that was known of a person is erased; the ledger of erasures knows who it was, as a keyed hash. */
export interface SubjectErased extends Common {
  type: 'subjectErased';
  erasure: string;
  items: number;
  /** Left out when several persons were erased together. */
  journalRows?: number;
}

/** Somebody was given all that is known of a person. */
export interface SubjectExported extends Common {
  type: 'subjectExported';
  items: number;
}

/** Somebody has asked for the same to be done to many items: what follows bears the keys `bulk:<bulkAction>#<n>`. */
export interface BulkActionStarted extends Common {
  type: 'bulkActionStarted';
  bulkAction: string;
  action: BulkActionName;
  /** How the items were named. */
  items: 'ids' | 'filter';
  matched: number;
  /** Without what people have written. */
  arguments: BulkArguments;
}

const notes: ReadonlySet<string> = new Set([
  'erasureAnnounced',
  'subjectErased',
  'subjectExported',
  'bulkActionStarted',
]);

export function isNote(event: Event): event is Note {
  return notes.has(event.type);
}

export function isFilterChanged(event: Event): event is FilterChanged {
  return event.type === 'filterSaved' || event.type === 'filterRemoved';
}
