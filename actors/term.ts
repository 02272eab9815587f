import type { Command } from '../engine/command.js';
import { decide } from '../engine/decide.js';
import { sliceMsMax } from '../engine/limits.js';
import { coldHeads, type Needs, needsOf } from '../engine/needs.js';
import { isRejection, type Rejection, reject, rejections } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import { type Instant, statuses } from '../engine/work-item.js';
import { itemAnswer, previewAnswer, settingsAnswer } from './answers.js';
import { Batch } from './batch.js';
import { readCommands } from './command-reader.js';
import type { Entry } from './entry.js';
import { Loader } from './loader.js';
import type { Mailbox } from './mailbox.js';
import type { ActorOptions } from './options.js';
import type { CommitOutcome, Lease, Runtime, TenantStores } from './ports.js';
import { Projector } from './projector.js';
import { Reads } from './reads.js';
import type { Reply } from './request.js';
import { pause } from './runtime.js';
import type { TenantMetrics } from './tenant-metrics.js';

/** Commands of one entry between two looks at the clock. */
const commandsALook = 16;
const crossingsATurn = 2000;
const rebuildOpsATurn = 20_000;
const dueATurn = 500;
const commitTries = 3;
const retryMs = 50;
/** `next` commands after which the queue's head is looked over for documents to read ahead. */
const takesALookAhead = 16;
/** Between two looks at items that cross into another segment while nobody asks for the order. */
const idleAdvanceMs = 1000;
/** Id of an item that is only tried out. */
const nobody = '00000000-0000-7000-8000-000000000000';

export interface TermEnd {
  cause: Exclude<CommitOutcome['kind'], 'committed'> | 'bug';
  detail: string;
  /** With `refused`: the database could not write now, rather than not this. */
  transient: boolean;
  /** The batch whose commit had begun: only the journal knows whether it is durable. */
  inFlight: Batch | undefined;
  /** Everybody who was promised an answer, in order, without those of `inFlight`. */
  unanswered: Entry[];
}

export interface TermContext {
  tenantId: string;
  lease: Lease;
  state: TenantState;
  /** Where the follower's tables stand, and the batches after that, which are durable and not projected yet. */
  cursor: number;
  unprojected: Batch[];
  stores: TenantStores;
  runtime: Runtime;
  options: ActorOptions;
  mailbox: Mailbox<Entry>;
  newId: () => string;
  metrics: TenantMetrics;
  onEnd: (end: TermEnd) => void;
  onError: (message: string, error: unknown) => void;
}

/**
 * One term of ownership: from an acquired lease and a recovered state to the first doubt. It takes entries from the
 * mailbox in bounded turns, decides them, applies their events at once, and commits them in batches, one commit in
 * flight. **Invariants:** nobody is answered before every event that the answer rests on is durable; memory is never
 * ahead of a journal that refused or may have refused: any outcome but `committed` ends the term, and its memory with it.
 */
export class Term {
  readonly #c: TermContext;
  readonly #loader: Loader;
  readonly #projector: Projector;
  readonly #reads: Reads;
  #gathering: Batch;
  #inFlight: Batch | undefined;
  /** The entry whose commands are half decided, or that waits for its turn to be alone. */
  #current: Entry | undefined;
  /** Entries whose documents have been read; they go before the mailbox. */
  #resumed: Entry[] = [];
  /** Entries that wait for a read. */
  readonly #parked = new Set<Entry>();
  /** Settings that are decided; their answer waits for the order built from them. */
  #awaitingOrder: { entry: Entry; reply: Reply }[] = [];
  /** Ids of items whose activation or expiration has come, and whether their documents are being read. */
  #due: string[] = [];
  #dueLoading = false;
  #takes = 0;
  #readingAhead = false;
  #lastNow: Instant = 0;
  #trustedUntil: number;
  #heartbeating = false;
  #scheduled = false;
  #ended = false;
  #cancelWake: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelHeartbeat: (() => void) | undefined;
  #idle: (() => void)[] = [];

