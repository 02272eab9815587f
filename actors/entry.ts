import type { Command } from '../engine/command.js';
import type { Rejection } from '../engine/rejection.js';
import type { Reply, Request } from './request.js';

/** Bytes that a message costs in the mailbox beside its body. */
const overheadBytes = 256;

/**
 * One request on its way through the actor: from the mailbox to the reply. It outlives a term: what was not durable
 * when a term ended is decided again in the next.
 */
export class Entry {
  readonly request: Request;
  readonly bytes: number;
  /** By the runtime's monotonic clock: nobody waits for the answer after this. */
  readonly deadlineAt: number;
  /** The commands that the request reads as, one but for bulk; read when its turn comes. */
  commands: (Command | Rejection)[] | undefined;
  /** Commands decided so far, and how many of those are durable: the rest is decided again after a failure. */
  decided = 0;
  durable = 0;
  /** createMany: one JSON text a decided line, and whether the line was accepted. */
  lines: { json: string; accepted: boolean }[] = [];
  /** What was looked up and does not exist, valid while the document cache's `evictions` stands at `absentAt`. */
  readonly absent = new Set<string>();
  absentAt = -1;
  /** Must be committed by itself: a batch that it was in was refused. */
  alone = false;
  readonly #resolve: (reply: Reply) => void;
  #answered = false;

  constructor(request: Request, deadlineAt: number, resolve: (reply: Reply) => void) {
    this.request = request;
    this.deadlineAt = deadlineAt;
    this.#resolve = resolve;
    this.bytes = overheadBytes + ('body' in request ? request.body.byteLength : 0);
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** The first answer counts. */
  answer(reply: Reply): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#resolve(reply);
  }

  /** Back to what is durable: the memory in which the rest was decided is void. */
  rewind(): void {
    this.decided = this.durable;
    this.lines.length = this.durable;
    this.absent.clear();
    this.absentAt = -1;
  }
}
