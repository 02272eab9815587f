import { after, stoppedBy } from '../clock.js';
import type { Command } from '../command.js';
import { decide } from '../decide.js';
import { dueCommand } from '../due-command.js';
import type { Event } from '../event.js';
import { isFinal } from '../life-cycle.js';
import { scoreUnits } from '../limits.js';
import { isRejection } from '../rejection.js';
import type { TenantState } from '../state.js';
import { type Instant, type Override, statuses, type WorkItem } from '../work-item.js';

/** Applied like events that the tables have: the state keeps columns, no documents. */
const projected = Number.POSITIVE_INFINITY;

/** What is measured of one world, by the category that an item has in it. */
export interface Waiting {
  /** Milliseconds from ready to handed out. */
  waits: number[];
  missed: number;
}

/**
 * One course of events: a state that is replayed in virtual time, and what is measured of it. It keeps no documents: the
 * ones that a decision needs are made of the columns, which is all that the order and the life of an item rest on.
 */
export class World {
  readonly state: TenantState;
  readonly categories = new Map<string | null, Waiting>();
  /** Ids whose wait is over, so that it counts once. */
  readonly #handedOut = new Set<string>();
  readonly #settled = new Set<string>();
  /** Items that had ended and will be restarted: without columns, only their record brings them back. */
  readonly #ended = new Map<string, WorkItem>();
  readonly #restarted: ReadonlySet<string>;
  readonly #until: Instant;
  /** Items whose deadline lies in the window. */
  deadlines = 0;
  missed = 0;

  /** @param restarted ids that a `restarted` event brings back within the window. */
  constructor(state: TenantState, until: Instant, restarted: ReadonlySet<string>) {
    this.state = state;
    this.#until = until;
    this.#restarted = restarted;
  }

  /** How the item stood when the window began. */
  begin(item: WorkItem, at: Instant): void {
    if (isFinal(item.status)) this.#ended.set(item.id, item);
    else this.state.restore(item, at);
  }

  /** The open item as its columns say it; an ended one only when it will be restarted. */
  find(id: string): WorkItem | undefined {
    const slot = this.state.table.find(id);
    return slot < 0 ? this.#ended.get(id) : this.#itemAt(slot);
  }

  /** The best item at the instant. */
  best(at: Instant): string | undefined {
    const slot = this.state.queue.best(at);
    return slot < 0 ? undefined : this.state.table.idOf(slot);
  }

  apply(event: Event): void {
    const { state } = this;
    const item = 'id' in event ? this.find(event.id) : undefined;
    if ('id' in event && item === undefined) return;
    if (item !== undefined) this.#beforeMove(item, event as Event & { id: string; status: WorkItem['status'] });
    if (item !== undefined) state.documents.offer(item);
    state.apply(event, projected);
    state.documents.evict();
    if (item !== undefined && this.#restarted.has(item.id)) this.#keepEnded(item, event);
    while (!state.stepRebuild(Number.MAX_SAFE_INTEGER, event.at));
  }

  /** Decides a command on the world's own state and applies what follows; the events, none when it is refused. */
  decide(command: Command & { id?: string }, at: Instant): Event[] {
    const { state } = this;
    const id = command.type === 'next' ? this.best(at) : command.id;
    const item = id === undefined ? undefined : this.find(id);
    if (item === undefined) return [];
    state.documents.offer(item);
    const decision = decide(state, command, at, neverNew);
    state.documents.evict();
    if (isRejection(decision)) return [];
    for (const event of decision.events) this.apply(event);
    return decision.events;
  }

  /** The world's own timers: what is due by the instant happens. */
  passTime(at: Instant): void {
    const { deadlines, table } = this.state;
    while (deadlines.earliest <= at) {
      const due = deadlines.earliest;
      const slot = deadlines.pop();
      const command = table.isOpen(slot) ? dueCommand(this.state, table.idOf(slot), due) : undefined;
      if (command !== undefined) this.decide(command as Command & { id: string }, due);
    }
  }

  /** The window is over: whoever still waits has missed a deadline that has passed. */
  end(): number {
    const { table } = this.state;
    let waiting = 0;
    for (let slot = 0; slot < table.slotEnd; slot++) {
      const status = table.isOpen(slot) ? statuses[table.status[slot]] : undefined;
      if (status === undefined || status === 'assigned') continue;
      if (status === 'queued') waiting++;
      this.#settle(this.#itemAt(slot), Number.POSITIVE_INFINITY);
    }
    return waiting;
  }

  #beforeMove(item: WorkItem, event: { type: Event['type']; at: Instant; status: WorkItem['status'] }): void {
    if (event.type === 'assigned') {
      this.#noteWait(item, event.at);
      this.#settle(item, event.at);
    } else if (isFinal(event.status)) {
      this.#settle(item, event.type === 'expired' ? Number.POSITIVE_INFINITY : event.at);
    }
  }

