import { isObject } from './draft.js';
import { type ItemEvent, writtenDetails } from './event.js';
import { plainTexts, type WorkItem } from './work-item.js';

/** Where a tenant's items hold personal data, as its categories say. */
export interface Personal {
  /** Where a person's id stands: names of item fields, or `attributes.` and a path. */
  keys: readonly string[];
  /** Paths into the attributes; an array on the way means each of its elements. */
  paths: readonly string[];
}

/** What stands in the place of an erased value. */
export const erased = '[erased]';
/** The fingerprint of content that is not there any more: none that `content.ts` computes. */
export const erasedFingerprint = '0'.repeat(16);

/** Every item may name its person here. */
export const subjectKeyDefault = 'customerId';
const attributesPrefix = 'attributes.';
/** Texts that people write freely, and errors, which may quote a value. */
export const freeTexts = [...writtenDetails, 'error'] as const;
/** Where else than in the source's plain texts a person's id may stand. */
const captureKey = 'captureId';

const pathPattern = /^[^.\p{Cc}\p{Surrogate}]{1,64}(?:\.[^.\p{Cc}\p{Surrogate}]{1,64}){0,7}$/u;

export function isAttributePath(text: unknown): text is string {
  return typeof text === 'string' && pathPattern.test(text);
}

export function isSubjectKey(text: unknown): text is string {
  if (typeof text !== 'string') return false;
  if (text.startsWith(attributesPrefix)) return isAttributePath(text.slice(attributesPrefix.length));
  return text === captureKey || (plainTexts as readonly string[]).includes(text);
}

/** The ids of the persons that the item is about. */
export function subjectIdsOf(item: Pick<WorkItem, 'attributes'>, keys: readonly string[]): string[] {
  return collected(item, keys, false).map(([, value]) => value);
}

/** Every text and number, as text, that stands at these places of the item or below them, with the field that it is. */
export function valuesAt(item: Pick<WorkItem, 'attributes'>, keys: readonly string[]): Value[] {
  return collected(item, keys, true);
}

type Value = [field: string, value: string];

function collected(item: Pick<WorkItem, 'attributes'>, keys: readonly string[], below: boolean): Value[] {
  const found: Value[] = [];
  let attributes: unknown;
  for (const key of keys) {
    if (!key.startsWith(attributesPrefix)) {
      const value = (item as unknown as Record<string, unknown>)[key];
      if (typeof value === 'string') found.push([key, value]);
      continue;
    }
    attributes ??= JSON.parse(item.attributes);
    const path = key.slice(attributesPrefix.length).split('.');
    for (const one of collect(attributes, path, 0, below)) found.push([attributesPrefix + one[0].join('.'), one[1]]);
  }
  return found;
}

function collect(value: unknown, path: readonly string[], depth: number, below: boolean): [string[], string][] {
  if (Array.isArray(value)) return value.flatMap((element) => collect(element, path, depth, below));
  if (depth >= path.length && !isObject(value)) {
    return typeof value === 'string' || typeof value === 'number' ? [[[...path], String(value)]] : [];
  }
  if (!isObject(value)) return [];
  if (depth < path.length) {
    return Object.hasOwn(value, path[depth]!) ? collect(value[path[depth]!], path, depth + 1, below) : [];
  }
  if (!below) return [];
  return Object.entries(value).flatMap(([name, part]) => collect(part, [...path, name], depth + 1, below));
}

type Fields = { [K in keyof WorkItem]?: WorkItem[K] };

/**
 * The fields of the item that change when its personal data goes; undefined when there is nothing left to erase. What
 * the order, the deadlines and the category are made of stays.
 */
export function erasureOf(item: Fields & Pick<WorkItem, 'attributes'>, personal: Personal): Fields | undefined {
  const attributes = attributesWithout(item.attributes, personal);
  const fields: Record<string, unknown> = { ...fieldsWithout(item, personal), ...(attributes && { attributes }) };
  if (Object.keys(fields).length === 0) return undefined;
  if ('fingerprint' in item) fields.fingerprint = erasedFingerprint;
  return fields as Fields;
}

function fieldsWithout(item: Fields, { keys }: Personal): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of [...keys, ...freeTexts]) {
    const value = (item as Record<string, unknown>)[name];
    if (typeof value !== 'string' || value === erased) continue;
    // No two items have the same captureId, and what is decided by it must find this one or none.
    if (name !== captureKey) fields[name] = erased;
    else if (!value.startsWith(erased)) fields[name] = `${erased} ${item.id}`;
  }
  const { override } = item;
  if (override?.reason !== undefined && override.reason !== erased) fields.override = { ...override, reason: erased };
  return fields;
}

/** The attributes' text without what is personal; undefined when nothing of it is there. */
function attributesWithout(text: string, { keys, paths }: Personal): string | undefined {
  const all = [
    ...paths,
    ...keys.filter((key) => key.startsWith(attributesPrefix)).map((key) => key.slice(attributesPrefix.length)),
  ];
  if (all.length === 0) return undefined;
  const attributes = JSON.parse(text) as Record<string, unknown>;
  const changes = all.map((path) => eraseAt(attributes, path.split('.'), 0));
  return changes.includes(true) ? JSON.stringify(attributes) : undefined;
}

/** Puts `erased` in the place of whatever stands at the path; true when something else stood there. */
function eraseAt(value: unknown, path: readonly string[], depth: number): boolean {
  if (Array.isArray(value)) {
    return value.map((element) => eraseAt(element, path, depth)).includes(true);
  }
  const name = path[depth]!;
  if (!isObject(value) || !Object.hasOwn(value, name)) return false;
  if (depth < path.length - 1) return eraseAt(value[name], path, depth + 1);
  if (value[name] === erased) return false;
  value[name] = erased;
  return true;
}

/**
 * An event of the journal without the personal data of its item. The client's Idempotency-Key goes too: clients make
 * them of whatever they have. Replaying it leads to the item as `erasureOf` leaves it.
 */
export function eventWithout(event: ItemEvent, personal: Personal): ItemEvent {
  const { key: _key, ...rest } = event;
  if ('item' in rest) return { ...rest, item: { ...rest.item, ...erasureOf(rest.item, personal) } } as ItemEvent;
  if (rest.type === 'deleted' || rest.set === undefined) return rest as ItemEvent;
  const { set } = rest;
  const attributes = set.attributes == null ? undefined : attributesWithout(set.attributes, personal);
  return { ...rest, set: { ...set, ...fieldsWithout(set as Fields, personal), ...(attributes && { attributes }) } };
}
