import type { MessagePort } from 'node:worker_threads';
import { type Rejection, reject } from '../engine/rejection.js';
import type { Instant } from '../engine/work-item.js';
import { Backlog } from './backlog.js';
import { Departure, departureMsMax } from './departure.js';
import { Entry } from './entry.js';
import { takeLease } from './lease-holder.js';
import { Mailbox } from './mailbox.js';
import type { Lease, TenantQuotas, TenantStores } from './ports.js';
import type { Reply, Request } from './request.js';
import type { SweepPlan } from './retention.js';
import { pause } from './runtime.js';
import { SnapshotKeeper } from './snapshot-keeper.js';
import { offerState } from './state-sender.js';
import type { Mode, TenantActorContext } from './tenant-actor-context.js';
import type { ShardMetrics, TenantMetrics } from './tenant-metrics.js';
import type { Term } from './term.js';
import { beginTerm } from './term-beginning.js';
import type { TermEnd } from './term-context.js';
import { uuidV7 } from './uuid-v7.js';
import { WaitingRoom } from './waiting-room.js';

const retryMsMin = 50;
const retryMsMax = 250;
const drainPollMs = 20;

/** How long a tenant may take to finish what it has begun, and to write it down, before it retires. */
const retireMsMax = 5000;
/** When a tenant whose database was away is tried again although nobody asks. */
const abandonedMs = 10_000;

type Reading = ReturnType<Parameters<ShardMetrics['tenant']>[1]>;

/**
 * One tenant: its mailbox, and term after term of owning its state.
 *
 * ```
 *  stopped --start--> recovering --lease, memory--> serving --drain--> stopped
 *                     ^  ^  |                       |  |
 *                     |  |  +- database went back --|--|--> halted (an operator must look)
 *                     |  +------ the term ended ----+  |
 *                     +--start-- passive <-- retiring -+
 * ```
 *
 * While it recovers, commands wait in the mailbox for `holdMs`, then they are told to come again. What a failed term
 * had not answered is answered from the journal if it is durable, else decided again.
 */
export class TenantActor {
  readonly #c: TenantActorContext;
  readonly #mailbox: Mailbox<Entry>;
  readonly #backlog: Backlog;
  readonly #bounds = { openItemsMax: Number.POSITIVE_INFINITY };
  readonly #sweepPlan: SweepPlan = { dueAt: undefined };
  readonly #metrics: TenantMetrics;
  readonly #newId: () => string;
  readonly #waitingRoom: WaitingRoom;
  readonly #snapshots: SnapshotKeeper;
  readonly #departure: Departure;
  #mode: Mode = 'stopped';
  #draining = false;
  #stores: TenantStores | undefined;
  #term: Term | undefined;
  /** Number of the last event that anybody was told of: the journal must never end before it. */
  #acknowledgedSeq = 0;
  /**
   * Whoever was erased before is erased in this database too. Known once for this process: a database that goes back under
   * a running one is noticed and halted. The registry, where the ledger is, must answer for that; later terms do without.
   */
  #knowsErasures = false;
  #recovering: Promise<void> = Promise.resolve();
  /** The recovery that runs has failed at least once. */
  #failing = false;
  #hasServed = false;
  #isRetiring = false;
  #wakeAt: Instant = 0;
  #usedAt: number;
  #seqSeen = -1;
  /** What the gauges of a passive tenant go on saying. */
  #lastReading: Pick<Reading, 'counts' | 'queueLength' | 'epoch'> = { counts: [], queueLength: 0, epoch: 0 };

