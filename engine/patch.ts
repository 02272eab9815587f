import { checkContent, refusal } from './content.js';
import { DraftReader, type FieldName, fieldNames, isObject, type Reading } from './draft.js';
import { fault, isRejection, type Rejection } from './rejection.js';
import type { Draft, WorkItem } from './work-item.js';

/** Identity and age: changing them would make another item of this one. */
const fixed = ['captureId', 'createdDateTime'] as const satisfies FieldName[];
const isFixed = (name: string) => (fixed as readonly string[]).includes(name);

type Json = Record<string, unknown>;

/**
 * Applies a JSON Merge Patch (RFC 7396) to what the source has said of an item: null takes a field away, `attributes`
 * merge key by key. The result obeys the same rules as a new draft. `changed` names the fields that differ.
 */
export function mergePatch(
  item: WorkItem,
  patch: unknown,
  at: Reading,
): { draft: Draft; changed: string[] } | Rejection {
  if (!isObject(patch)) return fault('', 'invalid-value', 'expected a JSON object: the fields to change');
  const before = sourceView(item);
  const reader = new DraftReader({ attributes: '{}', fingerprint: '' }, at);
  for (const name of fieldNames) {
    const kept = before[name];
    if (kept !== undefined && (!Object.hasOwn(patch, name) || isFixed(name))) reader.keep(name, kept);
  }
  for (const name in patch) {
    if (!isFixed(name) && name !== 'attributes') reader.read(name, patch[name]);
  }
  const refused = readAttributes(reader, item, patch);
  if (refused !== undefined) return refused;
  refuseFixed(reader, before, patch, at);
  const draft = reader.finish(item.createdDateTime);
  return isRejection(draft) ? draft : { draft, changed: differences(before, draft) };
}

/** The item as a draft. A category that a rule found is the engine's answer, not something the source said. */
function sourceView(item: WorkItem): Draft {
  const said = item.preclassified === true || item.rule === undefined;
  const view: Record<string, unknown> = { attributes: item.attributes, fingerprint: '' };
  for (const name of fieldNames) {
    if (item[name] !== undefined && (name !== 'category' || said)) view[name] = item[name];
  }
  return view as unknown as Draft;
}

function readAttributes(reader: DraftReader, item: WorkItem, patch: Json): Rejection | undefined {
  const given = patch.attributes;
  if (given === null) return undefined;
  if (given !== undefined && !isObject(given)) {
    reader.read('attributes', given);
    return undefined;
  }
  // The patch must be known to be shallow before anything recurses over it.
  const checked = checkContent(given ?? {}, '/attributes');
  if ('faults' in checked) return refusal(checked.faults);
  reader.read('attributes', merge(JSON.parse(item.attributes), given ?? {}));
  return undefined;
}

/** RFC 7396. Reads only keys that an object owns, so `constructor` is a key like any other. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Json = isObject(target) ? { ...target } : {};
  for (const key in patch) {
    if (patch[key] === null) delete merged[key];
    else merged[key] = merge(Object.hasOwn(merged, key) ? merged[key] : undefined, patch[key]);
  }
  return merged;
}

/** A fixed field may be repeated as it is. */
function refuseFixed(reader: DraftReader, before: Draft, patch: Json, at: Reading): void {
  for (const name of fixed) {
    if (!Object.hasOwn(patch, name)) continue;
    const given = new DraftReader({ attributes: '{}', fingerprint: '' }, at);
    given.read(name, patch[name]);
    if (given.draft[name] !== before[name]) reader.fault(name, `${name} cannot be changed`);
  }
}

function differences(before: Draft, after: Draft): string[] {
  return [...fieldNames, 'attributes' as const].filter((name) => before[name] !== after[name]);
}
