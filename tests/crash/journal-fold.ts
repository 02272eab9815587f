import {
  type Event,
  type ItemDeleted,
  type ItemEvent,
  type ItemMoved,
  isFilterChanged,
  isNote,
} from '../../engine/event.js';
import { isSettingsReplaced } from '../../engine/settings.js';
import type { WorkItem } from '../../engine/work-item.js';
import { query } from '../../stores/conformance/test-database.js';
import { unpackEvents } from '../../stores/event-batch.js';
import { type Action, after, type ItemState, isSame, type Maybe, stateText } from './item-model.js';
import type { Violations } from './violation.js';

/** One row of `iwd.journal` as it is stored. */
export interface Row {
  seq: number;
  epoch: number;
  eventCount: number;
  events: Event[];
}

const rowsAPage = 500;

/** The whole journal, in order. */
export async function* readJournal(databaseUrl: string): AsyncGenerator<Row> {
  for (let after = 0; ; ) {
    const page = (await query(
      databaseUrl,
      'SELECT seq, epoch, event_count, events FROM iwd.journal WHERE seq > $1 ORDER BY seq LIMIT $2',
      [after, rowsAPage],
    )) as { seq: number; epoch: number; event_count: number; events: Buffer }[];
    for (const { seq, epoch, event_count, events } of page) {
      yield { seq, epoch, eventCount: event_count, events: unpackEvents(events) };
    }
    if (page.length < rowsAPage) return;
    after = page.at(-1)!.seq;
  }
}

/** What the journal says of one item. */
export interface FoldedItem {
  item: WorkItem;
  state: ItemState;
  /** The state of each version, from version 1 on. */
  states: ItemState[];
}

/** One event as the history table shows it. */
export interface FoldedEvent {
  seq: number;
  itemId: string;
  type: string;
  version: number;
  status: string;
}

/**
 * Goes through the journal row by row and builds from it everything that the tables and the clients' answers are
 * compared with; notes gaps, epochs that go back and events that the item's state did not allow.
 */
export class JournalFold {
  readonly items = new Map<string, FoldedItem>();
  /** Items that were deleted, as they were until then. */
  readonly deleted = new Map<string, FoldedItem>();
  readonly idsByCapture = new Map<string, string>();
  /** Idempotency-Key -> the item and the type of the event that it is on. */
  readonly keys = new Map<string, { itemId: string; type: Event['type'] }>();
  readonly events: FoldedEvent[] = [];
  rows = 0;
  lastSeq = 0;
  lastEpoch = 0;
  readonly #violations: Violations;
  readonly #upToSeq: number;

  /** @param upToSeq events after this one are left out. */
  constructor(violations: Violations, upToSeq = Number.POSITIVE_INFINITY) {
    this.#violations = violations;
    this.#upToSeq = upToSeq;
  }

  add(row: Row): void {
    this.rows++;
    if (row.seq !== this.lastSeq + 1) this.#note('gap', `after ${this.lastSeq} comes ${row.seq}`);
    if (row.eventCount !== row.events.length) {
      this.#note('gap', `row ${row.seq} says ${row.eventCount} events and holds ${row.events.length}`);
    }
    if (row.epoch < this.lastEpoch) this.#note('epoch', `row ${row.seq}: ${row.epoch} after ${this.lastEpoch}`);
    this.lastEpoch = Math.max(this.lastEpoch, row.epoch);
    for (const [index, event] of row.events.entries()) {
      if (row.seq + index <= this.#upToSeq) this.#apply(event, row.seq + index);
    }
    this.lastSeq = row.seq + row.events.length - 1;
  }

  #apply(event: Event, seq: number): void {
    if (isSettingsReplaced(event) || isFilterChanged(event) || isNote(event)) return;
    const itemId = 'item' in event ? event.item.id : event.id;
    if (event.key !== undefined) this.#rememberKey(event.key.key, itemId, event.type, seq);
    const before = this.items.get(itemId);
    if (event.type === 'created') this.#checkNew(event.item, before, seq);
    if (before === undefined && !('item' in event)) {
      this.#note('illegal-event', `seq ${seq}: ${event.type} of ${itemId}, which was never created`);
      return;
    }
    if (event.type === 'deleted') {
      this.#delete(event, before!, seq);
      return;
    }
    const item = 'item' in event ? event.item : moved(before!.item, event);
    const state = stateOf(item);
    this.#checkStep(event, before?.state, state, seq);
    this.items.set(itemId, { item, state, states: [...(before?.states ?? []), state] });
    this.events.push({ seq, itemId, type: event.type, version: item.version, status: item.status });
  }

