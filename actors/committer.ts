import type { Event } from '../engine/event.js';
import type { TenantState } from '../engine/state.js';
import { Batch } from './batch.js';
import type { Entry } from './entry.js';
import type { CommitOutcome, Journal, Lease, Runtime } from './ports.js';
import type { Reply } from './request.js';
import { pause } from './runtime.js';
import type { TenantMetrics } from './tenant-metrics.js';

const triesMax = 3;
const retryMs = 50;

export interface CommitterContext {
  lease: Lease;
  journal: Journal;
  runtime: Runtime;
  metrics: TenantMetrics;
  batchEventsMax: number;
  /** The batch is durable and everybody who waited for it is answered; its commit began at `begunAt` (monotonic). */
  onDurable: (batch: Batch, begunAt: number) => void;
  /** Any outcome but `committed`: the memory can no longer be trusted. */
  onFailure: (outcome: Exclude<CommitOutcome, { kind: 'committed' }>) => void;
}

/**
 * Group commit: while one batch is being committed the next one gathers, so that the group grows with the load and the
 * latency of a commit is paid once a group. **Invariant:** a reply leaves only when the batch with the last event that
 * it rests on is durable; there is at most one commit in flight, and it starts where the last one ended.
 */
export class Committer {
  readonly #c: CommitterContext;
  #gathering: Batch;
  #inFlight: Batch | undefined;
  #closed = false;

  constructor(context: CommitterContext) {
    this.#c = context;
    this.#gathering = new Batch(context.lease.lastSeq);
  }

  get isIdle(): boolean {
    return this.#inFlight === undefined && this.#gathering.events.length === 0;
  }

  /** Whether events must wait for the commit in flight. */
  get isFull(): boolean {
    return this.#gathering.isFull(this.#c.batchEventsMax);
  }

  get inFlight(): Batch | undefined {
    return this.#inFlight;
  }

  /** Everybody who waits for a batch whose commit has not begun. */
  get gatheringEntries(): Entry[] {
    return this.#gathering.waiters.map(({ entry }) => entry);
  }

  /** Adds an event that `state` has just applied. */
  add(event: Event, state: TenantState): void {
    this.#gathering.add(event, state);
    this.#c.metrics.events(event.type);
  }

  /** Notes how far an entry has come that goes on later, so that a failure after this batch's commit repeats nothing. */
  note(entry: Entry): void {
    if (entry.decided > entry.durable && this.#gathering.events.length > 0) {
      this.#gathering.waiters.push({ entry, decided: entry.decided });
    }
  }

  answerWhenDurable(entry: Entry, reply: Reply): void {
    const batch = this.#gathering.events.length > 0 ? this.#gathering : this.#inFlight;
    if (batch === undefined) entry.answer(reply);
    else batch.waiters.push({ entry, decided: entry.decided, reply });
  }

  /** Begins to commit what has gathered, unless a commit is in flight. */
  flush(): void {
    if (this.#inFlight !== undefined || this.#gathering.events.length === 0 || this.#closed) return;
    const batch = this.#gathering;
    this.#gathering = new Batch(batch.toSeq);
    this.#inFlight = batch;
    void this.#commit(batch);
  }

  /** Nothing is begun and nobody is told any more; what is in flight is the successor's to find out about. */
  close(): void {
    this.#closed = true;
  }

  async #commit(batch: Batch): Promise<void> {
    const { runtime, metrics, lease } = this.#c;
    const begunAt = runtime.monotonic();
    const outcome = await this.#tryCommit(batch);
    if (this.#closed) return;
    metrics.commit(outcome.kind, batch.events.length, runtime.monotonic() - begunAt);
    if (outcome.kind !== 'committed') {
      this.#c.onFailure(outcome);
      return;
    }
    lease.lastSeq = batch.toSeq;
    this.#inFlight = undefined;
    batch.settle();
    this.#c.onDurable(batch, begunAt);
    this.flush();
  }

  /** A refusal that may pass (a lock, a full disk) left nothing behind: the same batch is tried again, a few times. */
  async #tryCommit(batch: Batch): Promise<CommitOutcome> {
    const { journal, lease, runtime } = this.#c;
    for (let attempt = 1; ; attempt++) {
      const outcome = await journal.commit(lease, batch.events);
      if (outcome.kind !== 'refused' || !outcome.transient || attempt === triesMax || this.#closed) return outcome;
      await pause(runtime, retryMs * attempt);
    }
  }
}
