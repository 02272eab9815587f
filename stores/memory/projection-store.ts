import type {
  HistoryEntry,
  ItemQuery,
  ItemSearch,
  ItemStanding,
  KeyRecord,
  OpenItems,
  Projection,
  ProjectionStore,
  SettingsRecord,
  SettingsVersion,
  TenantEntry,
} from '../../actors/ports.js';
import type { AuditLine, AuditPage, AuditPlace, AuditQuery } from '../../engine/audit-log.js';
import { writtenDetails } from '../../engine/event.js';
import type { Filter } from '../../engine/filter.js';
import { matcherOf } from '../../engine/filter-match.js';
import { comparePositions, positionOf } from '../../engine/item-sort.js';
import type { FilterChange } from '../../engine/saved-filter.js';
import type { Instant, WorkItem } from '../../engine/work-item.js';
import { isOpen, newOpenItems } from '../open-items.js';
import type { MemoryDatabase } from './database.js';

/** The follower's tables in memory. Everything goes in and out as a copy, as it would through a database. */
export class MemoryProjectionStore implements ProjectionStore {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async cursor(): Promise<number> {
    return this.#database.cursor;
  }

  async project(projection: Projection): Promise<boolean> {
    const { items, history, keys, settings, entries } = this.#database;
    if (this.#database.cursor !== projection.fromSeq) return false;
    this.#database.cursor = projection.toSeq;
    for (const item of projection.items) {
      const known = items.get(item.id);
      if (!known || known.version < item.version) items.set(item.id, copyOf(item));
    }
    for (const id of projection.deleted) {
      items.delete(id);
      for (const { details } of history.get(id) ?? []) for (const name of writtenDetails) delete details[name];
    }
    for (const entry of projection.history) addHistory(history, copyOf(entry));
    for (const record of projection.filters) this.#database.filters.set(record.change[0], copyOf(record));
    for (const entry of projection.entries) if (!entries.has(entry.seq)) entries.set(entry.seq, copyOf(entry));
    for (const key of projection.keys) if (!keys.has(key.key)) keys.set(key.key, copyOf(key));
    for (const record of projection.settings) {
      const same = settings.some((other) => other.kind === record.kind && other.version === record.version);
      if (!same) settings.push(copyOf(record));
    }
    return true;
  }

  async load(ids: readonly string[]): Promise<WorkItem[]> {
    return [...new Set(ids)].flatMap((id) => this.#database.items.get(id) ?? []).map(copyOf);
  }

  async loadByCapture(captureIds: readonly string[]): Promise<WorkItem[]> {
    const wanted = new Set(captureIds);
    return this.#all((item) => item.captureId !== undefined && wanted.has(item.captureId));
  }

  async findKeys(keys: readonly string[]): Promise<KeyRecord[]> {
    return [...new Set(keys)].flatMap((key) => this.#database.keys.get(key) ?? []).map(copyOf);
  }

  async list({ statuses, category, limit, beforeSeq = Number.POSITIVE_INFINITY }: ItemQuery): Promise<WorkItem[]> {
    return this.#all(
      (item) =>
        item.seq < beforeSeq &&
        (statuses === undefined || statuses.includes(item.status)) &&
        (category === undefined || item.category === category || !!item.category?.startsWith(`${category}/`)),
    )
      .sort((a, b) => b.seq - a.seq)
      .slice(0, limit);
  }

  async search(search: ItemSearch, countMax: number): Promise<{ items: WorkItem[]; count: number }> {
    const { filter, now, sort, limit, after } = search;
    const places = [...this.#database.items.values()]
      .filter(filter === undefined ? () => true : matcherOf(filter, now))
      .map((item) => ({ item, position: positionOf(sort, item) }))
      .sort((a, b) => comparePositions(sort, a.position, b.position));
    const page = places.filter(({ position }) => !after || comparePositions(sort, position, after) > 0).slice(0, limit);
    return { items: page.map(({ item }) => copyOf(item)), count: Math.min(places.length, countMax) };
  }

  async matchingIds(filter: Filter, now: Instant, limit: number): Promise<string[]> {
    const items = this.#all(matcherOf(filter, now)).sort((a, b) => a.seq - b.seq);
    return items.slice(0, limit).map(({ id }) => id);
  }

  async history(itemId: string, afterSeq: number, limit: number): Promise<HistoryEntry[]> {
    const entries = this.#database.history.get(itemId) ?? [];
    return entries
      .filter((entry) => entry.seq > afterSeq)
      .slice(0, limit)
      .map(copyOf);
  }

  async audit({ by, from, type, itemId, since = 0, until = never, limit, before }: AuditQuery): Promise<AuditPage> {
    const ofItems = [...this.#database.history.values()].flat();
    const ofTenant = itemId === undefined ? [...this.#database.entries.values()] : [];
    const lines = [...ofItems, ...ofTenant]
      .filter(
        (line) =>
          [by ?? line.by, from ?? line.from, type ?? line.type].join() === [line.by, line.from, line.type].join(),
      )
      .filter((line) => itemId === undefined || ('itemId' in line && line.itemId === itemId))
      .filter(({ at, seq }) => at >= since && at < until && isBefore({ at, seq }, before))
      .sort((a, b) => b.at - a.at || b.seq - a.seq)
      .map((line) => auditLine(copyOf(line)));
    const page = lines.slice(0, limit);
    const last = page.at(-1);
    return lines.length > limit && last ? { lines: page, next: { at: last.at, seq: last.seq } } : { lines: page };
  }

  async settings(kind: SettingsRecord['kind'], version?: number): Promise<SettingsRecord | undefined> {
    const found = this.#database.settings
      .filter((record) => record.kind === kind && (version === undefined || record.version === version))
      .sort((a, b) => b.version - a.version)[0];
    return found && copyOf(found);
  }

  async settingsVersions(
    kind: SettingsRecord['kind'],
    beforeVersion: number,
    limit: number,
  ): Promise<SettingsVersion[]> {
    return this.#database.settings
      .filter((record) => record.kind === kind && record.version < beforeVersion)
      .sort((a, b) => b.version - a.version)
      .slice(0, limit)
      .map(({ version, at, by }) => ({ version, at, ...(by !== undefined && { by }) }));
  }

  async filters(): Promise<FilterChange[]> {
    return [...this.#database.filters.values()].map(({ change }) => copyOf(change));
  }

  async standingAt(ids: readonly string[], seq: number): Promise<ItemStanding[]> {
    return ids.flatMap((itemId) => {
      const entry = this.#database.history.get(itemId)?.findLast((one) => one.seq <= seq);
      return entry === undefined ? [] : [{ itemId, version: entry.version, status: entry.status }];
    });
  }

  async scanOpen(sliceItems: number, each: (slice: OpenItems) => void): Promise<void> {
    const open = this.#all((item) => isOpen(item.status)).sort((a, b) => a.seq - b.seq);
    for (let from = 0; from < open.length; from += sliceItems) each(columns(open.slice(from, from + sliceItems)));
  }

  async scanKnown(each: (slice: { captureIds: string[]; keys: string[] }) => void): Promise<void> {
    const captureIds = [...this.#database.items.values()].flatMap((item) => item.captureId ?? []);
    if (captureIds.length > 0) each({ captureIds, keys: [] });
    if (this.#database.keys.size > 0) each({ captureIds: [], keys: [...this.#database.keys.keys()] });
  }

  async forgetKeys(before: Instant, limit: number): Promise<number> {
    const old = [...this.#database.keys.values()].filter((record) => record.at < before).slice(0, limit);
    for (const record of old) this.#database.keys.delete(record.key);
    return old.length;
  }

  #all(wanted: (item: WorkItem) => boolean): WorkItem[] {
    return [...this.#database.items.values()].filter(wanted).map(copyOf);
  }
}

const never = Number.POSITIVE_INFINITY;

function isBefore(line: AuditPlace, place: AuditPlace | undefined): boolean {
  return place === undefined || line.at < place.at || (line.at === place.at && line.seq < place.seq);
}

function auditLine(entry: HistoryEntry | TenantEntry): AuditLine {
  const { seq, at, type, by, from, details } = entry;
  const itemId = 'itemId' in entry ? entry.itemId : undefined;
  return { seq, at, type, ...(by && { by }), ...(from && { from }), ...(itemId && { itemId }), details };
}

function addHistory(history: Map<string, HistoryEntry[]>, entry: HistoryEntry): void {
  const entries = history.get(entry.itemId) ?? [];
  if (entries.some((other) => other.seq === entry.seq)) return;
  entries.push(entry);
  entries.sort((a, b) => a.seq - b.seq);
  history.set(entry.itemId, entries);
}

/** A copy as a database gives it back: nothing shared, nothing undefined. */
function copyOf<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function columns(items: WorkItem[]): OpenItems {
  const slice = newOpenItems(items.length);
  for (const item of items) {
    const row = slice.count++;
    slice.id.push(item.id);
    slice.status.push(item.status);
    slice.category.push(item.category ?? null);
    slice.customerSegment.push(item.customerSegment ?? null);
    slice.assignedTo.push(item.assignedTo ?? null);
    slice.created[row] = item.createdDateTime;
    slice.activation[row] = item.activationDateTime ?? Number.NaN;
    slice.due[row] = item.dueDateTime ?? Number.NaN;
    slice.expiration[row] = item.expirationDateTime ?? Number.NaN;
    slice.businessValue[row] = item.businessValue ?? Number.NaN;
    slice.overridePriority[row] = item.override?.priority ?? Number.NaN;
    slice.overrideUntil[row] = item.override?.until ?? Number.NaN;
    slice.stoppedMs[row] = item.stoppedMs ?? Number.NaN;
    slice.seq[row] = item.seq;
    slice.version[row] = item.version;
  }
  return slice;
}
