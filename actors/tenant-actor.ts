import type { MessagePort } from 'node:worker_threads';
import { idempotencyKeptMs } from '../engine/limits.js';
import { reject } from '../engine/rejection.js';
import type { StateOptions } from '../engine/state.js';
import type { Batch } from './batch.js';
import { Entry } from './entry.js';
import { takeLease } from './lease-holder.js';
import { Mailbox } from './mailbox.js';
import type { ActorOptions } from './options.js';
import type { Lease, Owner, Runtime, SnapshotManifest, TenantStores } from './ports.js';
import { recover } from './recovery.js';
import type { Reply, Request } from './request.js';
import { pause } from './runtime.js';
import { takeSnapshot } from './snapshotter.js';
import { offerState } from './state-sender.js';
import type { ShardMetrics, TenantMetrics } from './tenant-metrics.js';
import { Term, type TermEnd } from './term.js';
import { uuidV7 } from './uuid-v7.js';

const retryMsMin = 50;
const retryMsMax = 250;
const holdCheckMs = 100;
const drainPollMs = 20;
/** Keys forgotten with each snapshot: with one a minute, 166 keyed requests a second are forgotten as fast as they come. */
const keysForgottenMax = 10_000;
/** Parts of a drain's time that are kept for giving the lease back and for closing the stores. */
const releaseMsMax = 1000;
const closeMsMax = 500;

/** Serving: commands are decided. Recovering: they wait in the mailbox. Halted and stopped: they are refused. */
export type Mode = 'stopped' | 'recovering' | 'serving' | 'halted';

export interface TenantActorContext {
  tenantId: string;
  openStores: () => Promise<TenantStores>;
  runtime: Runtime;
  options: ActorOptions;
  stateOptions: StateOptions;
  owner: () => Owner;
  isGone: (pod: string) => boolean;
  metrics: ShardMetrics;
  log: (level: 'info' | 'warn' | 'error', message: string, error?: unknown) => void;
}

/**
 * One tenant: its mailbox, and term after term of owning its state.
 *
 * ```
 *  stopped --start--> recovering --lease, memory--> serving --drain--> stopped
 *                        ^  |                          |
 *                        |  +-- database went back --> halted (an operator must look)
 *                        +------ the term ended -------+
 * ```
 *
 * While it recovers, commands wait in the mailbox for `holdMs`, then they are told to come again. What a failed term
 * had not answered is answered from the journal if it is durable, else decided again.
 */
export class TenantActor {
  readonly #c: TenantActorContext;
  readonly #mailbox: Mailbox<Entry>;
  readonly #metrics: TenantMetrics;
  readonly #newId: () => string;
  #mode: Mode = 'stopped';
  #draining = false;
  #stores: TenantStores | undefined;
  #term: Term | undefined;
  /** Number of the last event that anybody was told of: the journal must never end before it. */
  #acknowledgedSeq = 0;
  #snapshot: SnapshotManifest | undefined;
  #cancelSnapshot: (() => void) | undefined;
  #cancelHold: (() => void) | undefined;
  #snapshotting: Promise<void> | undefined;
  /** Who waits for a commit that may or may not be durable, until the journal has said which. */
  #unresolved: Entry[] = [];

  constructor(context: TenantActorContext) {
    this.#c = context;
    this.#mailbox = new Mailbox(context.options.mailboxCountMax, context.options.mailboxBytesMax);
    this.#newId = uuidV7(context.runtime);
    this.#metrics = context.metrics.tenant(context.tenantId, () => this.#reading());
  }

  get mode(): Mode {
    return this.#mode;
  }

