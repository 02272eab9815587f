import type { Event, ItemDeleted, ItemMoved, Move } from '../../engine/event.js';
import { type OracleItem, orderAt } from '../../engine/oracle.js';
import type { SchemaDocument } from '../../engine/schema.js';
import type { Instant, Status, WorkItem } from '../../engine/work-item.js';
import { unpackEvents } from '../../stores/event-batch.js';
import { digestOf, nextLink, noLink } from '../../stores/journal-chain.js';
import type { MemoryDatabase } from '../../stores/memory/database.js';
import { noTime } from '../../stores/memory/journal.js';
import { oracleItem, startSchemas } from './settings.js';

const open: readonly Status[] = ['scheduled', 'queued', 'assigned', 'held', 'errorheld'];
const ended: readonly Status[] = ['completed', 'canceled', 'rejected', 'expired'];
const unattended: readonly Status[] = ['scheduled', 'queued', 'held', 'errorheld'];

const never = Number.POSITIVE_INFINITY;

/** From which states each move may start, written down a second time: what the journal is judged by. */
const origins: Record<Move, readonly Status[]> = {
  held: ['scheduled', 'queued', 'assigned'],
  resumed: ['held', 'errorheld'],
  canceled: open,
  completed: open,
  rejected: open,
  restarted: [...unattended, ...ended],
  activated: ['scheduled'],
  assigned: ['queued'],
  unassigned: ['assigned'],
  expired: unattended,
  erased: [...open, ...ended],
  reprioritized: open,
  moved: open,
};

/** What is known of an Idempotency-Key from the journal. */
export interface KeyedEvent {
  type: Event['type'];
  itemId: string | undefined;
  seq: number;
  count: number;
}

/** Keys of requests that took the best item of the queue. */
export const nextKey = 'next-';

/**
 * The journal, read event by event by a second, plain implementation that shares nothing with the engine's memory. What
 * must hold in every journal is checked on the way; each breach is reported once.
 */
export class Fold {
  readonly items = new Map<string, WorkItem>();
  /** Version with which each deleted item went. */
  readonly deleted = new Map<string, number>();
  readonly captures = new Map<string, string>();
  readonly keys = new Map<string, KeyedEvent>();
  readonly eventCounts = new Map<string, number>();
  seq = 0;
  assignments = 0;
  schemas: readonly SchemaDocument[] = startSchemas;
  /** The order that may still be in force: its successor is built in slices, after the event is decided. */
  schemasBefore: readonly SchemaDocument[] | undefined;
  prioritizationVersion = 0;
  readonly #database: MemoryDatabase;
  readonly #report: (checker: string, detail: string) => void;
  #rows = 0;
  #epoch = 0;
  #link: Uint8Array = noLink;
  /** Events of the row being read that are still to come. */
  #waiting: Event[] = [];
  #replacedInRow = Number.NEGATIVE_INFINITY;

  constructor(database: MemoryDatabase, report: (checker: string, detail: string) => void) {
    this.#database = database;
    this.#report = report;
  }

  /** Reads what the journal has got since, up to `untilSeq`. */
  catchUp(untilSeq = Number.POSITIVE_INFINITY): void {
    const { journal } = this.#database;
    while (this.seq < untilSeq) {
      const event = this.#waiting.shift();
      if (event !== undefined) this.#apply(event);
      else if (this.#rows < journal.length) this.#open(journal[this.#rows++]);
      else return;
    }
  }

  /** Items whose activation or expiration has come by `t` and has not happened. */
  dueAt(t: Instant): WorkItem[] {
    return [...this.items.values()].filter(({ status, activationDateTime = never, expirationDateTime = never }) => {
      if (status === 'scheduled' && activationDateTime <= t) return true;
      return unattended.includes(status) && expirationDateTime <= t;
    });
  }

  #open(row: MemoryDatabase['journal'][number]): void {
    if (row.seq !== this.seq + 1) this.#report('seq-contiguous', `row ${row.seq} follows event ${this.seq}`);
    if (row.epoch < this.#epoch) {
      this.#report('epoch-monotone', `seq ${row.seq} has epoch ${row.epoch} after ${this.#epoch}`);
    }
    this.#epoch = Math.max(this.#epoch, row.epoch);
    this.#link = nextLink(this.#link, { ...row, at: noTime }, digestOf(row.bytes));
    if (Buffer.compare(this.#link, row.link) !== 0)
      this.#report('chain', `the link of row ${row.seq} does not follow the one before`);
    this.seq = row.seq - 1;
    if (this.#rows > this.#replacedInRow + 1) this.schemasBefore = undefined;
    this.#waiting = unpackEvents(row.bytes);
  }

  /** The queue in exact order at `t`, by the order in force. */
  queueAt(t: Instant, schemas = this.schemas): (OracleItem & { id: string })[] {
    const queued = [...this.items.values()].filter((item) => item.status === 'queued').map(oracleItem);
    return orderAt(queued, schemas, t);
  }

  #apply(event: Event): void {
    this.seq++;
    this.#noteKey(event);
    switch (event.type) {
      case 'created':
        this.#created(event.item);
        break;
      case 'updated':
        this.#updated(event.item);
        break;
      case 'prioritizationReplaced':
        this.schemasBefore = this.schemas;
        this.schemas = event.schemas;
        this.#replacedInRow = this.#rows;
        this.#isNext(`prioritization`, this.prioritizationVersion, event.version);
        this.prioritizationVersion = event.version;
        break;
      case 'categoriesReplaced':
      case 'calendarsReplaced':
      case 'filterSaved':
      case 'filterRemoved':
      case 'erasureAnnounced':
      case 'subjectErased':
      case 'subjectExported':
      case 'bulkActionStarted':
        break;
      case 'deleted':
        this.#deleted(event);
        break;
      default:
        this.#moved(event);
    }
  }

  #created(item: WorkItem): void {
    if (this.eventCounts.has(item.id))
      this.#report('created-once', `item ${item.id} is created again at seq ${this.seq}`);
    if (item.captureId !== undefined) {
      const other = this.captures.get(item.captureId);
      if (other !== undefined) {
        this.#report(
          'created-once',
          `captureId ${item.captureId} is item ${other} and, at seq ${this.seq}, ${item.id}`,
        );
      }
      this.captures.set(item.captureId, item.id);
    }
    if (item.seq !== this.seq) this.#report('seq-contiguous', `item ${item.id} says seq ${item.seq} at ${this.seq}`);
    this.#keep({ ...item });
  }

