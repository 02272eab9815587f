import { type AuditPage, auditPageJson, withTimes } from '../engine/audit-log.js';
import { after, stoppedBy } from '../engine/clock.js';
import { formatInstant } from '../engine/instant.js';
import { itemJson, overrideJson } from '../engine/item-json.js';
import { overrideAt } from '../engine/overrides.js';
import type { Explanation } from '../engine/prioritization.js';
import type { FilterVersion } from '../engine/saved-filter.js';
import { type Setting, type SettingsKind, settingsKinds } from '../engine/settings.js';
import type { TenantState } from '../engine/state.js';
import type { Instant, WorkItem } from '../engine/work-item.js';
import type { HistoryEntry, SettingsRecord } from './ports.js';
import type { Answer } from './request.js';

/** Future changes of priority that an explanation lists. */
const changesShown = 10;
/** Items counted for a rank; beyond, the answer says "at least". */
const rankMax = 100_000;
const warningsShown = 100;

/** The item's priority by the order in force, at `now`; at its end once it has reached one. */
export function priorityOf(state: TenantState, item: WorkItem, now: Instant): number {
  const at = item.completedDateTime ?? now;
  return state.orderPrioritization.priorityAt(state.schemaIndexOf(item.category), item, at);
}

export function itemText(
  state: TenantState,
  item: WorkItem,
  now: Instant,
  more: { age?: boolean; ignored?: boolean } = {},
): string {
  return itemJson(item, {
    tenantId: state.tenantId,
    priority: priorityOf(state, item, now),
    override: overrideAt(item, item.completedDateTime ?? now),
    ageMs: more.age ? now - item.createdDateTime : undefined,
    ignored: more.ignored,
  });
}

/** One item as the whole answer. */
export function itemAnswer(state: TenantState, item: WorkItem, now: Instant, more: Partial<Answer> = {}): Answer {
  const { ignored, ...rest } = more;
  return { status: 200, json: itemText(state, item, now, { ignored }), version: item.version, id: item.id, ...rest };
}

/** A page of items: `{ items, next }`; `stale` says that the tables lag behind what was acknowledged. */
export function pageAnswer(
  state: TenantState,
  items: readonly WorkItem[],
  next: string | null,
  now: Instant,
  isStale = false,
): Answer {
  const texts = items.map((item) => itemText(state, item, now));
  const stale = isStale ? ',"stale":true' : '';
  return { status: 200, json: `{"items":[${texts.join(',')}],"next":${JSON.stringify(next)}${stale}}` };
}

/** A page of what was searched for, and how many there are; `at` is when the first page was asked. */
export function searchAnswer(
  state: TenantState,
  items: readonly WorkItem[],
  now: Instant,
  about: { next: string | null; total: number; totalIsAtLeast: boolean; at: Instant; isStale: boolean },
): Answer {
  const texts = items.map((item) => itemText(state, item, now));
  const { next, total, totalIsAtLeast, isStale } = about;
  const rest = { next, total, totalIsAtLeast, at: formatInstant(about.at), ...(isStale && { stale: true }) };
  return { status: 200, json: `{"items":[${texts.join(',')}],${JSON.stringify(rest).slice(1)}` };
}

/** One saved filter; nobody but who may see it asks for its answer. */
export function filterAnswer(state: TenantState, id: string, status: Answer['status'] = 200): Answer {
  const filter = state.filters.find(id) as FilterVersion;
  return { status, json: JSON.stringify(filterView(filter)), version: filter.version };
}

export function filtersAnswer(filters: readonly FilterVersion[]): Answer {
  return { status: 200, json: JSON.stringify({ filters: filters.map(filterView) }) };
}

function filterView({ id, name, shared, owner, filter, sort, version, at }: FilterVersion): object {
  const updatedDateTime = at === undefined ? null : formatInstant(at);
  return { id, name, shared, owner: owner ?? null, filter, sort: sort ?? null, version, updatedDateTime };
}

/** The queue's head in exact order at one instant. */
export function queueAnswer(state: TenantState, items: readonly WorkItem[], now: Instant): Answer {
  const texts = items.map((item) => itemText(state, item, now, { age: true }));
  return { status: 200, json: `{"at":"${formatInstant(now)}","items":[${texts.join(',')}]}` };
}

export function historyAnswer(entries: readonly HistoryEntry[], next: string | null, isStale = false): Answer {
  const items = entries.map(({ seq, at, type, by, from, version, status, details }) => ({
    seq,
    at: formatInstant(at),
    type,
    by: by ?? null,
    from: from ?? null,
    version,
    status,
    details: withTimes(details),
  }));
  return { status: 200, json: JSON.stringify({ items, next, ...(isStale && { stale: true }) }) };
}

/** A page of the audit log, newest first. */
export function auditAnswer(page: AuditPage, isStale = false): Answer {
  return { status: 200, json: auditPageJson(page, isStale) };
}

/** What an item would become, without its being stored. */
export function previewAnswer(state: TenantState, item: WorkItem, now: Instant): Answer {
  const { id, seq, version, ...preview } = JSON.parse(itemText(state, item, now)) as Record<string, unknown>;
  const json = JSON.stringify({
    dryRun: true,
    item: preview,
    problem: item.error ?? null,
    ...explanationOf(state, item, now),
  });
  return { status: 200, json };
}

