import { newItem } from './decide.js';
import { isObject, parseDraft } from './draft.js';
import { formatInstant, parseInstant } from './instant.js';
import { nearest } from './nearest.js';
import { isRejection } from './rejection.js';
import type { TenantState } from './state.js';
import type { Instant } from './work-item.js';

/** What an item is like under settings: the fields that a case may expect something of. */
export interface SettingsOutcome {
  category: string | null;
  /** Id of the category whose rule hit. */
  rule: string | null;
  status: string;
  /** Points at the instant of the case. */
  priority: number;
  /** Why the item has no category. */
  error: string | null;
  dueDateTime: string | null;
  schema: string;
}

/** "Given this item, expect this at this time." */
export interface SettingsCase {
  name: string;
  item: Record<string, unknown>;
  /** When the item comes in; its createdDateTime, unless it says another. */
  receivedAt: Instant;
  /** When it is looked at. */
  at: Instant;
  expect: Partial<SettingsOutcome>;
}

export interface Difference {
  field: string;
  expected: unknown;
  actual: unknown;
}

const outcomeFields = ['category', 'rule', 'status', 'priority', 'error', 'dueDateTime', 'schema'] as const;
const caseFields = ['name', 'item', 'received', 'at', 'expect'];
const nobody = '00000000-0000-7000-8000-000000000000';
/** Priorities are whole millionths of a point. */
const tolerance = 0.5e-6;

/** Reads the cases of a file, `{ cases: [...] }`, or says everything that is wrong with them, a sentence each. */
export function readCases(file: unknown): { cases: SettingsCase[] } | { faults: string[] } {
  const list = isObject(file) ? file.cases : undefined;
  if (!Array.isArray(list) || list.length === 0) return { faults: ['cases: expected a list of at least one case'] };
  const faults: string[] = [];
  const cases = list.map((one, index) => readCase(one, index, faults));
  return faults.length > 0 ? { faults } : { cases };
}

function readCase(one: unknown, index: number, faults: string[]): SettingsCase {
  const body = isObject(one) ? one : {};
  const name = typeof body.name === 'string' && body.name !== '' ? body.name : `case ${index + 1}`;
  const fault = (detail: string) => faults.push(`${name}: ${detail}`);
  if (!isObject(one)) fault('expected an object');
  unknownNames(body, caseFields, fault);
  const { item, expect } = body;
  if (!isObject(item)) fault('item: expected the body of POST /workitems');
  if (!isObject(expect) || Object.keys(expect).length === 0)
    fault(`expect: expected some of ${outcomeFields.join(', ')}`);
  else unknownNames(expect, outcomeFields, fault);
  const at = instantOf(body.at, 'at', fault);
  const given = isObject(item) && body.received === undefined ? item.createdDateTime : body.received;
  const receivedAt = given === undefined ? at : instantOf(given, 'received', fault);
  if (receivedAt > at) fault('at: expected a time that is not before the item came in');
  return { name, item: item as Record<string, unknown>, receivedAt, at, expect: expect as Partial<SettingsOutcome> };
}

function unknownNames(object: object, known: readonly string[], fault: (detail: string) => void): void {
  for (const name of Object.keys(object)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    fault(`${name} is not known here; ${near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`}`);
  }
}

function instantOf(value: unknown, field: string, fault: (detail: string) => void): Instant {
  const instant = typeof value === 'string' ? parseInstant(value) : undefined;
  if (instant === undefined) fault(`${field}: expected an ISO 8601 time with an offset, e.g. 2026-03-02T08:30:00Z`);
  return instant ?? Number.NaN;
}

/** What the item would be under the state's settings, by the code that takes items in; or why it would be refused. */
export function outcomeOf(state: TenantState, one: SettingsCase): SettingsOutcome | { refused: string } {
  const { attributesBytesMax, tenantId } = state;
  const draft = parseDraft(one.item, { now: one.receivedAt, attributesBytesMax, tenantId });
  if (isRejection(draft)) return { refused: draft.detail };
  const item = newItem(state, draft, one.receivedAt, nobody);
  const schema = state.schemaIndexOf(item.category);
  const { priority, schema: schemaId } = state.orderPrioritization.explain(schema, item, one.at);
  return {
    category: item.category ?? null,
    rule: item.rule ?? null,
    // An activation that has come by then has taken the item into the queue.
    status: item.status === 'scheduled' && (item.activationDateTime as Instant) <= one.at ? 'queued' : item.status,
    priority,
    error: item.error ?? null,
    dueDateTime: item.dueDateTime === undefined ? null : formatInstant(item.dueDateTime),
    schema: schemaId,
  };
}

/** Where the outcome is not what the case expects. Times are compared as instants, an error by the text it contains. */
export function differences({ expect }: SettingsCase, outcome: SettingsOutcome): Difference[] {
  return outcomeFields
    .filter((field) => Object.hasOwn(expect, field) && !isAsExpected(field, expect[field], outcome[field]))
    .map((field) => ({ field, expected: expect[field], actual: outcome[field] }));
}

function isAsExpected(field: string, expected: unknown, actual: unknown): boolean {
  if (field === 'priority') return typeof expected === 'number' && Math.abs(expected - (actual as number)) < tolerance;
  if (typeof expected !== 'string' || typeof actual !== 'string') return expected === actual;
  if (field === 'dueDateTime') return parseInstant(expected) === parseInstant(actual);
  return field === 'error' ? actual.includes(expected) : expected === actual;
}
