import type { CalendarDocument } from './calendar.js';
import type { CategoryDocument } from './category.js';
import type { CategoryTree } from './category-tree.js';
import { Calendars } from './clock.js';
import { Deadlines } from './deadlines.js';
import { Documents } from './documents.js';
import type { Event, ItemDeleted, ItemMoved, SettingsReplaced } from './event.js';
import { itemRecord } from './item-record.js';
import { ItemTable } from './item-table.js';
import { KnownKeys } from './known-keys.js';
import { isFinal } from './life-cycle.js';
import { overrideUnits } from './overrides.js';
import type { Prioritization } from './prioritization.js';
import { UniversalQueue } from './queue.js';
import type { Rebuild } from './queue-rebuild.js';
import { type SavedFilter, SavedFilters } from './saved-filter.js';
import type { SchemaDocument } from './schema.js';
import { contentOf, type Settings } from './settings.js';
import { storedCategories, storedPrioritization } from './stored-settings.js';
import { type Draft, type Instant, type Status, statuses, type WorkItem } from './work-item.js';

export interface StateOptions {
  tenantId: string;
  attributesBytesMax: number;
  /** Bytes of projected documents kept for quick reading. */
  documentBytesMax: number;
  categories: readonly CategoryDocument[];
  schemas: readonly SchemaDocument[];
  calendars?: readonly CalendarDocument[];
  /** Saved filters that the tenant begins with. */
  filters?: readonly SavedFilter[];
}

/** The answer of a request that carried an Idempotency-Key. */
export interface KeyAnswer {
  fingerprint: string;
  status: number;
  itemId: string | null;
  at: Instant;
}

/** The part of an item that columns, order and deadlines are made of; a snapshot holds no more. */
export type Scheduling = Omit<WorkItem, 'attributes' | 'fingerprint' | 'updatedDateTime'>;

/** The settings that the order in force was built from: they change together, when a rebuild is swapped in. */
interface OrderSettings {
  prioritization: Prioritization;
  categories: CategoryTree;
  prioritizationVersion: number;
  /** Schema of each category path, filled when first asked. */
  schemaIndexes: Map<string, number>;
}

/** Items of this lane need nothing in particular; lanes for skills and channels come with distribution. */
const anybody = 0;
const foundKeysMax = 10_000;
const queued = statuses.indexOf('queued');
const scheduled = statuses.indexOf('scheduled');

/**
 * Everything that one tenant's actor knows: the open items' columns, their order, the documents at hand and the
 * settings. Changed by `apply(event)` only, so that live work and recovery run the same code. An event that the state
 * already contains is skipped by the item's version: a snapshot may be ahead of the events replayed over it.
 */
export class TenantState {
  readonly tenantId: string;
  readonly attributesBytesMax: number;
  readonly table = new ItemTable();
  readonly documents: Documents;
  readonly deadlines = new Deadlines();
  /** Every captureId (`c:`) and Idempotency-Key (`k:`) ever seen: "no" is certain, "maybe" is looked up. */
  known = new KnownKeys();
  /** Idempotency-Keys that are not projected yet. */
  readonly keys = new Map<string, KeyAnswer>();
  readonly #foundKeys = new Map<string, KeyAnswer>();
  readonly queue: UniversalQueue;
  /** Open items by status, in the order of `statuses`. */
  readonly counts = new Int32Array(statuses.length);
  calendars: Calendars;
  categories: CategoryTree;
  prioritization: Prioritization;
  /** What was published last, as the clients wrote it. */
  settings: Settings;
  readonly filters: SavedFilters;
  /** Number of the last event applied. */
  seq = 0;
  /** The order of newer settings while it is built beside the one in force. */
  rebuild: Rebuild | undefined;
  #inForce: OrderSettings;
  #building: OrderSettings | undefined;

