import { reject } from '../engine/rejection.js';
import type { Batch } from './batch.js';
import type { Entry } from './entry.js';
import type { Mailbox } from './mailbox.js';
import type { ActorOptions } from './options.js';
import type { Runtime } from './ports.js';
import type { TermEnd } from './term-context.js';

const checkMs = 100;

/**
 * Those who wait while nobody decides: commands in the mailbox, for `holdMs`, and who waits for a commit that may or may
 * not be durable, until its own time-out.
 */
export class WaitingRoom {
  readonly #mailbox: Mailbox<Entry>;
  readonly #runtime: Runtime;
  readonly #options: ActorOptions;
  /** Whose commit may or may not be durable, until the journal has said which. */
  #unresolved: Entry[] = [];
  #since = 0;
  #cancel: (() => void) | undefined;

  constructor(mailbox: Mailbox<Entry>, runtime: Runtime, options: ActorOptions) {
    this.#mailbox = mailbox;
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Nobody has decided for so long that who comes now need not wait. */
  get isOver(): boolean {
    return this.#cancel !== undefined && this.#runtime.monotonic() - this.#since > this.#options.holdMs;
  }

  /** From now on nobody decides; does nothing when that is so already. */
  open(): void {
    if (this.#cancel !== undefined) return;
    this.#since = this.#runtime.monotonic();
    this.#arm();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /**
   * Those whose events never came to a commit go back to the front of the mailbox at once, where the hold time bounds
   * their wait. Those of the batch in flight wait, until their own time-out, for what the journal says.
   */
  keep(end: TermEnd): void {
    const inFlight = new Set(end.inFlight?.waiters.map(({ entry }) => entry));
    this.#unresolved = [...inFlight].filter((entry) => !entry.answered);
    this.#putBack(end.unanswered.filter((entry) => !inFlight.has(entry)));
  }

  /**
   * The journal has said what became of the commit in flight. Those who waited for it are answered or go back to the
   * front of the mailbox, before those who were decided after them.
   */
  resolve(end: TermEnd, inFlight: Batch, isDurable: boolean): void {
    if (isDurable) inFlight.settle();
    else if (end.cause === 'refused') isolate(inFlight, end);
    this.#putBack(this.#unresolved);
    this.#unresolved = [];
  }

  #putBack(entries: readonly Entry[]): void {
    const unanswered = entries.filter((entry) => !entry.answered);
    for (const entry of unanswered) entry.rewind();
    this.#mailbox.putBack(unanswered);
  }

  refuseAll(): void {
    refuse(this.#mailbox.remove(() => true));
  }

  /** Those whose outcome nobody will find out any more. */
  giveUp(entries: readonly Entry[] = this.#unresolved): void {
    for (const entry of entries) {
      entry.answer(reject('timeout', 'the database has not said whether this was stored', { retryAfterSeconds: 1 }));
    }
  }

  #arm(): void {
    this.#cancel = this.#runtime.timer(checkMs, () => {
      this.#arm();
      this.#check();
    });
  }

  #check(): void {
    const { holdMs, requestTimeoutMs } = this.#options;
    const now = this.#runtime.monotonic();
    const isOver = (entry: Entry) =>
      now - Math.max(this.#since, entry.deadlineAt - requestTimeoutMs) > holdMs || now > entry.deadlineAt;
    refuse(this.#mailbox.remove(isOver));
    this.giveUp(this.#unresolved.filter((entry) => now > entry.deadlineAt));
  }
}

function refuse(entries: readonly Entry[]): void {
  for (const entry of entries) {
    entry.answer(reject('unavailable', 'the tenant is recovering; come again', { retryAfterSeconds: 1 }));
  }
}

/** A refused batch: each of its commands is tried alone, and the one that is refused alone is the client's to mend. */
function isolate(batch: Batch, end: TermEnd): void {
  for (const { entry, decided } of batch.waiters) {
    // A read only waited for the batch; none of the refused events is its own.
    if (decided === 0) continue;
    if (end.transient)
      entry.answer(reject('unavailable', 'the database refuses to write now', { retryAfterSeconds: 1 }));
    else if (entry.alone) entry.answer(reject('invalid-value', `this cannot be stored: ${end.detail}`));
    else entry.alone = true;
  }
}