  /** The item, whether it is still there or not. */
  find(id: string): FoldedItem | undefined {
    return this.items.get(id) ?? this.deleted.get(id);
  }

  #delete({ id, version, status }: ItemDeleted, before: FoldedItem, seq: number): void {
    if (version !== before.item.version + 1 || status !== before.item.status) {
      this.#note('illegal-event', `seq ${seq}: deletes ${stateText(before.state)} as ${status} v${version}`);
    }
    this.items.delete(id);
    this.deleted.set(id, before);
    if (before.item.captureId !== undefined) this.idsByCapture.delete(before.item.captureId);
    this.events.push({ seq, itemId: id, type: 'deleted', version, status });
  }

  #rememberKey(key: string, itemId: string, type: Event['type'], seq: number): void {
    if (this.keys.has(key)) this.#note('doubled', `seq ${seq}: Idempotency-Key ${key} had an effect before`);
    this.keys.set(key, { itemId, type });
  }

  #checkNew(item: WorkItem, before: FoldedItem | undefined, seq: number): void {
    if (before !== undefined || this.deleted.has(item.id)) {
      this.#note('doubled', `seq ${seq}: item ${item.id} is created again`);
    }
    if (item.seq !== seq) this.#note('illegal-event', `seq ${seq}: item ${item.id} says it is of ${item.seq}`);
    if (item.captureId === undefined) return;
    const other = this.idsByCapture.get(item.captureId);
    if (other !== undefined) this.#note('doubled', `seq ${seq}: captureId ${item.captureId} is also item ${other}`);
    this.idsByCapture.set(item.captureId, item.id);
  }

  #checkStep(event: Exclude<ItemEvent, ItemDeleted>, before: Maybe, now: ItemState, seq: number): void {
    // What changes nothing is no event.
    const possible = after(before, actionOf(event, now)).filter((state) => state !== before);
    if (possible.some((state) => state !== undefined && isSame(state, now))) return;
    const name = event.type === 'assigned' && before?.status === 'assigned' ? 'two-owners' : 'illegal-event';
    this.#note(name, `seq ${seq}: ${event.type} leads from ${stateText(before)} to ${stateText(now)}`);
  }

  #note(name: Parameters<Violations['add']>[0], detail: string): void {
    this.#violations.add(name, detail);
  }
}

function moved(item: WorkItem, event: ItemMoved): WorkItem {
  const fields = Object.entries({ ...item, ...event.set }).filter(([, value]) => value !== null);
  const { version, status, at } = event;
  return { ...Object.fromEntries(fields), version, status, updatedDateTime: at } as unknown as WorkItem;
}

/** The item as a client would see it. */
export function stateOf(item: WorkItem): ItemState {
  const { mark } = JSON.parse(item.attributes) as { mark?: number };
  return { status: item.status, version: item.version, agent: item.assignedTo ?? null, mark: mark ?? 0 };
}

function actionOf(event: Exclude<ItemEvent, ItemDeleted>, now: ItemState): Action {
  switch (event.type) {
    case 'created':
      return { do: 'create', mark: now.mark };
    case 'updated':
      return { do: 'update', mark: now.mark };
    case 'assigned':
      return { do: 'assign', agent: now.agent ?? '' };
    case 'activated':
      return { do: event.by === 'timer' ? 'activateDue' : 'activate' };
    case 'expired':
      return { do: 'expire' };
    case 'erased':
      throw new Error('nobody erases under the crash load');
    default:
      return { do: commandOf[event.type] };
  }
}

const commandOf = {
  held: 'hold',
  resumed: 'resume',
  canceled: 'cancel',
  completed: 'complete',
  rejected: 'reject',
  restarted: 'restart',
  unassigned: 'unassign',
  reprioritized: 'reprioritize',
  moved: 'move',
} as const;
