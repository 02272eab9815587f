import { isObject } from './draft.js';
import type { FilterRemoved, FilterSaved } from './event.js';
import { filterFields } from './filter-field.js';
import { reasonLengthMax } from './limits.js';
import { erased, freeTexts, type Personal, valuesAt } from './personal.js';
import type { FilterVersion } from './saved-filter.js';

/**
 * What tells of a person outside of the person's items: in saved filters and bulk actions, which ask for items and say
 * why. Both lists are short texts.
 */
export interface Telling extends Personal {
  /** Ids of the person: they count wherever they stand. */
  subjects: readonly string[];
  /** What else was personal: counts where a personal field is asked for, and in free text. */
  values: readonly string[];
}

/** Stands in an erased question. No item has it, so it finds nobody: not those erased either, who all have `erased`. */
export const erasedQuestion = '[erased question]';
/** Below this length a word in a longer text is nobody's id. */
const wordLengthMin = 4;
const valuesMax = 500;
/** What a filter may ask of these is never a text about a person. */
const impersonal: ReadonlySet<string> = new Set(['id', 'status', 'number', 'time', 'flag']);

/** The values of an item that are somebody's, as texts, with their fields; those too long for any question are left out. */
export function personalValuesOf(item: Parameters<typeof valuesAt>[0], { keys, paths }: Personal) {
  const values = valuesAt(item, [...keys, ...paths.map((path) => `attributes.${path}`)]);
  return values.filter(([, value]) => !value.startsWith(erased) && isAskable(value)).slice(0, valuesMax);
}

/** Whether a question may hold this text at all. */
export function isAskable(text: string): boolean {
  return text.length > 0 && text.length <= reasonLengthMax;
}

/** The text without the words: all of it, or where they stand in it between blanks or signs. */
export function textWithout(text: string, words: readonly string[], instead = erased): string {
  if (words.includes(text)) return instead;
  return words
    .filter((word) => word.length >= wordLengthMin && text.includes(word))
    .reduce((left, word) => left.replace(asWord(word), () => instead), text);
}

function asWord(word: string): RegExp {
  const plain = word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return new RegExp(`(?<![\\p{L}\\p{N}])${plain}(?![\\p{L}\\p{N}])`, 'gu');
}

/** The pieces of a text that could be somebody's id: what `textWithout` would take out. */
export function wordsOf(text: string): string[] {
  return [...new Set([text, ...text.split(/[\s,;:()<>"'/]+/u).filter((word) => word.length >= wordLengthMin)])];
}

/** All texts of a JSON value, numbers as text. */
export function textsOf(json: unknown): string[] {
  if (typeof json === 'string' || typeof json === 'number') return [String(json)];
  if (Array.isArray(json)) return json.flatMap(textsOf);
  return isObject(json) ? Object.values(json).flatMap(textsOf) : [];
}

/** A filter as it was written, without asking for the person any more; what else it asks stays. */
export function questionWithout(json: unknown, telling: Telling): unknown {
  if (typeof json === 'string') return textWithout(json, telling.subjects, erasedQuestion);
  if (Array.isArray(json)) return json.map((one) => questionWithout(one, telling));
  if (!isObject(json)) return json;
  if (typeof json.field === 'string') return conditionWithout(json, json.field, telling);
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, questionWithout(value, telling)]));
}

function conditionWithout(condition: Record<string, unknown>, field: string, telling: Telling): object {
  if (impersonal.has(filterFields.get(field) ?? 'attribute')) return condition;
  const isPersonal = asksForPerson(field, telling);
  const without = (value: unknown): unknown => {
    if (typeof value !== 'string' && typeof value !== 'number') return value;
    const text = String(value);
    const words = isPersonal
      ? [...telling.subjects, ...telling.values]
      : telling.subjects.filter(({ length }) => length >= wordLengthMin);
    return textWithout(text, words) === text ? value : erasedQuestion;
  };
  const { value } = condition;
  return { ...condition, value: Array.isArray(value) ? value.map(without) : without(value) };
}

function asksForPerson(field: string, { keys, paths }: Personal): boolean {
  if (keys.includes(field) || (freeTexts as readonly string[]).includes(field)) return true;
  return paths.some((path) => `${field}.`.startsWith(`attributes.${path}.`));
}

/** The filter without what tells of the person; the same object when nothing does. */
export function filterWithout(filter: FilterVersion, telling: Telling): FilterVersion {
  const name = textWithout(filter.name, [...telling.subjects, ...telling.values]);
  const question = questionWithout(filter.filter, telling) as object;
  const isSame = name === filter.name && JSON.stringify(question) === JSON.stringify(filter.filter);
  return isSame ? filter : { ...filter, name, filter: question };
}

/** Whether a filter's id itself tells of the person: then the filter cannot stay. */
export function idTells(id: string, { subjects, values }: Telling): boolean {
  return textWithout(id, [...subjects, ...values]) !== id;
}

/** The event of the journal without what tells of the person; the same object when nothing does. */
export function filterEventWithout<E extends FilterSaved | FilterRemoved>(event: E, telling: Telling): E {
  if (event.type === 'filterRemoved') {
    return idTells(event.filterId, telling) ? { ...event, filterId: erased } : event;
  }
  const filter = filterWithout(event.filter, telling);
  const id = idTells(filter.id, telling) ? erased : filter.id;
  return filter === event.filter && id === filter.id ? event : { ...event, filter: { ...filter, id } };
}