  #updated(item: WorkItem): void {
    const before = this.#known(item.id, item.version);
    if (before !== undefined && !open.includes(before.status)) {
      this.#report('life-cycle', `item ${item.id} is ${before.status} and updated at seq ${this.seq}`);
    }
    this.#keep({ ...item });
  }

  #moved(event: ItemMoved): void {
    const before = this.#known(event.id, event.version);
    if (before === undefined) return;
    if (!origins[event.type].includes(before.status)) {
      const checker = event.type === 'assigned' ? 'assigned-once' : 'life-cycle';
      this.#report(checker, `item ${event.id} is ${before.status} and ${event.type} at seq ${this.seq}`);
    }
    if (event.type === 'assigned' && event.key?.key.startsWith(nextKey)) this.#checkOrder(event);
    const after: Record<string, unknown> = { ...before, ...event.set };
    for (const name of Object.keys(event.set ?? {})) if (after[name] === null) delete after[name];
    Object.assign(after, { version: event.version, status: event.status, updatedDateTime: event.at });
    this.#keep(after as unknown as WorkItem);
  }

  /** The captureId is free again, the id never. */
  #deleted({ id, version }: ItemDeleted): void {
    const before = this.#known(id, version);
    if (before === undefined) return;
    this.items.delete(id);
    this.deleted.set(id, version);
    this.eventCounts.set(id, (this.eventCounts.get(id) ?? 0) + 1);
    if (before.captureId !== undefined) this.captures.delete(before.captureId);
  }

  /** Whoever takes the next item gets the best one at that instant, after everything that was due by then. */
  #checkOrder(event: ItemMoved): void {
    this.assignments++;
    const [best] = this.queueAt(event.at);
    const [bestBefore] = this.schemasBefore === undefined ? [] : this.queueAt(event.at, this.schemasBefore);
    if (best?.id !== event.id && bestBefore?.id !== event.id) {
      this.#report('order', `seq ${this.seq} assigns ${event.id}, the best at ${event.at} is ${best?.id}`);
    }
    for (const { id, status } of this.dueAt(event.at)) {
      this.#report('due', `seq ${this.seq} at ${event.at} assigns while ${id} (${status}) is due`);
    }
  }

  #known(id: string, version: number): WorkItem | undefined {
    const before = this.items.get(id);
    if (before === undefined) this.#report('life-cycle', `seq ${this.seq} changes ${id}, which does not exist`);
    else this.#isNext(`item ${id}`, before.version, version);
    return before;
  }

  #isNext(name: string, before: number, version: number): void {
    if (version !== before + 1) {
      this.#report('version', `${name} goes from version ${before} to ${version} at seq ${this.seq}`);
    }
  }

  #keep(item: WorkItem): void {
    this.items.set(item.id, item);
    this.eventCounts.set(item.id, (this.eventCounts.get(item.id) ?? 0) + 1);
  }

  #noteKey(event: Event): void {
    if (event.key === undefined) return;
    const { key } = event.key;
    const count = (this.keys.get(key)?.count ?? 0) + 1;
    if (count > 1) this.#report('done-once', `key ${key} is answered a second time at seq ${this.seq}`);
    const itemId = 'item' in event ? event.item.id : 'id' in event ? event.id : undefined;
    this.keys.set(key, { type: event.type, itemId, seq: this.seq, count });
  }
}
