import type { CalendarDocument } from './calendar.js';
import type { CategoryDocument } from './category.js';
import type { Event, SettingsReplaced } from './event.js';
import type { SchemaDocument } from './schema.js';
import type { Instant } from './work-item.js';

/** A tenant's settings: each kind is one document, written whole and versioned by itself. */
export interface SettingsDocuments {
  categories: readonly CategoryDocument[];
  prioritization: readonly SchemaDocument[];
  calendars: readonly CalendarDocument[];
}

export type SettingsKind = keyof SettingsDocuments;

/**
 * What each kind is called elsewhere: the field that holds it, in `PUT /settings/{kind}` and in the event, and the
 * event itself. Journals are for ever, so no name here ever changes.
 */
export const settingsKinds = {
  categories: { field: 'categories', event: 'categoriesReplaced' },
  prioritization: { field: 'schemas', event: 'prioritizationReplaced' },
  calendars: { field: 'calendars', event: 'calendarsReplaced' },
} as const satisfies Record<SettingsKind, { field: string; event: SettingsReplaced['type'] }>;

export const settingsNames = Object.keys(settingsKinds) as SettingsKind[];

/** One kind with the version in force; 0 and no time for what a tenant begins with. */
export type Setting<K extends SettingsKind> = { version: number; at?: Instant; document: SettingsDocuments[K] };

export type Settings = { [K in SettingsKind]: Setting<K> };

export function documentsOf(settings: Settings): SettingsDocuments {
  const { categories, prioritization, calendars } = settings;
  return {
    categories: categories.document,
    prioritization: prioritization.document,
    calendars: calendars.document,
  };
}

/** A kind together with its document. */
export type SettingsContent = { [K in SettingsKind]: { kind: K; document: SettingsDocuments[K] } }[SettingsKind];

const kindOfEvent = new Map<string, SettingsKind>(settingsNames.map((kind) => [settingsKinds[kind].event, kind]));

export function isSettingsReplaced(event: Event): event is SettingsReplaced {
  return kindOfEvent.has(event.type);
}

/** What a settings event has put in force. */
export function contentOf(event: SettingsReplaced): SettingsContent {
  const kind = kindOfEvent.get(event.type) as SettingsKind;
  const fields = event as unknown as Record<string, unknown>;
  return { kind, document: fields[settingsKinds[kind].field] } as SettingsContent;
}

/** The event that puts the document in force. */
export function settingsReplaced(
  { kind, document }: SettingsContent,
  common: { at: Instant; by?: string; from?: string; version: number },
): SettingsReplaced {
  const { event, field } = settingsKinds[kind];
  return { type: event, ...common, [field]: document } as unknown as SettingsReplaced;
}