  constructor(context: TermContext) {
    this.#c = context;
    const { stores, runtime, state } = context;
    this.#gathering = new Batch(context.lease.lastSeq);
    this.#loader = new Loader(stores.projection, state);
    this.#projector = new Projector({
      store: stores.projection,
      runtime,
      cursor: context.cursor,
      onProjected: (items, keys) => {
        for (const item of items) state.documents.settle(item);
        for (const key of keys) state.keys.delete(key);
        this.wake();
      },
      onLost: () => this.#end('lost', 'the follower is moved by another owner'),
      onError: (error) => context.onError('projection failed; trying again', error),
    });
    this.#reads = new Reads({
      state,
      store: stores.projection,
      projector: this.#projector,
      now: () => Math.max(runtime.now(), this.#lastNow),
      durableSeq: () => context.lease.lastSeq,
    });
    this.#trustedUntil = runtime.monotonic() + context.options.leaseTtlMs * 0.8;
    for (const batch of context.unprojected) this.#projector.add(batch);
    this.#armHeartbeat();
  }

  get state(): TenantState {
    return this.#c.state;
  }

  get projector(): Projector {
    return this.#projector;
  }

  get durableSeq(): number {
    return this.#c.lease.lastSeq;
  }

  get lease(): Lease {
    return this.#c.lease;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether everybody who was taken is answered, and everything is durable. */
  get isIdle(): boolean {
    return (
      this.#c.mailbox.size === 0 &&
      this.#current === undefined &&
      this.#resumed.length === 0 &&
      this.#parked.size === 0 &&
      this.#awaitingOrder.length === 0 &&
      this.#inFlight === undefined &&
      this.#gathering.events.length === 0
    );
  }

  /** Something may be done: goes on in a later turn of the loop. */
  wake(): void {
    if (this.#scheduled || this.#ended) return;
    this.#scheduled = true;
    this.#c.runtime.soon(() => this.#turn());
  }

  /** Resolves when every entry taken is answered and durable, or the term has ended. */
  idle(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.wake();
    });
  }

  /** Ends the term without a successor: timers stop, the follower stops. */
  close(): void {
    this.#ended = true;
    this.#projector.stop();
    this.#cancelWake?.();
    this.#cancelHeartbeat?.();
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#ended) return;
    try {
      this.#work();
    } catch (error) {
      this.#c.onError('a turn of the actor failed', error);
      this.#end('bug', (error as Error).message);
    }
  }

  #work(): void {
    const { runtime, state } = this.#c;
    if (runtime.monotonic() > this.#trustedUntil) {
      void this.#heartbeat();
      return;
    }
    // Time never goes back for the order, whatever the wall clock does.
    const now = Math.max(runtime.now(), this.#lastNow);
    this.#lastNow = now;
    const stopAt = runtime.monotonic() + sliceMsMax;
    let more = state.table.growStep();
    if (!this.#stepRebuild(now)) more = true;
    if (!this.#orderReady(now) && !this.#dueLoading) more = true;
    if (this.#takeEntries(now, stopAt)) more = true;
    this.#flush();
    this.#readAhead(now);
    if (more) this.wake();
    else this.#rest(now);
  }

  /** Runs entries until none is left, the turn is over or the batch is full; true when the turn ended early. */
  #takeEntries(now: Instant, stopAt: number): boolean {
    const { runtime, options, mailbox } = this.#c;
    for (;;) {
      if (this.#gathering.isFull(options.batchEventsMax)) return false;
      const throttled = this.#c.state.documents.pendingBytes > options.unprojectedBytesMax;
      const entry = this.#current ?? this.#resumed.shift() ?? (throttled ? undefined : mailbox.shift());
      if (entry === undefined) return false;
      this.#current = undefined;
      if (runtime.monotonic() > entry.deadlineAt && entry.decided === 0) {
        entry.answer(
          reject('unavailable', 'the request waited for longer than its time-out', { retryAfterSeconds: 1 }),
        );
        continue;
      }
      if (!this.#run(entry, now, stopAt)) {
        this.#current = entry;
        // The turn is over, or something else has to happen first (a commit, a read, a slice of the order).
        return !this.#dueLoading && (runtime.monotonic() > stopAt || !this.#orderReady(now));
      }
      if (entry.alone || runtime.monotonic() > stopAt) return true;
    }
  }

  /** True when the entry is decided, parked or answered; false when it has to go on in a later turn. */
  #run(entry: Entry, now: Instant, stopAt: number): boolean {
    const { request } = entry;
    switch (request.op) {
      case 'next':
        return this.#orderReady(now) && this.#write(entry, now, stopAt);
      case 'queue':
        return this.#orderReady(now) && this.#read(entry, now);
      case 'get':
      case 'explain':
      case 'list':
      case 'history':
      case 'getSettings':
        return this.#read(entry, now);
      default:
        return this.#write(entry, now, stopAt);
    }
  }

  #read(entry: Entry, now: Instant): boolean {
    this.#forgetAbsent(entry);
    const result = this.#reads.run(entry, now);
    if ('needs' in result) this.#park(entry, result.needs);
    else if ('later' in result) void this.#answerLater(entry, result.later);
    else this.#answerWhenDurable(entry, result.reply);
    return true;
  }

  /** A read of the tables: it waits for nothing in the actor, and may outlive the term. */
  async #answerLater(entry: Entry, later: () => Promise<Reply>): Promise<void> {
    this.#parked.add(entry);
    try {
      entry.answer(await later());
    } catch (error) {
      this.#c.onError('reading the tables failed', error);
      entry.answer(reject('unavailable', 'the database does not answer', { retryAfterSeconds: 1 }));
    }
    this.#parked.delete(entry);
    this.#tellIdle();
  }

  #write(entry: Entry, now: Instant, stopAt: number): boolean {
    const { state, runtime, options, newId } = this.#c;
    const { request } = entry;
    if (entry.alone && (this.#inFlight !== undefined || this.#gathering.events.length > 0)) return false;
    entry.commands ??= readCommands(request as Parameters<typeof readCommands>[0], state, now);
    const { commands } = entry;
    if (('dryRun' in request && request.dryRun) === true) return this.#preview(entry, commands[0], now);
    for (; entry.decided < commands.length; entry.decided++) {
      const command = commands[entry.decided];
      if (this.#gathering.isFull(options.batchEventsMax)) return this.#hand(entry);
      if (entry.decided % commandsALook === commandsALook - 1 && runtime.monotonic() > stopAt) return this.#hand(entry);
      const reply = isRejection(command) ? command : this.#decide(entry, command, now, newId);
      if (reply === undefined) return true;
      if (request.op === 'createMany') addLine(entry, request.firstLine, reply);
      else {
        entry.decided = 1;
        this.#finish(entry, reply);
        return true;
      }
    }
    this.#finish(entry, request.op === 'createMany' ? linesAnswer(entry) : this.#settingsAnswer(entry));
    return true;
  }

  /** Notes with the batch how far the entry has come, so that a failure after its commit repeats nothing. */
  #hand(entry: Entry): boolean {
    if (entry.decided > entry.durable && this.#gathering.events.length > 0) {
      this.#gathering.waiters.push({ entry, decided: entry.decided });
    }
    return false;
  }

  /** The reply to one command, with its events applied; undefined when the entry waits for a read first. */
  #decide(entry: Entry, command: Command, now: Instant, newId: () => string): Reply | undefined {
    const { state } = this.#c;
    this.#forgetAbsent(entry);
    const needs = needsOf(state, command, entry.absent, now);
    if (needs !== undefined) {
      this.#hand(entry);
      this.#park(entry, needs);
      return undefined;
    }
    const decision = decide(state, command, now, newId);
    if (isRejection(decision)) return decision;
    for (const event of decision.events) this.#apply(event);
    if (command.type === 'next' && decision.events.length > 0) this.#takes++;
    const { itemId, status, replayed, ignored } = decision;
    if (command.type === 'replaceCategories' || command.type === 'replacePrioritization')
      return this.#settingsAnswer(entry);
    if (itemId === undefined) return { status };
    const item = state.mustDocument(itemId);
    if (entry.request.op === 'createMany') return { status, id: itemId, replayed };
    return itemAnswer(state, item, now, { status, replayed, ignored });
  }

  #apply(event: Batch['events'][number]): void {
    this.#c.state.apply(event);
    this.#gathering.add(event, this.#c.state);
    this.#c.metrics.events(event.type);
  }

  #preview(entry: Entry, command: Command | Rejection, now: Instant): boolean {
    if (isRejection(command)) {
      entry.answer(command);
      return true;
    }
    this.#forgetAbsent(entry);
    const needs = needsOf(this.#c.state, command, entry.absent, now);
    if (needs !== undefined) {
      this.#park(entry, needs);
      return true;
    }
    const decision = decide(this.#c.state, command, now, () => nobody);
    if (isRejection(decision)) this.#answerWhenDurable(entry, decision);
    else {
      const [event] = decision.events;
      const item =
        event !== undefined && 'item' in event ? event.item : this.#c.state.mustDocument(decision.itemId ?? '');
      this.#answerWhenDurable(entry, previewAnswer(this.#c.state, item, now));
    }
    return true;
  }

  #settingsAnswer(entry: Entry): Reply {
    const { state } = this.#c;
    const isCategories = entry.request.op === 'putSettings' && entry.request.kind === 'categories';
    return isCategories
      ? settingsAnswer(state.categoriesVersion, this.#lastNow, { categories: [...state.categories.documents] })
      : settingsAnswer(state.prioritizationVersion, this.#lastNow, { schemas: [...state.prioritization.documents] });
  }

  /** The entry is decided as a whole: answered when durable, settings also when the order built from them is in force. */
  #finish(entry: Entry, reply: Reply): void {
    if (entry.request.op === 'putSettings' && !isRejection(reply) && this.#c.state.rebuild !== undefined) {
      this.#awaitingOrder.push({ entry, reply });
      if (this.#gathering.events.length > 0) this.#gathering.waiters.push({ entry, decided: entry.decided });
      this.wake();
    } else this.#answerWhenDurable(entry, reply);
  }

  #answerWhenDurable(entry: Entry, reply: Reply): void {
    const batch = this.#gathering.events.length > 0 ? this.#gathering : this.#inFlight;
    if (batch === undefined) entry.answer(reply);
    else batch.waiters.push({ entry, decided: entry.decided, reply });
  }

  #park(entry: Entry, needs: Needs): void {
    this.#parked.add(entry);
    this.#loader.want(needs, (error) => {
      this.#parked.delete(entry);
      if (error !== undefined) {
        this.#c.onError('reading documents failed', error);
        entry.answer(reject('unavailable', 'the database does not answer', { retryAfterSeconds: 1 }));
        this.#tellIdle();
        return;
      }
      this.#noteAbsent(entry, needs);
      this.#resumed.push(entry);
      this.wake();
    });
  }

  #noteAbsent(entry: Entry, needs: Needs): void {
    const { state } = this.#c;
    this.#forgetAbsent(entry);
    for (const id of needs.ids) if (!state.documents.has(id)) entry.absent.add(id);
    for (const captureId of needs.captureIds) {
      if (state.findByCapture(captureId) === undefined) entry.absent.add(`c:${captureId}`);
    }
    for (const key of needs.keys) if (state.answerTo(key) === undefined) entry.absent.add(`k:${key}`);
  }

  /** "It does not exist" holds only as long as nothing was let go that may have come into being since. */
  #forgetAbsent(entry: Entry): void {
    const { evictions } = this.#c.state.documents;
    if (entry.absentAt === evictions) return;
    entry.absent.clear();
    entry.absentAt = evictions;
  }

  /** Whether the order is right at `now`: what was due has happened, and every item is in the segment it belongs to. */
  #orderReady(now: Instant): boolean {
    const { state } = this.#c;
    if (state.deadlines.earliest <= now || this.#due.length > 0) {
      if (!this.#decideDue(now)) return false;
    }
    return state.queue.advance(now, crossingsATurn);
  }

  /** Lets activations and expirations happen whose time has come; false when some are left. */
  #decideDue(now: Instant): boolean {
    const { state } = this.#c;
    this.#collectDue(now);
    const cold = this.#due.filter((id) => !state.documents.has(id));
    if (cold.length > 0) {
      this.#loadDue(cold);
      return false;
    }
    for (const id of this.#due) {
      const command = dueCommand(state, id, now);
      const decision = command && decide(state, command, now, this.#c.newId);
      if (decision !== undefined && !isRejection(decision)) for (const event of decision.events) this.#apply(event);
    }
    this.#due = [];
    return state.deadlines.earliest > now;
  }

  #collectDue(now: Instant): void {
    const { state } = this.#c;
    while (state.deadlines.earliest <= now && this.#due.length < dueATurn) {
      const slot = state.deadlines.pop();
      if (!state.table.isOpen(slot)) continue;
      const id = state.table.idOf(slot);
      if (dueCommand(state, id, now) !== undefined && !this.#due.includes(id)) this.#due.push(id);
    }
  }

  #loadDue(ids: string[]): void {
    if (this.#dueLoading) return;
    this.#dueLoading = true;
    this.#loader.want({ ids, captureIds: [], keys: [] }, (error) => {
      this.#dueLoading = false;
      if (error !== undefined) this.#c.onError('reading due items failed', error);
      else if (ids.some((id) => !this.#c.state.documents.has(id) && this.#c.state.table.find(id) >= 0)) {
        this.#end('bug', 'an open item is missing in the work_item table');
      }
      this.#c.runtime.timer(error === undefined ? 0 : retryMs, () => this.wake());
    });
  }

  /** Reads the documents of the next heads before somebody takes them. */
  #readAhead(now: Instant): void {
    if (this.#takes < takesALookAhead || this.#readingAhead || !this.#orderReady(now)) return;
    this.#takes = 0;
    const ids = coldHeads(this.#c.state, now);
    if (ids.length === 0) return;
    this.#readingAhead = true;
    this.#loader.want({ ids, captureIds: [], keys: [] }, () => {
      this.#readingAhead = false;
    });
  }

  #stepRebuild(now: Instant): boolean {
    if (!this.#c.state.stepRebuild(rebuildOpsATurn, now)) return false;
    for (const { entry, reply } of this.#awaitingOrder.splice(0)) this.#answerWhenDurable(entry, reply);
    return true;
  }

  #flush(): void {
    if (this.#inFlight !== undefined || this.#gathering.events.length === 0) return;
    const batch = this.#gathering;
    this.#gathering = new Batch(batch.toSeq);
    this.#inFlight = batch;
    void this.#commit(batch);
  }

  async #commit(batch: Batch): Promise<void> {
    const { runtime, stores, lease, metrics } = this.#c;
    const begunAt = runtime.monotonic();
    let outcome: CommitOutcome = { kind: 'unknown', cause: 'not tried' };
    for (let attempt = 1; attempt <= commitTries && !this.#ended; attempt++) {
      outcome = await stores.journal.commit(lease, batch.events);
      if (outcome.kind !== 'refused' || !outcome.transient) break;
      await pause(runtime, retryMs * attempt);
    }
    if (this.#ended) return;
    metrics.commit(outcome.kind, batch.events.length, runtime.monotonic() - begunAt);
    if (outcome.kind !== 'committed') {
      this.#end(outcome.kind, outcomeText(outcome), outcome.kind === 'refused' && outcome.transient);
      return;
    }
    lease.lastSeq = batch.toSeq;
    this.#trust(begunAt);
    this.#inFlight = undefined;
    settle(batch);
    this.#projector.add(batch);
    this.#flush();
    this.wake();
  }

  /** Reads are answered from memory only while no other owner can have begun. */
  #trust(since: number): void {
    this.#trustedUntil = since + this.#c.options.leaseTtlMs * 0.8;
  }

  #armHeartbeat(): void {
    this.#cancelHeartbeat = this.#c.runtime.timer(this.#c.options.leaseTtlMs / 3, () => {
      if (this.#ended) return;
      void this.#heartbeat();
      this.#armHeartbeat();
    });
  }

  /** Tells contenders that we live, and ourselves that the lease is still ours; a commit in flight says both. */
  async #heartbeat(): Promise<void> {
    if (this.#heartbeating || this.#inFlight !== undefined) return;
    this.#heartbeating = true;
    const begunAt = this.#c.runtime.monotonic();
    try {
      const ours = await this.#c.stores.lease.heartbeat(this.#c.lease);
      if (this.#ended) return;
      if (ours) this.#trust(begunAt);
      else this.#end('lost', 'the lease is held by another owner');
    } catch (error) {
      this.#c.onError('the heartbeat of the lease failed', error);
    } finally {
      this.#heartbeating = false;
    }
    if (this.#c.runtime.monotonic() <= this.#trustedUntil) this.wake();
  }

  #end(cause: TermEnd['cause'], detail: string, transient = false): void {
    if (this.#ended) return;
    this.close();
    const unanswered = new Set<Entry>();
    for (const { entry } of this.#inFlight?.waiters ?? []) unanswered.add(entry);
    for (const { entry } of this.#gathering.waiters) unanswered.add(entry);
    for (const { entry } of this.#awaitingOrder) unanswered.add(entry);
    if (this.#current !== undefined) unanswered.add(this.#current);
    for (const entry of [...this.#resumed, ...this.#parked]) unanswered.add(entry);
    for (const resolve of this.#idle.splice(0)) resolve();
    this.#c.onEnd({ cause, detail, transient, inFlight: this.#inFlight, unanswered: [...unanswered] });
  }

  /** Nothing to do now: sleeps until the next activation, expiration or crossing, unless something wakes us before. */
  #rest(now: Instant): void {
    this.#tellIdle();
    const { state, runtime } = this.#c;
    const crossing = Math.max(state.queue.nextCrossing(), now + idleAdvanceMs);
    const at = Math.min(state.deadlines.earliest, crossing);
    if (at === this.#wakeAt && this.#cancelWake !== undefined) return;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeAt = at;
    if (at === Number.POSITIVE_INFINITY || this.#dueLoading) return;
    this.#cancelWake = runtime.timer(Math.min(Math.max(1, at - now), 60_000), () => {
      this.#cancelWake = undefined;
      this.wake();
    });
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || !this.isIdle) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** Everybody who waited for the batch learns that it is durable. */
export function settle(batch: Batch): void {
  for (const { entry, decided, reply } of batch.waiters) {
    entry.durable = Math.max(entry.durable, decided);
    if (reply !== undefined) entry.answer(reply);
  }
}

function outcomeText(outcome: CommitOutcome): string {
  if (outcome.kind === 'refused') return `${outcome.sqlState} ${outcome.detail}`;
  return outcome.kind === 'unknown' ? outcome.cause : 'the lease is held by another owner';
}

/** What has become due for the item, undefined when its deadline means nothing any more. */
function dueCommand(state: TenantState, id: string, now: Instant): Command | undefined {
  const slot = state.table.find(id);
  if (slot < 0) return undefined;
  const status = statuses[state.table.status[slot]];
  if (status !== 'assigned' && state.table.expiration[slot] <= now) return { type: 'expire', id };
  if (status === 'scheduled' && state.table.activation[slot] <= now) return { type: 'activateDue', id };
  return undefined;
}

function addLine(entry: Entry, firstLine: number, reply: Reply): void {
  const line = firstLine + entry.decided;
  if (isRejection(reply)) {
    const { code, detail, faults } = reply;
    entry.lines.push({
      json: JSON.stringify({ line, status: rejections[code].status, code, detail, errors: faults }),
      accepted: false,
    });
  } else {
    entry.lines.push({ json: `{"line":${line},"id":"${reply.id}","status":${reply.status}}`, accepted: true });
  }
}

function linesAnswer(entry: Entry): Reply {
  const accepted = entry.lines.filter((line) => line.accepted).length;
  return {
    status: 200,
    json: entry.lines.map((line) => line.json).join(','),
    accepted,
    refused: entry.lines.length - accepted,
  };
}