  constructor(context: TenantActorContext) {
    this.#c = context;
    this.#mailbox = new Mailbox(context.options.mailboxCountMax, context.options.mailboxBytesMax);
    this.#backlog = new Backlog(this.#mailbox);
    this.setQuotas(context.quotas ?? {});
    this.#newId = uuidV7(context.runtime);
    this.#usedAt = context.runtime.monotonic();
    this.#metrics = context.metrics.tenant(context.tenantId, () => this.#reading());
    const { tenantId, runtime, options, log } = context;
    this.#waitingRoom = new WaitingRoom(this.#mailbox, runtime, options);
    const intervalMs = options.snapshotIntervalMs;
    this.#departure = new Departure(runtime, log);
    this.#snapshots = new SnapshotKeeper({ tenantId, runtime, intervalMs, metrics: this.#metrics, log });
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** What the mode means for whoever asks whether the tenant is there: `starting` has never served yet. */
  get condition(): Mode | 'starting' | 'waking' | 'unreachable' {
    if (this.#failing && this.#mode !== 'serving') return 'unreachable';
    if (this.#mode === 'recovering') return this.#hasServed ? 'recovering' : 'starting';
    if (this.#mode === 'passive' && !this.#hasServed) return 'starting';
    return this.#mode;
  }

  /** When a passive tenant has to be started although nobody asks: something falls due. 0: that is not known. */
  get wakeAt(): Instant {
    return this.#term?.wakeAt ?? this.#wakeAt;
  }

  /** Since when nothing has happened to the tenant, by the monotonic clock. */
  get quietSince(): number {
    const seq = this.#term?.state.seq ?? -1;
    if (seq !== this.#seqSeen) this.#usedAt = this.#c.runtime.monotonic();
    this.#seqSeen = seq;
    return this.#usedAt;
  }

  start(): void {
    if (this.#mode !== 'stopped' && this.#mode !== 'passive') return;
    this.#draining = false;
    this.#recovering = this.#recover(undefined, undefined);
  }

  /** In force at once; what is there already stays. */
  setQuotas({ queueDepth, openItems }: TenantQuotas): void {
    this.#mailbox.countMax = queueDepth || this.#c.options.mailboxCountMax;
    this.#bounds.openItemsMax = openItems || Number.POSITIVE_INFINITY;
  }

  /** Waits, passive, until it is started. */
  enlist(): void {
    if (this.#mode === 'stopped') this.#mode = 'passive';
  }

  submit(request: Request, resolve: (reply: Reply) => void): void {
    const answer = (reply: Reply) => {
      if (reply.rejected) this.#metrics.refusal(reply.code);
      resolve(reply);
    };
    if (this.#draining || this.#mode === 'stopped') {
      answer(reject('draining', 'the server is stopping; come again', { retryAfterSeconds: 1 }));
      return;
    }
    if (this.#mode === 'halted') {
      answer(
        reject('unavailable', 'the tenant is halted: its database has lost acknowledged events', {
          retryAfterSeconds: 60,
        }),
      );
      return;
    }
    const { runtime, options } = this.#c;
    const now = runtime.monotonic();
    this.#usedAt = now;
    if (this.#mode === 'passive') {
      this.#c.onWanted?.();
      this.#waitingRoom.open();
    }
    if (this.#waitingRoom.isOver) {
      answer(reject('unavailable', 'the tenant is recovering; come again', { retryAfterSeconds: 1 }));
      return;
    }
    const refusal = this.#overload(request, now);
    if (refusal !== undefined) {
      answer(refusal);
      return;
    }
    const entry = new Entry(request, now + options.requestTimeoutMs, answer);
    if (!this.#mailbox.push(entry)) {
      answer(reject('too-many-requests', 'too many commands wait for this tenant', { retryAfterSeconds: 1 }));
      return;
    }
    this.#term?.wake();
  }

  /** Who would wait for too long is told so at once: an answer that comes late helps nobody, and delays the others. */
  #overload(request: Request, now: number): Rejection | undefined {
    if (this.#mode !== 'serving' || this.#isRetiring) {
      this.#backlog.interrupted(now);
      return undefined;
    }
    return this.#backlog.refusal(request.op, now, this.#c.options.waitMsMax);
  }

  /**
   * Finishes what it has begun, saves a snapshot, and gives memory, connections and lease back; what comes meanwhile
   * waits. False when it could not, or, unless it is told to, when somebody asked before it was done.
   */
  async retire(evenIfWanted: boolean): Promise<boolean> {
    if (this.#mode === 'recovering' && this.#failing) return this.#abandon();
    const [term, stores] = [this.#term, this.#stores];
    if (this.#mode !== 'serving' || !term || !stores || this.#isRetiring || this.#draining) return false;
    const { runtime } = this.#c;
    this.#isRetiring = true;
    if (evenIfWanted) term.pause();
    await Promise.race([term.idle(), pause(runtime, retireMsMax)]);
    await term.projector.reached(term.durableSeq, retireMsMax);
    await this.#snapshots.save(term, stores);
    this.#isRetiring = false;
    if (!this.#mayLeave(term, evenIfWanted)) {
      term.resume();
      return false;
    }
    await this.#leave(term, stores);
    return true;
  }

  /** Whether memory holds nothing that the tables do not have, and nobody is waited for. */
  #mayLeave(term: Term, evenIfWanted: boolean): boolean {
    if (this.#mode !== 'serving' || this.#term !== term || this.#draining || !term.isIdle) return false;
    if (term.projector.cursor !== term.state.seq) return false;
    return evenIfWanted || (this.#mailbox.size === 0 && !term.hasOwnWork);
  }

  async #leave(term: Term, stores: TenantStores): Promise<void> {
    this.#mode = 'retiring';
    this.#acknowledgedSeq = Math.max(this.#acknowledgedSeq, term.durableSeq);
    this.#wakeAt = term.wakeAt;
    const { counts, queueLength, epoch } = this.#reading();
    this.#lastReading = { counts: [...(counts as Int32Array)], queueLength, epoch };
    this.#snapshots.stop();
    term.close();
    this.#term = undefined;
    this.#stores = undefined;
    await this.#departure.release(stores, term.lease);
    await this.#rest(stores);
  }

  /** The database does not answer: whoever waits is refused, and the place is free for a tenant that can be served. */
  async #abandon(): Promise<boolean> {
    this.#mode = 'retiring';
    this.#waitingRoom.giveUp();
    this.#waitingRoom.refuseAll();
    await this.#recovering;
    if (this.#mode !== 'retiring') return false;
    this.#wakeAt = this.#c.runtime.now() + abandonedMs;
    const stores = this.#stores;
    this.#stores = undefined;
    await this.#rest(stores);
    return true;
  }

  async #rest(stores: TenantStores | undefined): Promise<void> {
    await this.#departure.close(stores);
    if (this.#mode !== 'retiring') return;
    this.#mode = 'passive';
    if (this.#mailbox.size === 0) return;
    this.#waitingRoom.open();
    this.#c.onWanted?.();
  }

  /**
   * Finishes what was taken, writes a snapshot and gives the lease back. What cannot be finished within `timeoutMs`,
   * because the database does not answer, is refused: it was never acknowledged.
   */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#mode === 'stopped') return;
    const { runtime } = this.#c;
    const until = runtime.monotonic() + timeoutMs - Math.min(departureMsMax, timeoutMs / 2);
    this.#draining = true;
    this.#snapshots.stop();
    while (!this.#isFinished() && runtime.monotonic() < until) {
      const waiting = this.#mode === 'serving' ? this.#term?.idle() : undefined;
      await Promise.race([waiting ?? pause(runtime, drainPollMs), pause(runtime, until - runtime.monotonic())]);
    }
    const term = this.#term;
    if (term !== undefined && this.#isFinished()) await this.#handOver(term, until);
    term?.close();
    this.#waitingRoom.giveUp(term?.unanswered ?? []);
    this.#waitingRoom.refuseAll();
    await this.#close();
  }

  /** Leaves the successor as little to do as time allows. The lease comes last: a hung follower must not keep it. */
  async #handOver(term: Term, until: number): Promise<void> {
    const { runtime } = this.#c;
    const leftMs = () => Math.max(0, until - runtime.monotonic());
    const saved = term.projector
      .reached(term.durableSeq, leftMs())
      .then(() => this.#stores && this.#snapshots.save(term, this.#stores));
    await Promise.race([saved, pause(runtime, leftMs())]);
    term.close();
    if (this.#stores !== undefined) await this.#departure.release(this.#stores, term.lease);
  }

  #isFinished(): boolean {
    return (
      this.#mode === 'halted' ||
      this.#mode === 'passive' ||
      (this.#mode === 'serving' && this.#mailbox.size === 0 && this.#term?.isIdle === true)
    );
  }

  /** Sends a copy of the state to whoever asks for it through the port. */
  offerCopy(port: MessagePort): void {
    this.#usedAt = this.#c.runtime.monotonic();
    if (this.#mode === 'passive') this.#c.onWanted?.();
    offerState(port, this.#c.runtime, () => (this.#mode === 'serving' ? this.#term : undefined));
  }

  /** Forgets everything at once, as a crash would. */
  async kill(): Promise<void> {
    this.#term?.close();
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#mode = 'stopped';
    this.#waitingRoom.giveUp();
    this.#term = undefined;
    this.#snapshots.stop();
    this.#waitingRoom.close();
    this.#c.metrics.forget(this.#c.tenantId);
    const stores = this.#stores;
    this.#stores = undefined;
    await this.#departure.close(stores);
  }

  /** From no term to the next one: lease, memory, and answers for whoever the last term left without. */
  async #recover(ended: TermEnd | undefined, lease: Lease | undefined): Promise<void> {
    this.#mode = 'recovering';
    this.#term = undefined;
    if (ended !== undefined) this.#waitingRoom.keep(ended);
    this.#waitingRoom.open();
    const { runtime, log } = this.#c;
    // One token for all tries: a lease that was taken by a try whose answer was lost is known again by it.
    const owner = this.#c.owner();
    let retryMs = retryMsMin;
    let attempts = 0;
    let previous = lease;
    let end = ended;
    while (this.#mode === 'recovering') {
      try {
        const stores = await this.#openStores();
        const begunAt = runtime.monotonic();
        const next = await takeLease({
          store: stores.lease,
          previous,
          runtime,
          owner,
          ttlMs: this.#c.options.leaseTtlMs,
          isGone: this.#c.isGone,
          stopped: () => this.#mode !== 'recovering',
        });
        if (next === undefined) continue;
        previous = next;
        if (next.lastSeq < this.#acknowledgedSeq) return this.#halt(next.lastSeq);
        if (end !== undefined) end = await this.#resolve(stores, end, lease as Lease);
        await this.#begin(stores, next, begunAt);
        return;
      } catch (error) {
        this.#failing = true;
        // Said less and less often: an outage may last for hours.
        if (Number.isInteger(Math.log2(++attempts))) log('warn', `recovery failed, attempt ${attempts}`, error);
        await pause(runtime, retryMs);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
    }
  }

  async #openStores(): Promise<TenantStores> {
    this.#stores ??= await this.#c.openStores();
    return this.#stores;
  }

  /**
   * Says what the ended term's last commit was: with our new epoch nothing of it can arrive any more, so the journal has
   * it or never will.
   */
  async #resolve(stores: TenantStores, end: TermEnd, lease: Lease): Promise<undefined> {
    const { inFlight } = end;
    if (inFlight === undefined) return;
    const [row] = await stores.journal.read(inFlight.afterSeq, 1);
    const isDurable = row?.seq === inFlight.afterSeq + 1 && row.epoch === lease.epoch;
    this.#waitingRoom.resolve(end, inFlight, isDurable);
  }

  async #begin(stores: TenantStores, lease: Lease, begunAt: number): Promise<void> {
    const begun = await beginTerm({
      ...{ actor: this.#c, lease, stores, mailbox: this.#mailbox, newId: this.#newId, bounds: this.#bounds },
      ...{ sweepPlan: this.#sweepPlan, metrics: this.#metrics, knowsErasures: this.#knowsErasures },
      saveSnapshot: (term) => this.#snapshots.replace(term, stores),
      onEnd: (term, end) => this.#termEnded(term, end),
      isWanted: () => this.#mode === 'recovering',
    });
    if (begun === undefined) return;
    const { term, recovered } = begun;
    this.#knowsErasures = true;
    if (this.#mode !== 'recovering') return term.close();
    if (term.ended) throw new Error('the term ended before it served anybody');
    this.#term = term;
    this.#mode = 'serving';
    this.#failing = false;
    this.#hasServed = true;
    this.#waitingRoom.close();
    this.#metrics.recovery(recovered.source, this.#c.runtime.monotonic() - begunAt);
    this.#c.log(
      'info',
      `serving from epoch ${lease.epoch}, seq ${lease.lastSeq}, ${term.state.table.size} open items (${recovered.source})`,
    );
    this.#snapshots.found(recovered.snapshot);
    if (!this.#draining) this.#snapshots.begin(term, stores);
    term.serve();
  }

  #termEnded(term: Term, end: TermEnd): void {
    this.#acknowledgedSeq = Math.max(this.#acknowledgedSeq, term.durableSeq);
    this.#snapshots.stop();
    if (this.#mode !== 'serving') return;
    this.#c.log('warn', `term of epoch ${term.lease.epoch} ended: ${end.cause}: ${end.detail}`);
    this.#recovering = this.#recover(end, term.lease);
  }

  /** The database is older than what we have acknowledged: a failover lost events. Going on would hide it. */
  #halt(lastSeq: number): void {
    this.#mode = 'halted';
    this.#c.log('error', `halted: the journal ends at ${lastSeq}, but ${this.#acknowledgedSeq} was acknowledged`);
    this.#waitingRoom.giveUp();
    this.#waitingRoom.refuseAll();
  }

  #reading(): Reading {
    const term = this.#term;
    return {
      mailboxDepth: this.#mailbox.size,
      mailboxBytes: this.#mailbox.bytes,
      counts: term?.state.counts ?? this.#lastReading.counts,
      queueLength: term?.state.queue.size ?? this.#lastReading.queueLength,
      unprojectedEvents: term === undefined ? 0 : term.durableSeq - term.projector.cursor,
      unprojectedBytes: term?.state.documents.pendingBytes ?? 0,
      snapshotAt: this.#snapshots.newest?.at,
      snapshotBytes: this.#snapshots.newest?.bytes ?? 0,
      epoch: term?.lease.epoch ?? this.#lastReading.epoch,
      serving: this.#mode === 'serving' || (this.#mode === 'passive' && this.#hasServed && !this.#failing),
    };
  }
}