  constructor(options: StateOptions) {
    this.tenantId = options.tenantId;
    this.attributesBytesMax = options.attributesBytesMax;
    this.documents = new Documents(options.documentBytesMax);
    this.settings = {
      categories: { version: 0, document: options.categories },
      prioritization: { version: 0, document: options.schemas },
      calendars: { version: 0, document: options.calendars ?? [] },
    };
    this.filters = new SavedFilters(options.filters ?? []);
    this.calendars = new Calendars(options.calendars ?? []);
    this.categories = storedCategories(options.categories);
    this.prioritization = storedPrioritization(options.schemas, this.calendars, this.categories);
    this.#inForce = this.#orderSettings();
    this.queue = new UniversalQueue(this.table, this.prioritization, (category) =>
      schemaIndex(this.#inForce, this.table.categories.textOf(category)),
    );
  }

  /** The prioritization that orders the queue now; a published one takes over when its order is built. */
  get orderPrioritization(): Prioritization {
    return this.#inForce.prioritization;
  }

  get orderPrioritizationVersion(): number {
    return this.#inForce.prioritizationVersion;
  }

  /**
   * `now` is the instant to which the order goes on; an event that is replayed may come from an owner whose clock was
   * ahead, and must not take the order there.
   */
  apply(event: Event, projectedSeq = 0, now = event.at): void {
    this.seq++;
    switch (event.type) {
      case 'created':
      case 'updated':
        this.#keep(event.item, projectedSeq, now);
        break;
      case 'categoriesReplaced':
      case 'prioritizationReplaced':
      case 'calendarsReplaced':
        this.#publish(event);
        break;
      case 'filterSaved':
        this.filters.set(event.filter.id, event.filter);
        break;
      case 'filterRemoved':
        this.filters.set(event.filterId, null);
        break;
      case 'erasureAnnounced':
      case 'subjectErased':
      case 'subjectExported':
      case 'bulkActionStarted':
        break;
      case 'deleted':
        this.#delete(event, projectedSeq);
        break;
      default:
        this.#move(event, projectedSeq, now);
    }
    if (event.key !== undefined) this.#remember(event);
  }

  /** Goes on with growing the columns ahead of need; false when there is nothing to do. */
  growStep(): boolean {
    return this.table.growStep() || this.queue.growStep();
  }

  /** Goes on with the rebuild by about `opsMax` operations; true when no rebuild is left to do. */
  stepRebuild(opsMax: number, now: Instant): boolean {
    if (this.rebuild === undefined) return true;
    if (!this.rebuild.step(opsMax, now)) return false;
    this.#inForce = this.#building!;
    this.#building = undefined;
    this.rebuild = undefined;
    return true;
  }

  /** Puts an item of the table's columns into memory, without its document. */
  restore(item: Scheduling, now: Instant): void {
    this.#reflect(item, now);
  }

  /** A snapshot has filled the columns of these new slots: counts, deadlines and order follow. */
  admit(slots: readonly number[], known: KnownKeys, now: Instant): void {
    const { table } = this;
    for (const slot of slots) {
      this.counts[table.status[slot]]++;
      // Also for an activation that came while nobody ran.
      if (table.status[slot] === scheduled) this.deadlines.add(table.activation[slot], slot);
      if (!Number.isNaN(table.expiration[slot])) this.deadlines.add(table.expiration[slot], slot);
    }
    this.queue.pushAll(
      slots.filter((slot) => table.status[slot] === queued),
      anybody,
      now,
    );
    this.known = known;
  }

  /** Settings as stored; they order the queue at once, so this belongs before the first item. */
  restoreSettings(settings: Partial<Settings>): void {
    this.#adopt(settings);
    while (!this.stepRebuild(Number.MAX_SAFE_INTEGER, 0)) {
      // The queue is empty: one step is enough.
    }
  }

  /** Which category the item falls into: the one that its source named, or the first that a rule finds. */
  classify(
    draft: Draft,
    parsed?: object,
  ): { category: string; rule?: string; preclassified?: true } | { error: string } {
    if (draft.category !== undefined) {
      if (this.categories.has(draft.category)) return { category: draft.category, preclassified: true };
      return { error: `the source named category ${draft.category}, which does not exist` };
    }
    const verdict = this.categories.classify(draft, parsed);
    return 'error' in verdict ? verdict : { category: verdict.path, rule: verdict.rule };
  }

  /** The item with this captureId, if its document is at hand (`needs.ts` makes sure that it is). */
  findByCapture(captureId: string): WorkItem | undefined {
    return this.documents.byCapture(captureId);
  }

  /** The first answer under this Idempotency-Key, if it is at hand. */
  answerTo(key: string): KeyAnswer | undefined {
    return this.keys.get(key) ?? this.#foundKeys.get(key);
  }

  /** An answer as the table has it. Few are kept: a retry that comes later is looked up again. */
  offerKey(key: string, answer: KeyAnswer): void {
    if (this.#foundKeys.size >= foundKeysMax) this.#foundKeys.clear();
    this.#foundKeys.set(key, answer);
  }

  mustDocument(id: string): WorkItem {
    const item = this.documents.get(id);
    if (item === undefined) throw new Error(`the document of ${id} is not in memory`);
    return item;
  }

  /** Index of the schema that orders this item now (0 is the built-in one of categories without a schema). */
  schemaIndexOf(category: string | undefined): number {
    return category === undefined ? 0 : schemaIndex(this.#inForce, category);
  }

  #publish(event: SettingsReplaced): void {
    const { kind, document } = contentOf(event);
    const { version, at } = event;
    if (version > this.settings[kind].version) this.#adopt({ [kind]: { version, at, document } });
  }

  /** Classification uses new settings at once, the order follows when it is built (`rebuild`). */
  #adopt(settings: Partial<Settings>): void {
    this.settings = { ...this.settings, ...settings };
    const { calendars, categories, prioritization } = this.settings;
    this.calendars = new Calendars(calendars.document, this.calendars);
    this.categories = storedCategories(categories.document);
    this.prioritization = storedPrioritization(prioritization.document, this.calendars, this.categories);
    const building = this.#orderSettings();
    this.#building = building;
    this.rebuild = this.queue.rebuild(this.prioritization, (category) =>
      schemaIndex(building, this.table.categories.textOf(category)),
    );
  }

  #orderSettings(): OrderSettings {
    return {
      prioritization: this.prioritization,
      categories: this.categories,
      prioritizationVersion: this.settings.prioritization.version,
      schemaIndexes: new Map(),
    };
  }