  #noteWait(item: WorkItem, at: Instant): void {
    if (this.#handedOut.has(item.id)) return;
    this.#handedOut.add(item.id);
    const readyAt = Math.max(item.createdDateTime, item.activationDateTime ?? item.createdDateTime);
    this.#waitingOf(item).waits.push(Math.max(0, at - readyAt));
  }

  /** The item is handed out or has ended: in time or not. */
  #settle(item: WorkItem, at: Instant): void {
    const deadline = this.#deadlineOf(item);
    if (deadline === undefined || deadline > this.#until || this.#settled.has(item.id)) return;
    this.#settled.add(item.id);
    this.deadlines++;
    if (at <= deadline) return;
    this.missed++;
    this.#waitingOf(item).missed++;
  }

  #deadlineOf(item: WorkItem): Instant | undefined {
    const { categories, prioritization } = this.state;
    const settings = item.category === undefined ? {} : categories.resolve(item.category);
    if (settings.slaMs === undefined) return item.dueDateTime;
    const clock = prioritization.clockFor(settings);
    return after(clock, item.createdDateTime, settings.slaMs + stoppedBy(clock, item, item.createdDateTime));
  }

  #waitingOf(item: WorkItem): Waiting {
    const category = item.category ?? null;
    let waiting = this.categories.get(category);
    if (waiting === undefined) {
      waiting = { waits: [], missed: 0 };
      this.categories.set(category, waiting);
    }
    return waiting;
  }

  #keepEnded(item: WorkItem, event: Event): void {
    if (event.type === 'restarted') this.#ended.delete(item.id);
    else if ('status' in event && isFinal(event.status)) {
      this.#ended.set(item.id, { ...item, status: event.status, version: event.version });
    }
  }

  #itemAt(slot: number): WorkItem {
    const { table } = this.state;
    const given = (time: number) => (Number.isNaN(time) ? {} : { time }).time;
    return {
      id: table.idOf(slot),
      seq: table.seq[slot],
      version: table.version[slot],
      status: statuses[table.status[slot]],
      createdDateTime: table.created[slot],
      updatedDateTime: table.created[slot],
      activationDateTime: given(table.activation[slot]),
      dueDateTime: given(table.due[slot]),
      expirationDateTime: given(table.expiration[slot]),
      businessValue: table.businessValue[slot],
      category: table.categories.textOf(table.category[slot]) || undefined,
      customerSegment: table.segments.textOf(table.segment[slot]) || undefined,
      assignedTo: table.agents.textOf(table.agent[slot]) || undefined,
      stoppedMs: table.stopped.get(slot),
      override: overrideOf(table.overrides.get(slot)),
      attributes: '{}',
      fingerprint: '',
    };
  }
}

function overrideOf(entry: { units: number; until: Instant } | undefined): Override | undefined {
  if (entry === undefined) return undefined;
  const priority = entry.units / scoreUnits;
  return Number.isNaN(entry.until) ? { priority } : { priority, until: entry.until };
}

function neverNew(): string {
  throw new Error('a replay creates no items of its own');
}
