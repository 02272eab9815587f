import type { Note } from './event.js';
import type { Personal } from './personal.js';
import type { Telling } from './personal-text.js';
import type { SavedFilter } from './saved-filter.js';
import type { SettingsContent } from './settings.js';
import type { Draft, Instant } from './work-item.js';

/** What is asked, in the imperative. `now` and new ids come with the call of `decide`, never from here. */
export type Command =
  | Create
  | Update
  | ItemCommand
  | Next
  | { type: 'expire' | 'activateDue'; id: string }
  | ReplaceSettings
  | SaveFilter
  | RemoveFilter
  | Erase
  | EraseFilters
  | ({ type: 'note'; note: NoteContent } & Caller)
  | ImportSettings;

interface Caller {
  by?: string;
  /** The client's address, kept in the events. */
  from?: string;
  /** The client's Idempotency-Key with the fingerprint of the whole request. */
  key?: { key: string; fingerprint: string };
}

/** What a note says, without its time and who asked. */
export type NoteContent = {
  [T in Note['type']]: Omit<Extract<Note, { type: T }>, 'at' | 'by' | 'from' | 'key'>;
}[Note['type']];

/** The item's personal data goes, whatever state it is in; nothing else of it changes. */
export interface Erase extends Caller {
  type: 'erase';
  id: string;
  personal: Personal;
}

/** What tells of a person leaves these saved filters, whoever they belong to. */
export interface EraseFilters extends Caller {
  type: 'eraseFilters';
  filterIds: readonly string[];
  telling: Telling;
}

/** Puts a new version of one settings document in force. */
export interface ReplaceSettings {
  type: 'replaceSettings';
  content: SettingsContent;
  ifMatch?: number;
  by?: string;
  from?: string;
}

/** Puts new versions of several settings documents in force and saves filters, all of it or nothing. */
export interface ImportSettings {
  type: 'importSettings';
  contents: readonly SettingsContent[];
  /** Saved with them; others stay. */
  filters?: readonly SavedFilter[];
  by?: string;
  from?: string;
}

export interface SaveFilter extends Caller {
  type: 'saveFilter';
  saved: SavedFilter;
  ifMatch?: number;
}

export interface RemoveFilter extends Caller {
  type: 'removeFilter';
  filterId: string;
  ifMatch?: number;
}

export interface Create extends Caller {
  type: 'create';
  draft: Draft;
  /** The draft's attributes as they were parsed, where they are at hand: rules need not parse the text again. */
  parsed?: object;
  mode: 'create' | 'upsert';
}

/** A JSON Merge Patch (RFC 7396): null takes a field away. */
export interface Update extends Caller {
  type: 'update';
  id: string;
  patch: Record<string, unknown>;
  ifMatch?: number;
}

export const itemCommands = [
  'hold',
  'resume',
  'cancel',
  'complete',
  'reject',
  'restart',
  'activate',
  'assign',
  'unassign',
  'reprioritize',
  'move',
  'delete',
] as const;

export type ItemCommandName = (typeof itemCommands)[number];

export interface ItemCommand extends Caller {
  type: ItemCommandName;
  id: string;
  ifMatch?: number;
  reason?: string;
  resultCode?: string;
  agentId?: string;
  /** reprioritize: points, null takes the override away; and when it is over. */
  priority?: number | null;
  until?: Instant;
  /** move: where to. */
  category?: string;
}

/** The best item of the queue at this instant is assigned to the agent. */
export interface Next extends Caller {
  type: 'next';
  agentId: string;
}