  #keep(item: WorkItem, projectedSeq: number, now: Instant): void {
    if (this.seq > projectedSeq) this.documents.put(item);
    if (item.captureId !== undefined) this.known.add(`c:${item.captureId}`);
    this.#reflect(item, now);
  }

  #move(event: ItemMoved, projectedSeq: number, now: Instant): void {
    const before = this.seq > projectedSeq ? this.mustDocument(event.id) : this.documents.get(event.id);
    // Projected and gone: the journal deletes it further on, and with that what memory knows of it.
    if (before === undefined) return;
    if (before.version >= event.version) {
      this.#reflect(before, now);
      return;
    }
    const item = afterMove(before, event);
    if (this.seq > projectedSeq) this.documents.put(item);
    this.#reflect(item, now);
  }

  #delete({ id }: ItemDeleted, projectedSeq: number): void {
    this.documents.delete(id, this.seq > projectedSeq);
    const slot = this.table.find(id);
    if (slot < 0) return;
    this.counts[this.table.status[slot]]--;
    this.#drop(slot);
  }

  #remember(event: Event): void {
    const itemId = 'item' in event ? event.item.id : 'id' in event ? event.id : null;
    const { key, fingerprint, status } = event.key!;
    this.keys.set(key, { fingerprint, status, itemId, at: event.at });
    this.known.add(`k:${key}`);
  }

  /** Makes columns, order, deadlines and counts say what the item says, unless they know a newer version. */
  #reflect(item: Scheduling, now: Instant): void {
    let slot = this.table.find(item.id);
    if (slot >= 0 && this.table.version[slot] >= item.version) return;
    if (slot >= 0) this.counts[this.table.status[slot]]--;
    if (isFinal(item.status)) {
      if (slot >= 0) this.#drop(slot);
      return;
    }
    const isNew = slot < 0;
    if (isNew) slot = this.table.add(item.id);
    this.#schedule(slot, isNew, item, now);
    this.#fill(slot, item);
    this.counts[this.table.status[slot]]++;
    this.#enqueue(slot, item.status, now);
  }

  #drop(slot: number): void {
    if (this.queue.has(slot)) this.queue.remove(slot);
    this.table.remove(slot);
  }

  #fill(slot: number, item: Scheduling): void {
    const { table } = this;
    table.setTimes(slot, {
      created: item.createdDateTime,
      activation: item.activationDateTime,
      due: item.dueDateTime,
      expiration: item.expirationDateTime,
    });
    table.seq[slot] = item.seq;
    table.version[slot] = item.version;
    table.status[slot] = statuses.indexOf(item.status);
    table.setCategory(slot, item.category);
    table.setSegment(slot, item.customerSegment);
    table.setAgent(slot, item.assignedTo);
    table.businessValue[slot] = item.businessValue ?? 0;
    if (item.override !== undefined) {
      table.overrides.set(slot, overrideUnits(item.override), item.override.until ?? Number.NaN);
    } else if (table.overrides.size > 0) table.overrides.delete(slot);
    table.setStopped(slot, item.stoppedMs);
  }

  #enqueue(slot: number, status: Status, now: Instant): void {
    const queued = this.queue.has(slot);
    if (status !== 'queued') {
      if (queued) this.queue.remove(slot);
    } else if (queued) this.queue.rekey(slot, now);
    else this.queue.push(slot, anybody, now);
  }

  /**
   * Notes the instants at which the item must be looked at again; called before its columns change. An item that
   * becomes scheduled gets an entry each time: whether it still has an older one depends on clocks, and a recovery's is
   * later than the events that it replays. One entry for each new expiration is enough, it stays until its time comes;
   * one that passed while somebody worked on the item has lost its entry and gets a new one, which is due at once.
   */
  #schedule(slot: number, isNew: boolean, item: Scheduling, now: Instant): void {
    const { table } = this;
    const { activationDateTime: activation, expirationDateTime: expiration } = item;
    if (activation !== undefined && item.status === 'scheduled') {
      const waits = !isNew && table.status[slot] === scheduled && table.activation[slot] === activation;
      if (!waits) this.deadlines.add(activation, slot);
    }
    if (expiration !== undefined && (isNew || expiration <= now || table.expiration[slot] !== expiration)) {
      this.deadlines.add(expiration, slot);
    }
  }
}

/** Index of the schema of a category, or of its nearest ancestor that still exists; 0 is the built-in constant one. */
function schemaIndex(order: OrderSettings, path: string): number {
  let index = order.schemaIndexes.get(path);
  if (index === undefined) {
    index = path === '' ? 0 : order.prioritization.indexFor(order.categories.resolve(path));
    order.schemaIndexes.set(path, index);
  }
  return index;
}

/** The item after a move: what the event sets, null taking a field away. */
export function afterMove(item: WorkItem, event: ItemMoved): WorkItem {
  const { version, status, at: updatedDateTime } = event;
  const { id, seq, createdDateTime, attributes, fingerprint } = item;
  const core = { id, seq, version, status, createdDateTime, updatedDateTime, attributes, fingerprint };
  const after = itemRecord(core) as unknown as Record<string, unknown>;
  const set = (event.set ?? {}) as Record<string, unknown>;
  for (const name in item) if (!(name in core) && set[name] === undefined) after[name] = item[name as keyof WorkItem];
  for (const name in set) if (set[name] !== null && set[name] !== undefined) after[name] = set[name];
  return after as unknown as WorkItem;
}
