import { type Rejection, reject } from '../engine/rejection.js';
import type { Mailbox } from './mailbox.js';
import { bulkPatience } from './options.js';
import type { Request } from './request.js';

/** Long enough for a few commits of a database that is 100 ms away. */
const windowMs = 200;
const retryAfterMax = 10;

/**
 * Estimates how long who comes now would wait, from how fast the mailbox was emptied while it was never empty: only then
 * is its pace what the tenant can do, and not what it was asked for. Bytes stand for work, bulk slices and single items
 * alike. Nothing is estimated until there has been a backlog for a while.
 */
export class Backlog {
  readonly #mailbox: Mailbox<{ readonly bytes: number }>;
  #since = 0;
  #takenBytes = 0;
  /** Bytes a millisecond. */
  #pace: number | undefined;

  constructor(mailbox: Mailbox<{ readonly bytes: number }>) {
    this.#mailbox = mailbox;
  }

  /** Milliseconds, at `now` by the monotonic clock. To be asked before each push: a backlog begins with one. */
  waitMs(now: number): number {
    const { size, bytes, takenBytes } = this.#mailbox;
    if (size === 0) {
      this.#begin(now, takenBytes);
      return 0;
    }
    const elapsed = now - this.#since;
    if (elapsed >= windowMs) {
      const pace = (takenBytes - this.#takenBytes) / elapsed;
      this.#pace = this.#pace === undefined ? pace : (this.#pace + pace) / 2;
      this.#begin(now, takenBytes);
    }
    return this.#pace === undefined ? 0 : bytes / this.#pace;
  }

  /** Who would wait for longer than `waitMsMax` is told so at once. To be asked before each push. */
  refusal(op: Request['op'], now: number, waitMsMax: number): Rejection | undefined {
    const waitMs = this.waitMs(now);
    if (waitMs <= (op === 'createMany' ? waitMsMax * bulkPatience : waitMsMax)) return undefined;
    return reject('too-many-requests', 'more waits for this tenant than it can do in time; nothing was done', {
      retryAfterSeconds: Math.min(waitMs / 1000, retryAfterMax),
      facts: { waitMs: Math.round(Math.min(waitMs, retryAfterMax * 1000)) },
    });
  }

  /** Nothing was taken for a reason that says nothing about the pace: the tenant recovered, or retired. */
  interrupted(now: number): void {
    this.#begin(now, this.#mailbox.takenBytes);
  }

  #begin(now: number, takenBytes: number): void {
    this.#since = now;
    this.#takenBytes = takenBytes;
  }
}
