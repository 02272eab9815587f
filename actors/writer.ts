import type { Command } from '../engine/command.js';
import { decide } from '../engine/decide.js';
import type { Event } from '../engine/event.js';
import { needsAhead, needsOf } from '../engine/needs.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import { filterAnswer, itemAnswer, previewAnswer, settingsAnswer } from './answers.js';
import { addLine, linesAnswer } from './bulk-lines.js';
import { importAnswer, importPreview } from './bundle-answer.js';
import { readCommands } from './command-reader.js';
import type { Committer } from './committer.js';
import type { Entry } from './entry.js';
import type { OrderClock } from './order-clock.js';
import type { Parking } from './parking.js';
import type { Runtime } from './ports.js';
import type { Answer, Reply, Request } from './request.js';

/** Commands of one entry between two looks at the clock. */
const commandsALook = 16;
/** Items end at people's pace. */
const openItemsRetrySeconds = 60;
const rebuildOpsATurn = 20_000;
/** Id of an item that is only tried out. */
const nobody = '00000000-0000-7000-8000-000000000000';

export interface WriterContext {
  state: TenantState;
  committer: Committer;
  parking: Parking;
  clock: OrderClock;
  runtime: Runtime;
  newId: () => string;
  /** The tenant's quotas as they stand. */
  bounds: { readonly openItemsMax: number };
  wake: () => void;
}

/**
 * Decides the entries that change something, for one term: their commands become events, which are applied at once and
 * handed to the committer. **Invariant:** no reply leaves before the events that it rests on are durable, and one about
 * settings not before the order built from them is in force.
 */
export class Writer {
  readonly #c: WriterContext;
  /** Settings that are decided; their answer waits for the order built from them. */
  #awaitingOrder: { entry: Entry; reply: Reply }[] = [];

  constructor(context: WriterContext) {
    this.#c = context;
  }

  /** Who waits for an order. */
  get awaiting(): Entry[] {
    return this.#awaitingOrder.map(({ entry }) => entry);
  }

  get isIdle(): boolean {
    return this.#awaitingOrder.length === 0;
  }

  /** True when the entry is decided, parked or answered; false when it has to go on in a later turn. */
  run(entry: Entry, now: Instant, stopAt: number): boolean {
    const { request } = entry;
    if (entry.alone && !this.#c.committer.isIdle) return false;
    entry.commands ??= readCommands(request as Parameters<typeof readCommands>[0], this.#c.state, now);
    if (request.op === 'eraseItems') return this.#writeLines(entry, 0, now, stopAt);
    if ('firstLine' in request) return this.#writeLines(entry, request.firstLine, now, stopAt);
    const [command] = entry.commands;
    // A settings document may be durable already: only its answer was waiting when a term ended.
    const published = entry.decided > 0 ? publishedAnswer(this.#c.state, request, undefined) : undefined;
    const reply = published ?? this.#reply(entry, command, now);
    if (reply === undefined) return true;
    entry.decided = 1;
    this.#finish(entry, reply);
    return true;
  }

  #writeLines(entry: Entry, firstLine: number, now: Instant, stopAt: number): boolean {
    const commands = entry.commands as (Command | Rejection)[];
    for (; entry.decided < commands.length; entry.decided++) {
      const isLook = entry.decided % commandsALook === commandsALook - 1;
      if (this.#c.committer.isFull || (isLook && this.#c.runtime.monotonic() > stopAt)) {
        this.#c.committer.note(entry);
        return false;
      }
      const reply = this.#reply(entry, commands[entry.decided], now);
      if (reply === undefined) return true;
      addLine(entry, firstLine, reply);
    }
    this.#c.committer.answerWhenDurable(entry, linesAnswer(entry));
    return true;
  }

  /** The reply to one command, with its events applied; undefined when the entry waits for a read first. */
  #reply(entry: Entry, command: Command | Rejection, now: Instant): Reply | undefined {
    if (isRejection(command)) return command;
    const { state, newId, bounds } = this.#c;
    const { request } = entry;
    this.#c.parking.forgetAbsent(entry);
    const needs = needsOf(state, command, entry.absent, now);
    if (needs !== undefined) {
      this.#c.committer.note(entry);
      const commands = entry.commands as (Command | Rejection)[];
      this.#c.parking.park(entry, needsAhead(state, commands, entry.decided, entry.absent, now));
      return undefined;
    }
    const isTrial = 'dryRun' in request && request.dryRun === true;
    const decision = decide(state, command, now, isTrial ? () => nobody : newId);
    if (isRejection(decision)) return decision;
    const { itemId, events, ...outcome } = decision;
    if (isTrial && command.type === 'importSettings') return importPreview(events);
    if (isTrial && request.op === 'createMany') return outcome;
    if (isTrial) {
      const item = events.find((event) => 'item' in event)?.item ?? state.mustDocument(itemId as string);
      return previewAnswer(state, item, now);
    }
    if (state.table.size >= bounds.openItemsMax && events[0]?.type === 'created') {
      return openItemsExceeded(bounds.openItemsMax);
    }
    for (const event of events) this.apply(event);
    if (command.type === 'next' && events.length > 0) this.#c.clock.taken();
    const published = publishedAnswer(state, request, events);
    if (published !== undefined) return published;
    if (request.op === 'putFilter') return filterAnswer(state, request.filterId, outcome.status);
    const isOneOfMany = 'firstLine' in request || request.op === 'eraseItems';
    if (itemId === undefined || isOneOfMany) return { ...outcome, id: itemId };
    const item = state.documents.get(itemId);
    // Only an answer that is given again can be about an item that is no more.
    return item === undefined ? gone(itemId) : itemAnswer(state, item, now, outcome);
  }

  /** Into memory at once, and on its way to the journal. */
  apply(event: Event): void {
    this.#c.state.apply(event);
    this.#c.committer.add(event, this.#c.state);
  }

  /** The entry is decided: answered when durable, settings also when the order built from them is in force. */
  #finish(entry: Entry, reply: Reply): void {
    if (publishes(entry.request) && !isRejection(reply) && this.#c.state.rebuild !== undefined) {
      this.#awaitingOrder.push({ entry, reply });
      this.#c.committer.note(entry);
      this.#c.wake();
    } else this.#c.committer.answerWhenDurable(entry, reply);
  }

  /** Goes on with the order that new settings ask for; true when there is none to build. */
  stepRebuild(now: Instant): boolean {
    if (!this.#c.state.stepRebuild(rebuildOpsATurn, now)) return false;
    for (const { entry, reply } of this.#awaitingOrder.splice(0)) this.#c.committer.answerWhenDurable(entry, reply);
    return true;
  }
}

/** Whether the request puts other settings in force. */
export function publishes(request: Request): boolean {
  return request.op === 'putSettings' || (request.op === 'importSettings' && request.dryRun !== true);
}

/** The answer of a request that publishes settings, once they are in the state; undefined for every other request. */
function publishedAnswer(
  state: TenantState,
  request: Request,
  events: readonly Event[] | undefined,
): Answer | undefined {
  if (request.op === 'putSettings') return settingsAnswer(state, request.kind);
  return request.op === 'importSettings' && publishes(request) ? importAnswer(state, events) : undefined;
}

function gone(itemId: string): Rejection {
  return reject('gone', `this was done before; the item ${itemId} has been deleted since`);
}

function openItemsExceeded(limit: number): Rejection {
  return reject('quota-exceeded', `the tenant may have ${limit} open items; end some first`, {
    facts: { quota: 'openItems', limit },
    retryAfterSeconds: openItemsRetrySeconds,
  });
}
