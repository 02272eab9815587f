import { checkCalendars } from './calendar-check.js';
import { compileCategories } from './category-tree.js';
import { checkContent, faultsMax, pointerKey } from './content.js';
import { isObject } from './draft.js';
import { savedFiltersMax } from './limits.js';
import { compilePrioritization } from './prioritization.js';
import type { Fault } from './rejection.js';
import { checkSavedFilter, type SavedFilter } from './saved-filter.js';
import { type SettingsContent, type SettingsDocuments, type SettingsKind, settingsKinds } from './settings.js';

/**
 * Checks the document of a kind, as `PUT /settings/{kind}` takes it, against the documents of the other kinds that it
 * names things of.
 */
export function checkSettings(
  kind: SettingsKind,
  body: unknown,
  others: SettingsDocuments,
): SettingsContent | { faults: Fault[] } {
  switch (kind) {
    case 'categories': {
      const compiled = compileCategories(body, idsOf(others.prioritization), idsOf(others.calendars));
      return 'faults' in compiled ? compiled : { kind, document: compiled.tree.documents };
    }
    case 'prioritization': {
      const compiled = compilePrioritization(body, idsOf(others.calendars));
      return 'faults' in compiled ? compiled : { kind, document: compiled.prioritization.documents };
    }
    case 'calendars': {
      const checked = checkCalendars(body);
      return 'faults' in checked ? checked : { kind, document: checked.documents };
    }
  }
}

function idsOf(documents: readonly { id: string }[]): ReadonlySet<string> {
  return new Set(documents.map(({ id }) => id));
}

/** Several kinds together, each the list that stands in its document: a draft, or what is exported and imported. */
export type SettingsBundle = Partial<SettingsDocuments>;

/** First field of an exported file: which release's file it is. */
export const bundleFormat = 'iwd-settings/1';

/** The kinds in the order in which they are published: what a later one names is there before. */
export const bundleKinds = ['calendars', 'prioritization', 'categories'] as const satisfies readonly SettingsKind[];

/**
 * Checks the kinds that `value` holds, together: each may name what the bundle brings, or, where it brings none of that
 * kind, what is in force. Every fault has its pointer from the root of `value`. Fields that are no kind are somebody
 * else's to check.
 */
export function checkBundle(
  value: Record<string, unknown>,
  inForce: SettingsDocuments,
): { bundle: SettingsBundle } | { faults: Fault[] } {
  const faults: Fault[] = [];
  let documents = inForce;
  const given = bundleKinds.filter((kind) => Object.hasOwn(value, kind));
  for (const kind of given) {
    const checked = checkPart(kind, value[kind], documents);
    if ('faults' in checked) faults.push(...checked.faults);
    else documents = { ...documents, [kind]: checked.document };
    // What the next kinds name of a faulty one would only repeat its faults.
    if (faults.length > 0) return { faults };
  }
  return { bundle: Object.fromEntries(given.map((kind) => [kind, documents[kind]])) };
}

/** Checks a whole exported file: its format, its kinds, its saved filters, and that there is nothing else in it. */
export function checkImport(
  value: unknown,
  inForce: SettingsDocuments,
): { bundle: SettingsBundle; filters: SavedFilter[] } | { faults: Fault[] } {
  if (!isObject(value)) return { faults: [{ pointer: '', code: 'invalid-value', detail: 'expected a settings file' }] };
  const { format, filters = [], ...kinds } = value;
  const faults: Fault[] = Object.keys(kinds)
    .filter((name) => !(bundleKinds as readonly string[]).includes(name))
    .slice(0, faultsMax)
    .map((name) => ({
      pointer: `/${pointerKey(name)}`,
      code: 'unknown-field',
      detail: `this is not known here; known: format, filters, ${bundleKinds.join(', ')}`,
    }));
  if (format !== undefined && format !== bundleFormat) {
    faults.push({ pointer: '/format', code: 'invalid-value', detail: `expected ${bundleFormat}, or no format` });
  }
  if (Object.keys(kinds).length === 0 && value.filters === undefined) {
    const detail = `expected at least one of filters, ${bundleKinds.join(', ')}`;
    faults.push({ pointer: '', code: 'missing-field', detail });
  }
  const saved = checkFilters(filters, faults);
  if (faults.length > 0) return { faults };
  const checked = checkBundle(kinds, inForce);
  return 'faults' in checked ? checked : { ...checked, filters: saved };
}

/** The file's saved filters; what is wrong with them is added to `faults`. */
function checkFilters(filters: unknown, faults: Fault[]): SavedFilter[] {
  if (!Array.isArray(filters) || filters.length > savedFiltersMax) {
    const detail = `expected a list of at most ${savedFiltersMax} filters`;
    faults.push({ pointer: '/filters', code: 'invalid-value', detail });
    return [];
  }
  return filters.flatMap((filter: unknown, index) => {
    if (faults.length >= faultsMax) return [];
    const id = isObject(filter) && typeof filter.id === 'string' ? filter.id : '';
    const checked = checkSavedFilter(id, filter);
    if ('saved' in checked) return [checked.saved];
    faults.push(...checked.faults.map((fault) => ({ ...fault, pointer: `/filters/${index}${fault.pointer}` })));
    return [];
  });
}

/** The kinds of a bundle one by one, in the order in which they are published. */
export function contentsOf(bundle: SettingsBundle): SettingsContent[] {
  return bundleKinds.flatMap((kind) =>
    bundle[kind] === undefined ? [] : [{ kind, document: bundle[kind] } as SettingsContent],
  );
}

function checkPart(kind: SettingsKind, part: unknown, others: SettingsDocuments) {
  const content = checkContent(part, `/${kind}`);
  if ('faults' in content) return content;
  const { field } = settingsKinds[kind];
  const checked = checkSettings(kind, { [field]: part }, others);
  if (!('faults' in checked)) return checked;
  return { faults: checked.faults.map((fault) => ({ ...fault, pointer: moved(fault.pointer, field, kind) })) };
}

/** The pointer, when its first step is `field`, with the kind in its place. */
function moved(pointer: string, field: string, kind: SettingsKind): string {
  return pointer === `/${field}` || pointer.startsWith(`/${field}/`)
    ? `/${kind}${pointer.slice(field.length + 1)}`
    : pointer;
}
