import type { Event } from '../engine/event.js';
import { formatInstant } from '../engine/instant.js';
import { portable } from '../engine/saved-filter.js';
import { contentOf, documentsOf, isSettingsReplaced, type SettingsKind, settingsNames } from '../engine/settings.js';
import { bundleFormat } from '../engine/settings-check.js';
import type { TenantState } from '../engine/state.js';
import { settingsWarnings } from './answers.js';
import type { SettingsVersion } from './ports.js';
import type { Answer } from './request.js';

/** One page of a kind's versions, newest first. */
export function versionsAnswer(versions: readonly SettingsVersion[], next: string | null, isStale: boolean): Answer {
  const items = versions.map(({ version, at, by }) => ({ version, at: formatInstant(at), by: by ?? null }));
  return { status: 200, json: JSON.stringify({ items, next, ...(isStale && { stale: true }) }) };
}

/** All kinds in force and the shared filters, as one document that an import takes back. */
export function exportAnswer(state: TenantState): Answer {
  const filters = state.filters.list(undefined).map(portable);
  return { status: 200, json: JSON.stringify({ format: bundleFormat, ...documentsOf(state.settings), filters }) };
}

/** What an import has published. Without `events`, they were decided before the tenant recovered, and are in force. */
export function importAnswer(state: TenantState, events?: readonly Event[]): Answer {
  const versions = settingsNames.map((kind) => [kind, state.settings[kind].version]);
  const body = {
    ...(events && { published: publishedBy(events) }),
    versions: Object.fromEntries(versions),
    warnings: settingsWarnings(state),
  };
  return { status: 200, json: JSON.stringify(body) };
}

/** What an import would publish; nothing has changed. */
export function importPreview(events: readonly Event[]): Answer {
  return { status: 200, json: JSON.stringify({ dryRun: true, published: publishedBy(events) }) };
}

interface Published {
  kind: SettingsKind | 'filter';
  /** Of the filter. */
  id?: string;
  version: number;
}

function publishedBy(events: readonly Event[]): Published[] {
  return events.flatMap((event): Published[] => {
    if (isSettingsReplaced(event)) return [{ kind: contentOf(event).kind, version: event.version }];
    if (event.type !== 'filterSaved') return [];
    const { id, version } = event.filter;
    return [{ kind: 'filter', id, version }];
  });
}