  start(): void {
    if (this.#mode !== 'stopped') return;
    this.#draining = false;
    void this.#recover(undefined, undefined);
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
    const entry = new Entry(request, runtime.monotonic() + options.requestTimeoutMs, answer);
    if (!this.#mailbox.push(entry)) {
      answer(reject('too-many-requests', 'too many commands wait for this tenant', { retryAfterSeconds: 1 }));
      return;
    }
    this.#term?.wake();
  }

  /**
   * Finishes what was taken, writes a snapshot and gives the lease back. What cannot be finished within `timeoutMs`,
   * because the database does not answer, is refused: it was never acknowledged.
   */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#mode === 'stopped') return;
    const { runtime } = this.#c;
    const until = runtime.monotonic() + timeoutMs - Math.min(releaseMsMax + closeMsMax, timeoutMs / 2);
    this.#draining = true;
    this.#cancelSnapshot?.();
    while (!this.#isFinished() && runtime.monotonic() < until) {
      const waiting = this.#mode === 'serving' ? this.#term?.idle() : undefined;
      await Promise.race([waiting ?? pause(runtime, drainPollMs), pause(runtime, until - runtime.monotonic())]);
    }
    const term = this.#term;
    if (term !== undefined && this.#isFinished()) await this.#handOver(term, until);
    term?.close();
    this.#giveUp(term?.unanswered ?? []);
    this.#refuse(this.#mailbox.remove(() => true));
    await Promise.race([this.#close(), pause(runtime, closeMsMax)]);
  }

  /** Leaves the successor as little to do as time allows. The lease comes last: a hung follower must not keep it. */
  async #handOver(term: Term, until: number): Promise<void> {
    const { runtime, log } = this.#c;
    const leftMs = () => Math.max(0, until - runtime.monotonic());
    const saved = term.projector
      .reached(term.durableSeq, leftMs())
      .then(() => this.#snapshotting)
      .then(() => this.#saveSnapshot(term));
    await Promise.race([saved, pause(runtime, leftMs())]);
    term.close();
    const released = this.#stores?.lease
      .release(term.lease)
      .catch((error) => log('warn', 'releasing the lease failed', error));
    await Promise.race([released, pause(runtime, releaseMsMax)]);
  }

  #isFinished(): boolean {
    return (
      this.#mode === 'halted' || (this.#mode === 'serving' && this.#mailbox.size === 0 && this.#term?.isIdle === true)
    );
  }

  /** Sends a copy of the state to whoever asks for it through the port. */
  offerCopy(port: MessagePort): void {
    offerState(port, this.#c.runtime, () => (this.#mode === 'serving' ? this.#term : undefined));
  }

  /** Forgets everything at once, as a crash would. */
  async kill(): Promise<void> {
    this.#term?.close();
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#mode = 'stopped';
    this.#giveUp(this.#unresolved);
    this.#term = undefined;
    this.#cancelSnapshot?.();
    this.#cancelHold?.();
    this.#c.metrics.forget(this.#c.tenantId);
    const stores = this.#stores;
    this.#stores = undefined;
    await stores?.close().catch((error) => this.#c.log('warn', 'closing the stores failed', error));
  }

  /** From no term to the next one: lease, memory, and answers for whoever the last term left without. */
  async #recover(ended: TermEnd | undefined, lease: Lease | undefined): Promise<void> {
    this.#mode = 'recovering';
    this.#term = undefined;
    if (ended !== undefined) this.#keepWaiting(ended);
    this.#holdBounded();
    const { runtime, log } = this.#c;
    // One token for all tries: a lease that was taken by a try whose answer was lost is known again by it.
    const owner = this.#c.owner();
    let retryMs = retryMsMin;
    let previous = lease;
    let end = ended;
    while (this.#mode === 'recovering') {
      try {
        const stores = await this.#openStores();
        const begunAt = runtime.monotonic();
        const next = await this.#nextLease(stores, previous, owner);
        if (next === undefined) continue;
        previous = next;
        if (next.lastSeq < this.#acknowledgedSeq) return this.#halt(next.lastSeq);
        if (end !== undefined) end = await this.#resolve(stores, end, lease as Lease);
        await this.#begin(stores, next, begunAt);
        return;
      } catch (error) {
        log('warn', `recovery failed, trying again in ${retryMs} ms`, error);
        await pause(runtime, retryMs);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
    }
  }

  async #openStores(): Promise<TenantStores> {
    this.#stores ??= await this.#c.openStores();
    return this.#stores;
  }

  /** Our own lease under a new epoch, which fences what may still be on its way; else the lease as anybody takes it. */
  async #nextLease(stores: TenantStores, previous: Lease | undefined, owner: Owner): Promise<Lease | undefined> {
    const { isGone, runtime, options } = this.#c;
    const renewed = previous && (await stores.lease.renew(previous, owner));
    if (renewed !== undefined) return renewed;
    return takeLease({
      store: stores.lease,
      runtime,
      owner: () => owner,
      ttlMs: options.leaseTtlMs,
      isGone,
      stopped: () => this.#mode !== 'recovering',
    });
  }

  /**
   * Those whose events never came to a commit go back to the front of the mailbox at once, where the hold time bounds
   * their wait. Those of the batch in flight wait, until their own time-out, for what the journal says.
   */
  #keepWaiting(end: TermEnd): void {
    const inFlight = new Set(end.inFlight?.waiters.map(({ entry }) => entry));
    this.#unresolved = [...inFlight].filter((entry) => !entry.answered);
    this.#putBack(end.unanswered.filter((entry) => !inFlight.has(entry)));
  }

  /**
   * Says what the ended term's last commit was: with our new epoch nothing of it can arrive any more, so the journal has
   * it or never will. Those who waited for it are answered or go back to the front of the mailbox, before those who were
   * decided after them.
   */
  async #resolve(stores: TenantStores, end: TermEnd, lease: Lease): Promise<undefined> {
    const { inFlight } = end;
    if (inFlight === undefined) return;
    const [row] = await stores.journal.read(inFlight.afterSeq, 1);
    if (row?.seq === inFlight.afterSeq + 1 && row.epoch === lease.epoch) inFlight.settle();
    else if (end.cause === 'refused') this.#isolate(inFlight, end);
    this.#putBack(this.#unresolved);
    this.#unresolved = [];
  }

  #putBack(entries: Entry[]): void {
    const unanswered = entries.filter((entry) => !entry.answered);
    for (const entry of unanswered) entry.rewind();
    this.#mailbox.putBack(unanswered);
  }

  /** A refused batch: each of its commands is tried alone, and the one that is refused alone is the client's to mend. */
  #isolate(batch: Batch, end: TermEnd): void {
    for (const { entry, decided } of batch.waiters) {
      // A read only waited for the batch; none of the refused events is its own.
      if (decided === 0) continue;
      if (end.transient)
        entry.answer(reject('unavailable', 'the database refuses to write now', { retryAfterSeconds: 1 }));
      else if (entry.alone) entry.answer(reject('invalid-value', `this cannot be stored: ${end.detail}`));
      else entry.alone = true;
    }
  }