/** Why the item stands where it stands: rule, schema and segment, terms of the score, rank, and what comes when. */
export function explainAnswer(state: TenantState, item: WorkItem, now: Instant): Answer {
  const slot = state.table.find(item.id);
  const queued = slot >= 0 && state.queue.has(slot);
  const ahead = queued ? state.queue.rank(slot, now, rankMax) : undefined;
  const json = JSON.stringify({
    id: item.id,
    at: formatInstant(now),
    status: item.status,
    error: item.error ?? null,
    ...explanationOf(state, item, now),
    rank: ahead === undefined ? null : ahead + 1,
    rankIsAtLeast: ahead === rankMax,
    queueLength: state.queue.size,
  });
  return { status: 200, json, version: item.version, id: item.id };
}

function explanationOf(state: TenantState, item: WorkItem, now: Instant): Record<string, unknown> {
  const schemaIndex = state.schemaIndexOf(item.category);
  const isClosed = item.completedDateTime !== undefined;
  const terms = state.orderPrioritization.explain(schemaIndex, item, item.completedDateTime ?? now);
  const changes = isClosed ? [] : state.orderPrioritization.changesAfter(schemaIndex, item, now, changesShown);
  return {
    classification: {
      category: item.category ?? null,
      rule: item.rule ?? null,
      by: item.preclassified ? 'source' : item.rule === undefined ? null : 'rule',
    },
    slaDateTime: slaOf(state, item, item.completedDateTime ?? now),
    clock: clockAnswer(terms, item, item.completedDateTime ?? now),
    schema: {
      id: terms.schema,
      version: state.orderPrioritizationVersion,
      origin: terms.origin,
      originDateTime: terms.originAt === undefined ? null : formatInstant(terms.originAt),
      segment: terms.point,
    },
    score: { curve: terms.curve, businessValue: terms.businessValue, segment: terms.segment },
    override: terms.override === undefined ? null : JSON.parse(overrideJson(terms.override)),
    priority: terms.priority,
    nextChanges: changes.map(({ at, priority, point, sloped }) => ({
      at: formatInstant(at),
      priority,
      segment: point,
      sloped,
    })),
  };
}

/** When the category's time is over, on its clock. */
function slaOf({ categories, prioritization }: TenantState, item: WorkItem, now: Instant): string | null {
  const settings = item.category === undefined ? {} : categories.resolve(item.category);
  if (settings.slaMs === undefined) return null;
  const clock = prioritization.clockFor(settings);
  const at = after(clock, item.createdDateTime, settings.slaMs + stoppedBy(clock, item, now));
  return Number.isFinite(at) ? formatInstant(at) : null;
}

/** The clock that the item's age is measured with, and how it stands at the instant. */
function clockAnswer({ clock, ageMs }: Explanation, item: WorkItem, at: Instant): Record<string, unknown> {
  const { calendar, stopsWhileHeld } = clock;
  const opensAt = calendar?.opensAt(at);
  return {
    ageMs: ageMs ?? null,
    calendar: calendar === undefined ? null : calendar.document.id,
    ...(calendar !== undefined && {
      timeZone: calendar.document.timeZone,
      open: opensAt === at,
      opensDateTime: opensAt === undefined || opensAt === at ? null : formatInstant(opensAt),
    }),
    ...(stopsWhileHeld && { stopped: item.heldDateTime !== undefined, stoppedMs: stoppedBy(clock, item, at) }),
  };
}

/** A version of settings that is not in force any more. */
export function settingsRecordAnswer(record: SettingsRecord): Answer {
  return settingsDocument(record.kind, record);
}

/** The settings in force, with what about them may surprise. */
export function settingsAnswer(state: TenantState, kind: SettingsKind): Answer {
  return settingsDocument(kind, state.settings[kind], { warnings: settingsWarnings(state) });
}

function settingsDocument(
  kind: SettingsKind,
  { version, at, document }: Setting<SettingsKind>,
  more: Record<string, unknown> = {},
): Answer {
  const updatedDateTime = at === undefined ? null : formatInstant(at);
  const body = { version, updatedDateTime, [settingsKinds[kind].field]: document, ...more };
  return { status: 200, json: JSON.stringify(body), version };
}

/** What the settings in force leave without a schema or a calendar: legal, but hardly what somebody wants. */
export function settingsWarnings({ categories, prioritization, calendars, table }: TenantState): string[] {
  const orphans = categories.documents.filter(
    ({ schema }) => schema !== undefined && prioritization.indexOf(schema) === 0,
  );
  const ofWorld = [
    ...categories.documents.map(({ id, calendar }) => ({ who: `category ${id}`, calendar })),
    ...prioritization.documents.map(({ id, calendar }) => ({ who: `schema ${id}`, calendar })),
  ].filter(({ calendar }) => calendar !== undefined && calendars.find(calendar) === undefined);
  const counts = new Map<number, number>();
  for (let slot = 0; slot < table.slotEnd; slot++) {
    const category = table.category[slot];
    if (table.isOpen(slot) && category !== 0) counts.set(category, (counts.get(category) ?? 0) + 1);
  }
  const stranded = [...counts].filter(([category]) => !categories.has(table.categories.textOf(category)));
  return [
    ...orphans.map(
      ({ id, schema }) => `category ${id} names schema ${schema}, which does not exist: its priority is 0`,
    ),
    ...ofWorld.map(({ who, calendar }) => `${who} names calendar ${calendar}, which does not exist: it is always open`),
    ...stranded.map(
      ([category, count]) =>
        `${count} open items are in category ${table.categories.textOf(category)}, which does not exist any more: ` +
        'its nearest remaining parent orders them, or nothing does; restart classifies them again',
    ),
  ].slice(0, warningsShown);
}
