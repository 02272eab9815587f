import { sliceMsMax } from '../engine/limits.js';
import { reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import type { Batch } from './batch.js';
import { Committer } from './committer.js';
import { Entry } from './entry.js';
import { LeaseWatch } from './lease-watch.js';
import { Loader } from './loader.js';
import { LongWork } from './long-work.js';
import { OrderClock } from './order-clock.js';
import { Parking } from './parking.js';
import type { CommitOutcome, Lease } from './ports.js';
import { Projector } from './projector.js';
import { Reads } from './reads.js';
import type { Reply, Request } from './request.js';
import type { TermContext, TermEnd } from './term-context.js';
import { publishes, Writer } from './writer.js';

const sleepMsMax = 60_000;
/** SQLSTATE of a commit that could not even be sent. */
const noConnection = '08001';

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
  readonly #writer: Writer;
  readonly #longWork: LongWork;
  /** The engine's own requests, taken before those of clients. */
  #own: Entry[] = [];
  /** Clients are served from `serve()` on. */
  #serving = false;
  /** The entry whose commands are half decided, or that waits for something to happen first. */
  #current: Entry | undefined;
  /** The entry that this turn is working on. */
  #running: Entry | undefined;
  #lastNow: Instant = 0;
  #scheduled = false;
  #paused = false;
  #ended = false;
  #sleep: { until: Instant; cancel: () => void } | undefined;
  #idle: (() => void)[] = [];

  constructor(context: TermContext) {
    this.#c = context;
    const { stores, runtime, state, lease, options, metrics, newId, bounds, sweepPlan, saveSnapshot, onError } =
      context;
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
      apply: (event) => this.#writer.apply(event),
      isFull: () => this.#committer.isFull,
      wake,
      onError,
      onBug: (detail) => this.#end('bug', detail),
    });
    const [committer, parking, clock] = [this.#committer, this.#parking, this.#clock];
    this.#writer = new Writer({ state, committer, parking, clock, runtime, newId, bounds, wake });
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
    const [store, projector, now] = [stores.projection, this.projector, () => this.#now()];
    this.#reads = new Reads({ state, store, projector, now, durableSeq: () => lease.lastSeq });
    this.#longWork = new LongWork({
      ...{ state, lease, stores, runtime, projector, now, newId, onError, sweepPlan, saveSnapshot },
      caughtUp: () => this.#reads.caughtUp(),
      ask: (request) => this.#ask(request),
      askInTurn: (request) => this.#askInTurn(request),
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
      this.#writer.isIdle &&
      this.#committer.isIdle
    );
  }

  /** Whether it has work of its own under way, beside what it was asked for: bulk actions, a sweep of the retention. */
  get hasOwnWork(): boolean {
    return this.#longWork.isBusy;
  }

  /** When the tenant must be in memory though nobody asks. What is under way goes on as soon as there is a place. */
  get wakeAt(): Instant {
    return Math.min(this.#c.state.deadlines.earliest, this.#longWork.wakeAt);
  }

  /** Everybody who was taken from the mailbox and has no answer yet, in order. */
  get unanswered(): Entry[] {
    const { inFlight, gatheringEntries } = this.#committer;
    const entries = new Set([
      ...(inFlight?.waiters.map(({ entry }) => entry) ?? []),
      ...gatheringEntries,
      ...this.#writer.awaiting,
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
    return this.#longWork.eraseAgain(onNote);
  }

  /** From now on clients are served. */
  serve(): void {
    this.#serving = true;
    this.#longWork.start();
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
    this.#longWork.close();
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
    if (!this.#writer.stepRebuild(now)) more = true;
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
        return this.#clock.ready(now) && this.#writer.run(entry, now, stopAt);
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
      case 'startBulkAction':
      case 'getBulkAction':
      case 'listBulkActions':
      case 'cancelBulkAction':
        void this.#parking.answerLater(entry, this.#longWork.run(request));
        return true;
      default:
        return this.#writer.run(entry, now, stopAt);
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

function textOf(outcome: Exclude<CommitOutcome, { kind: 'committed' }>): string {
  if (outcome.kind === 'refused') return `${outcome.sqlState} ${outcome.detail}`;
  return outcome.kind === 'unknown' ? outcome.cause : 'the lease is held by another owner';
}