  async #begin(stores: TenantStores, lease: Lease, begunAt: number): Promise<void> {
    const { tenantId, runtime, options, stateOptions, log } = this.#c;
    const recovered = await recover({
      tenantId,
      lease,
      stores,
      runtime,
      stateOptions,
      unprojectedBytesMax: options.unprojectedBytesMax,
      onNote: (message) => log('warn', message),
    });
    if (this.#mode !== 'recovering') return;
    const term = new Term({
      tenantId,
      lease,
      ...recovered,
      stores,
      runtime,
      options,
      mailbox: this.#mailbox,
      newId: this.#newId,
      metrics: this.#metrics,
      onEnd: (end) => this.#termEnded(term, end),
      onError: (message, error) => log('warn', message, error),
    });
    this.#term = term;
    this.#mode = 'serving';
    this.#cancelHold?.();
    this.#metrics.recovery(recovered.source, runtime.monotonic() - begunAt);
    log(
      'info',
      `serving from epoch ${lease.epoch}, seq ${lease.lastSeq}, ${term.state.table.size} open items (${recovered.source})`,
    );
    if (!this.#draining) this.#armSnapshot();
    term.wake();
  }

  #termEnded(term: Term, end: TermEnd): void {
    this.#acknowledgedSeq = Math.max(this.#acknowledgedSeq, term.durableSeq);
    this.#cancelSnapshot?.();
    if (this.#mode !== 'serving') return;
    this.#c.log('warn', `term of epoch ${term.lease.epoch} ended: ${end.cause}: ${end.detail}`);
    void this.#recover(end, term.lease);
  }

  /** The database is older than what we have acknowledged: a failover lost events. Going on would hide it. */
  #halt(lastSeq: number): void {
    this.#mode = 'halted';
    this.#c.log('error', `halted: the journal ends at ${lastSeq}, but ${this.#acknowledgedSeq} was acknowledged`);
    this.#giveUp(this.#unresolved);
    this.#refuse(this.#mailbox.remove(() => true));
  }

