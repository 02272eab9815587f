import type { Command } from '../engine/command.js';
import { decide } from '../engine/decide.js';
import type { Event } from '../engine/event.js';
import { sliceMsMax } from '../engine/limits.js';
import { needsAhead, needsOf } from '../engine/needs.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import { filterAnswer, itemAnswer, previewAnswer, settingsAnswer } from './answers.js';
import type { Batch } from './batch.js';
import { BulkActions } from './bulk-actions.js';
import { addLine, linesAnswer } from './bulk-lines.js';
import { BulkRunner } from './bulk-runner.js';
import { importAnswer, importPreview } from './bundle-answer.js';
import { readCommands } from './command-reader.js';
import { Committer } from './committer.js';
import { Entry } from './entry.js';
import { LeaseWatch } from './lease-watch.js';
import { Loader } from './loader.js';
import type { Mailbox } from './mailbox.js';
import type { ActorOptions } from './options.js';
import { OrderClock } from './order-clock.js';
import { Parking } from './parking.js';
import type { CommitOutcome, Lease, Runtime, TenantStores } from './ports.js';
import { Projector } from './projector.js';
import { Reads } from './reads.js';
import type { Answer, Reply, Request } from './request.js';
import { Retention, type SweepPlan } from './retention.js';
import { Subjects } from './subjects.js';
import type { TenantMetrics } from './tenant-metrics.js';

/** Commands of one entry between two looks at the clock. */
const commandsALook = 16;
/** Items end at people's pace. */
const openItemsRetrySeconds = 60;
const rebuildOpsATurn = 20_000;
const sleepMsMax = 60_000;
/** SQLSTATE of a commit that could not even be sent. */
const noConnection = '08001';
/** Id of an item that is only tried out. */
const nobody = '00000000-0000-7000-8000-000000000000';

export interface TermEnd {
  cause: Exclude<CommitOutcome['kind'], 'committed'> | 'bug';
  detail: string;
  /** With `refused`: the database could not write now, rather than not this. */
  transient: boolean;
  /** The batch whose commit had begun: only the journal knows whether it is durable. */
  inFlight: Batch | undefined;
  /** Everybody who was promised an answer, in order. */
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
  /** The tenant's quotas as they stand. */
  bounds: { readonly openItemsMax: number };
  sweepPlan: SweepPlan;
  metrics: TenantMetrics;
  /** Puts a snapshot of this term in the place of the stored one; rejects when it cannot. */
  saveSnapshot: (term: Term) => Promise<void>;
  onEnd: (end: TermEnd) => void;
  onError: (message: string, error: unknown) => void;
}

/**
 * One term of ownership: from an acquired lease and a recovered state to the first doubt. It takes entries from the
 * mailbox in bounded turns, decides them, applies their events at once and hands those to the committer.
 * **Invariants:** nobody is answered before every event that the answer rests on is durable; memory is never ahead of a
 * journal that refused or may have refused: any outcome but `committed` ends the term, and its memory with it.
 */
export class Term {
  readonly projector: Projector;
  readonly #c: TermContext;
  readonly #committer: Committer;
  readonly #parking: Parking;
  readonly #clock: OrderClock;
  readonly #watch: LeaseWatch;
  readonly #reads: Reads;
  readonly #subjects: Subjects;
  /** The engine's own requests, taken before those of clients. */
  #own: Entry[] = [];
  /** Clients are served from `serve()` on. */
  #serving = false;
  readonly #bulkRunner: BulkRunner;
  readonly #retention: Retention;
  readonly #bulkActions: BulkActions;
  /** The entry whose commands are half decided, or that waits for something to happen first. */
  #current: Entry | undefined;
  /** The entry that this turn is working on. */
  #running: Entry | undefined;
  /** Settings that are decided; their answer waits for the order built from them. */
  #awaitingOrder: { entry: Entry; reply: Reply }[] = [];
  #lastNow: Instant = 0;
  #scheduled = false;
  #paused = false;
  #ended = false;
  #sleep: { until: Instant; cancel: () => void } | undefined;
  #idle: (() => void)[] = [];