  /** Nobody waits for a recovery for longer than `holdMs`. */
  #holdBounded(): void {
    const { runtime, options } = this.#c;
    this.#cancelHold?.();
    const since = runtime.monotonic();
    const check = () => {
      if (this.#mode !== 'recovering') return;
      const now = runtime.monotonic();
      const isOver = (entry: Entry) =>
        now - Math.max(since, entry.deadlineAt - options.requestTimeoutMs) > options.holdMs || now > entry.deadlineAt;
      this.#refuse(this.#mailbox.remove(isOver));
      this.#giveUp(this.#unresolved.filter((entry) => now > entry.deadlineAt));
      this.#cancelHold = runtime.timer(holdCheckMs, check);
    };
    this.#cancelHold = runtime.timer(holdCheckMs, check);
  }

  #refuse(entries: Entry[]): void {
    for (const entry of entries) {
      entry.answer(reject('unavailable', 'the tenant is recovering; come again', { retryAfterSeconds: 1 }));
    }
  }

  #giveUp(entries: Entry[]): void {
    for (const entry of entries) {
      entry.answer(reject('timeout', 'the database has not said whether this was stored', { retryAfterSeconds: 1 }));
    }
  }

  #armSnapshot(): void {
    this.#cancelSnapshot?.();
    this.#cancelSnapshot = this.#c.runtime.timer(this.#c.options.snapshotIntervalMs, () => {
      const term = this.#term;
      if (term === undefined || this.#mode !== 'serving') return;
      this.#snapshotting = Promise.all([this.#saveSnapshot(term), this.#forgetKeys()]).then(() => {
        this.#snapshotting = undefined;
        if (this.#term === term && this.#mode === 'serving') this.#armSnapshot();
      });
    });
  }

  /** A snapshot that fails costs nothing but the next recovery's time. */
  async #saveSnapshot(term: Term): Promise<void> {
    if (this.#stores === undefined || this.#snapshot?.endSeq === term.state.seq) return;
    const { tenantId, runtime, log } = this.#c;
    try {
      const manifest = await takeSnapshot(term, { tenantId, runtime, store: this.#stores.snapshots });
      this.#metrics.snapshot(manifest === undefined ? 'void' : 'saved');
      this.#snapshot = manifest ?? this.#snapshot;
    } catch (error) {
      this.#metrics.snapshot('failed');
      log('warn', 'saving a snapshot failed', error);
    }
  }

  /** Idempotency-Keys past their time leave the table; some at a time, so that it never takes long. */
  async #forgetKeys(): Promise<void> {
    const { runtime, log } = this.#c;
    try {
      await this.#stores?.projection.forgetKeys(runtime.now() - idempotencyKeptMs, keysForgottenMax);
    } catch (error) {
      log('warn', 'forgetting old Idempotency-Keys failed', error);
    }
  }

  #reading(): ReturnType<Parameters<ShardMetrics['tenant']>[1]> {
    const term = this.#term;
    return {
      mailboxDepth: this.#mailbox.size,
      mailboxBytes: this.#mailbox.bytes,
      counts: term?.state.counts ?? [],
      queueLength: term?.state.queue.size ?? 0,
      unprojectedEvents: term === undefined ? 0 : term.durableSeq - term.projector.cursor,
      unprojectedBytes: term?.state.documents.pendingBytes ?? 0,
      snapshotAt: this.#snapshot?.at,
      snapshotBytes: this.#snapshot?.bytes ?? 0,
      epoch: term?.lease.epoch ?? 0,
      serving: this.#mode === 'serving',
    };
  }
}