  constructor(context: TermContext) {
    this.#c = context;
    const { stores, runtime, state, lease, options, metrics, onError } = context;
    const loader = new Loader(stores.projection, state, runtime);
    const wake = () => this.wake();
    this.projector = this.#makeProjector(loader);
    this.#committer = new Committer({
      lease,
      journal: stores.journal,
      runtime,
      metrics,
      batchEventsMax: options.batchEventsMax,
      onDurable: (batch, begunAt) => this.#durable(batch, begunAt),
      onFailure: (outcome) => this.#end(outcome.kind, textOf(outcome), outcome),
    });
    this.#parking = new Parking({ state, loader, runtime, holdMs: options.holdMs, onChange: wake, onError });
    this.#clock = new OrderClock({
      state,
      loader,
      runtime,
      apply: (event) => this.#apply(event),
      isFull: () => this.#committer.isFull,
      wake,
      onError,
      onBug: (detail) => this.#end('bug', detail),
    });
    this.#watch = new LeaseWatch({
      lease,
      store: stores.lease,
      runtime,
      ttlMs: options.leaseTtlMs,
      isCommitting: () => this.#committer.inFlight !== undefined,
      onTrusted: wake,
      onLost: () => this.#end('lost', 'the lease is held by another owner'),
      onError: (error) => onError('the heartbeat of the lease failed', error),
    });
    this.#reads = new Reads({
      state,
      store: stores.projection,
      projector: this.projector,
      now: () => this.#now(),
      durableSeq: () => lease.lastSeq,
    });
    this.#bulkRunner = new BulkRunner({
      store: stores.bulkActions,
      runtime,
      submit: (request) => this.#askInTurn(request),
      onError,
    });
    this.#subjects = new Subjects({
      state,
      stores,
      projector: this.projector,
      runtime,
      bulkRunner: this.#bulkRunner,
      durableSeq: () => lease.lastSeq,
      ask: (request) => this.#ask(request),
      saveSnapshot: () => context.saveSnapshot(this),
    });
    this.#retention = new Retention({
      state,
      projection: stores.projection,
      runtime,
      plan: context.sweepPlan,
      submit: (request) => this.#askInTurn(request),
      onError,
    });
    this.#bulkActions = new BulkActions({
      state,
      lease,
      store: stores.bulkActions,
      projection: stores.projection,
      runner: this.#bulkRunner,
      now: () => this.#now(),
      newId: context.newId,
      caughtUp: () => this.#reads.caughtUp(),
    });
    for (const batch of context.unprojected) this.projector.add(batch);
  }

  get state(): TenantState {
    return this.#c.state;
  }

  get lease(): Lease {
    return this.#c.lease;
  }

  get durableSeq(): number {
    return this.#c.lease.lastSeq;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether everybody who was taken is answered, and everything is durable. */
  get isIdle(): boolean {
    return (
      (this.#paused || this.#c.mailbox.size === 0) &&
      this.#current === undefined &&
      this.#own.length === 0 &&
      this.#parking.isEmpty &&
      this.#awaitingOrder.length === 0 &&
      this.#committer.isIdle
    );
  }

  /** Whether it has work of its own under way, beside what it was asked for: bulk actions, a sweep of the retention. */
  get hasOwnWork(): boolean {
    return this.#bulkRunner.isBusy || this.#retention.isBusy;
  }

  /** When the tenant must be in memory though nobody asks. What is under way goes on as soon as there is a place. */
  get wakeAt(): Instant {
    if (this.#bulkRunner.isBusy) return 0;
    return Math.min(this.#c.state.deadlines.earliest, this.#retention.wakeAt);
  }

  /** Everybody who was taken from the mailbox and has no answer yet, in order. */
  get unanswered(): Entry[] {
    const { inFlight, gatheringEntries } = this.#committer;
    const entries = new Set([
      ...(inFlight?.waiters.map(({ entry }) => entry) ?? []),
      ...gatheringEntries,
      ...this.#awaitingOrder.map(({ entry }) => entry),
      ...(this.#current === undefined ? [] : [this.#current]),
      ...this.#parking.entries,
    ]);
    return [...entries];
  }

  /**
   * Erases again whom the ledger names, when this database is a restored backup; clients wait meanwhile. Never resolves
   * when the term ends before.
   */
  eraseAgain(onNote: (message: string) => void): Promise<void> {
    return this.#subjects.replay(onNote);
  }

  /** From now on clients are served. */
  serve(): void {
    this.#serving = true;
    void this.#bulkRunner.resume();
    this.#retention.start();
    this.wake();
  }

  #ask(request: Request): Promise<Reply> {
    return new Promise((resolve) => {
      this.#own.push(new Entry(request, Number.POSITIVE_INFINITY, resolve));
      this.wake();
    });
  }

  /** Something may be done: goes on in a later turn of the loop. */
  wake(): void {
    if (this.#scheduled || this.#ended) return;
    this.#scheduled = true;
    this.#c.runtime.soon(() => this.#turn());
  }

  /** Resolves when the term is idle, or has ended. */
  idle(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.wake();
    });
  }

  /** Takes nothing more from the mailbox until `resume`; what was taken goes on. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  /** Stops every activity; what is in flight is for a successor to find out about. */
  close(): void {
    this.#ended = true;
    this.#committer.close();
    this.#parking.close();
    this.projector.stop();
    this.#watch.stop();
    this.#bulkRunner.close();
    this.#retention.close();
    this.#sleep?.cancel();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** A request of the engine's own that waits its turn among those of clients; when this term ends, whoever has asked is gone, and its answer goes nowhere. */
  #askInTurn(request: Request): Promise<Reply> {
    return new Promise((resolve) => {
      const isIn = this.#c.mailbox.push(new Entry(request, Number.POSITIVE_INFINITY, resolve));
      if (isIn) this.wake();
      else resolve(reject('too-many-requests', 'too many commands wait for this tenant'));
    });
  }

  #makeProjector(loader: Loader): Projector {
    const { stores, runtime, state, cursor, options, onError } = this.#c;
    return new Projector({
      store: stores.projection,
      runtime,
      cursor,
      // A quarter of the room: a list that waits for the tables must not wait for all of a burst.
      mayRest: () => !this.#committer.isIdle && state.documents.pendingBytes * 4 < options.unprojectedBytesMax,
      onProjected: (items, deleted, keys) => {
        for (const item of items) state.documents.settle(item);
        for (const id of deleted) state.documents.settleDeleted(id);
        for (const key of keys) state.keys.delete(key);
        loader.relieve();
        this.wake();
      },
      onLost: () => this.#end('lost', 'the follower is moved by another owner'),
      onError: (error) => onError('projection failed; trying again', error),
    });
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#ended) return;
    try {
      if (this.#watch.isTrusted) this.#work();
      else void this.#watch.beat();
    } catch (error) {
      this.#c.onError('a turn of the actor failed', error);
      // Decided again it would fail again, and the tenant with it.
      this.#running?.answer(reject('internal', 'the engine failed on this request'));
      this.#end('bug', (error as Error).message);
    }
  }

  /** Time never goes back for the order, whatever the wall clock does. */
  #now(): Instant {
    return Math.max(this.#c.runtime.now(), this.#lastNow);
  }

  #work(): void {
    const { runtime, state } = this.#c;
    const now = this.#now();
    this.#lastNow = now;
    const stopAt = runtime.monotonic() + sliceMsMax;
    // Before anything is scored by them; a step is as long as a turn should be.
    if (!state.calendars.prepareStep(now)) {
      this.wake();
      return;
    }
    this.#clock.beginTurn();
    let more = state.growStep();
    if (!this.#stepRebuild(now)) more = true;
    if (!this.#clock.ready(now) && !this.#clock.isWaiting) more = true;
    if (this.#takeEntries(now, stopAt)) more = true;
    this.#committer.flush();
    this.#clock.readAhead(now);
    if (more) this.wake();
    else this.#rest(now);
  }

  /** Runs entries until none is left, the turn is over or the batch is full; true when the turn ended early. */
  #takeEntries(now: Instant, stopAt: number): boolean {
    const { runtime } = this.#c;
    while (!this.#committer.isFull) {
      const entry = this.#nextEntry();
      if (entry === undefined) return false;
      if (runtime.monotonic() > entry.deadlineAt && entry.decided === 0) {
        entry.answer(
          reject('unavailable', 'the request waited for longer than its time-out', { retryAfterSeconds: 1 }),
        );
        continue;
      }
      this.#running = entry;
      const isDone = this.#run(entry, now, stopAt);
      this.#running = undefined;
      if (!isDone) {
        this.#current = entry;
        // The turn is over, or something else has to happen first (a commit, a read, a slice of the order).
        return !this.#clock.isWaiting && (runtime.monotonic() > stopAt || !this.#clock.ready(now));
      }
      if (entry.alone || publishes(entry.request) || runtime.monotonic() > stopAt) return true;
    }
    return false;
  }

  /** While the follower is too far behind, only what has begun goes on. */
  #nextEntry(): Entry | undefined {
    const { state, options, mailbox } = this.#c;
    const entry = this.#current ?? this.#parking.shift();
    this.#current = undefined;
    if (entry !== undefined) return entry;
    const own = this.#own.shift();
    if (own !== undefined || !this.#serving || this.#paused) return own;
    return state.documents.pendingBytes > options.unprojectedBytesMax ? undefined : mailbox.shift();
  }

  /** True when the entry is decided, parked or answered; false when it has to go on in a later turn. */
  #run(entry: Entry, now: Instant, stopAt: number): boolean {
    const { request } = entry;
    switch (request.op) {
      case 'next':
        return this.#clock.ready(now) && this.#write(entry, now, stopAt);
      case 'queue':
        return this.#clock.ready(now) && this.#read(entry, now);
      case 'get':
      case 'explain':
      case 'list':
      case 'search':
      case 'export':
      case 'getFilters':
      case 'getFilter':
      case 'history':
      case 'audit':
      case 'getSettings':
      case 'settingsVersions':
      case 'exportSettings':
        return this.#read(entry, now);
      case 'eraseSubject':
      case 'exportSubject':
        void this.#parking.answerLater(entry, () => this.#subjects.run(request));
        return true;
      case 'startBulkAction':
      case 'getBulkAction':
      case 'listBulkActions':
      case 'cancelBulkAction':
        void this.#parking.answerLater(entry, this.#bulkActions.run(request));
        return true;
      default:
        return this.#write(entry, now, stopAt);
    }
  }

  #read(entry: Entry, now: Instant): boolean {
    this.#parking.forgetAbsent(entry);
    const result = this.#reads.run(entry, now);
    if ('needs' in result) this.#parking.park(entry, result.needs);
    else if ('later' in result) void this.#parking.answerLater(entry, result.later);
    else this.#committer.answerWhenDurable(entry, result.reply);
    return true;
  }

  #write(entry: Entry, now: Instant, stopAt: number): boolean {
    const { request } = entry;
    if (entry.alone && !this.#committer.isIdle) return false;
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
      if (this.#committer.isFull || (isLook && this.#c.runtime.monotonic() > stopAt)) {
        this.#committer.note(entry);
        return false;
      }
      const reply = this.#reply(entry, commands[entry.decided], now);
      if (reply === undefined) return true;
      addLine(entry, firstLine, reply);
    }
    this.#committer.answerWhenDurable(entry, linesAnswer(entry));
    return true;
  }

  /** The reply to one command, with its events applied; undefined when the entry waits for a read first. */
  #reply(entry: Entry, command: Command | Rejection, now: Instant): Reply | undefined {
    if (isRejection(command)) return command;
    const { state, newId, bounds } = this.#c;
    const { request } = entry;
    this.#parking.forgetAbsent(entry);
    const needs = needsOf(state, command, entry.absent, now);
    if (needs !== undefined) {
      this.#committer.note(entry);
      const commands = entry.commands as (Command | Rejection)[];
      this.#parking.park(entry, needsAhead(state, commands, entry.decided, entry.absent, now));
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
    for (const event of events) this.#apply(event);
    if (command.type === 'next' && events.length > 0) this.#clock.taken();
    const published = publishedAnswer(state, request, events);
    if (published !== undefined) return published;
    if (request.op === 'putFilter') return filterAnswer(state, request.filterId, outcome.status);
    const isOneOfMany = 'firstLine' in request || request.op === 'eraseItems';
    if (itemId === undefined || isOneOfMany) return { ...outcome, id: itemId };
    const item = state.documents.get(itemId);
    // Only an answer that is given again can be about an item that is no more.
    return item === undefined ? gone(itemId) : itemAnswer(state, item, now, outcome);
  }

  #apply(event: Batch['events'][number]): void {
    this.#c.state.apply(event);
    this.#committer.add(event, this.#c.state);
  }

  /** The entry is decided: answered when durable, settings also when the order built from them is in force. */
  #finish(entry: Entry, reply: Reply): void {
    if (publishes(entry.request) && !isRejection(reply) && this.#c.state.rebuild !== undefined) {
      this.#awaitingOrder.push({ entry, reply });
      this.#committer.note(entry);
      this.wake();
    } else this.#committer.answerWhenDurable(entry, reply);
  }

  #stepRebuild(now: Instant): boolean {
    if (!this.#c.state.stepRebuild(rebuildOpsATurn, now)) return false;
    for (const { entry, reply } of this.#awaitingOrder.splice(0)) this.#committer.answerWhenDurable(entry, reply);
    return true;
  }

  #durable(batch: Batch, begunAt: number): void {
    this.#watch.trust(begunAt);
    this.projector.add(batch);
    this.wake();
  }

  #end(cause: TermEnd['cause'], detail: string, outcome?: CommitOutcome): void {
    if (this.#ended) return;
    this.close();
    const refused = outcome?.kind === 'refused' ? outcome : undefined;
    // A batch that found no connection is nowhere: nobody has to ask the journal about it, it is decided again.
    const inFlight = refused?.sqlState === noConnection ? undefined : this.#committer.inFlight;
    this.#c.onEnd({ cause, detail, transient: refused?.transient === true, inFlight, unanswered: this.unanswered });
  }

  /** Nothing to do now: sleeps until time has something to do, unless something wakes us before. */
  #rest(now: Instant): void {
    if (this.isIdle) for (const resolve of this.#idle.splice(0)) resolve();
    const until = this.#clock.isLoading ? Number.POSITIVE_INFINITY : this.#clock.nextLook(now);
    if (until === this.#sleep?.until) return;
    this.#sleep?.cancel();
    this.#sleep = undefined;
    if (until === Number.POSITIVE_INFINITY) return;
    const cancel = this.#c.runtime.timer(Math.min(Math.max(1, until - now), sleepMsMax), () => {
      this.#sleep = undefined;
      this.wake();
    });
    this.#sleep = { until, cancel };
  }
}

function publishes(request: Request): boolean {
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

function textOf(outcome: Exclude<CommitOutcome, { kind: 'committed' }>): string {
  if (outcome.kind === 'refused') return `${outcome.sqlState} ${outcome.detail}`;
  return outcome.kind === 'unknown' ? outcome.cause : 'the lease is held by another owner';
}
