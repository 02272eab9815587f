import type { BulkArguments } from '../engine/bulk-action.js';
import { writtenDetails } from '../engine/event.js';
import { isRejection, type RejectionCode } from '../engine/rejection.js';
import type { BulkAction, BulkActionStore } from './ports/bulk-action-store.js';
import type { Runtime } from './ports.js';
import type { Reply, Request } from './request.js';
import { pause } from './runtime.js';

/**
 * Items of one slice: about two milliseconds of the tenant's turns, and one commit. Only one slice is under way, so that
 * other commands wait for no more than that.
 */
export const sliceItems = 100;
/** Failures that are listed; the others are counted. */
export const failuresMax = 100;
const retryMsMin = 50;
const retryMsMax = 5000;
/** Refusals that say nothing against the commands. */
const passing: ReadonlySet<RejectionCode> = new Set(['unavailable', 'draining', 'timeout', 'too-many-requests']);

export interface BulkRunnerContext {
  store: BulkActionStore;
  runtime: Runtime;
  /** Hands a request of the engine's own to the tenant's mailbox. */
  submit: (request: Request) => Promise<Reply>;
  onError: (message: string, error: unknown) => void;
}

interface Line {
  code?: RejectionCode;
  detail?: string;
}

/**
 * Carries out a tenant's bulk actions, one after the other, slice by slice, for one term of ownership. **Invariant:** each
 * item has its turn once, whatever fails: its command bears the key `bulk:<id>#<n>`, so that a slice that is sent again,
 * by this term or the next, is answered from memory.
 */
export class BulkRunner {
  readonly #c: BulkRunnerContext;
  #waiting: BulkAction[] = [];
  #isWorking = false;
  #closed = false;

  constructor(context: BulkRunnerContext) {
    this.#c = context;
  }

  /** Whether an action is running or waits: the tenant must stay in memory. */
  get isBusy(): boolean {
    return this.#isWorking || this.#waiting.length > 0;
  }

  /** Goes on with what the term before has left. */
  async resume(): Promise<void> {
    this.#isWorking = true;
    const left = await this.#insist('reading the bulk actions failed', () => this.#c.store.running());
    this.#isWorking = false;
    for (const action of left ?? []) this.add(action);
    void this.#work();
  }

  add(action: BulkAction): void {
    if (this.#closed || this.#waiting.some(({ id }) => id === action.id)) return;
    this.#waiting.push(action);
    void this.#work();
  }

  /** The action is cancelled in the store: no further slice is begun. */
  cancelled(id: string): void {
    for (const action of this.#waiting) if (action.id === id) action.state = 'cancelled';
  }

  /** What was written for the action is erased: it is not written to any further item. */
  erased({ id, arguments: given, filter }: Pick<BulkAction, 'id' | 'arguments' | 'filter'>): void {
    for (const action of this.#waiting) if (action.id === id) Object.assign(action, { arguments: given, filter });
  }

  /** Nothing is begun any more; what is under way is for the next term. */
  close(): void {
    this.#closed = true;
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let action = this.#waiting[0]; action !== undefined && !this.#closed; action = this.#waiting[0]) {
      await this.#run(action);
      if (!this.#closed) this.#waiting.shift();
    }
    this.#isWorking = false;
  }

  async #run(action: BulkAction): Promise<void> {
    const ids = await this.#insist('reading a bulk action failed', () => this.#c.store.ids(action.id));
    if (ids === undefined) return;
    await this.#insistOn(noteOf(action));
    while (action.next < ids.length && action.state === 'running' && !this.#closed) {
      const slice = ids.slice(action.next, action.next + sliceItems);
      const lines = await this.#linesOf(action, action.next, slice);
      if (lines === undefined) return;
      tally(action, slice, lines);
      await this.#save(action);
    }
    if (action.state !== 'running' || this.#closed) return;
    action.state = 'done';
    action.finishedAt = this.#c.runtime.now();
    await this.#save(action);
  }

  async #save(action: BulkAction): Promise<void> {
    await this.#insist('saving the progress of a bulk action failed', () => this.#c.store.advance(action));
  }

  /** What came of each item. A slice that the engine refuses for good is done item by item: one of them is to blame. */
  async #linesOf(action: BulkAction, first: number, ids: string[]): Promise<Line[] | undefined> {
    const reply = await this.#insistOn(sliceOf(action, first, ids));
    if (reply === undefined) return undefined;
    if (!isRejection(reply)) return JSON.parse(`[${reply.json}]`) as Line[];
    if (ids.length === 1) return [reply];
    const lines: Line[] = [];
    for (const [index, id] of ids.entries()) {
      const own = await this.#linesOf(action, first + index, [id]);
      if (own === undefined) return undefined;
      lines.push(...own);
    }
    return lines;
  }

  /** Asks again while the engine refuses for now only: it is full, recovering, or its database is away. */
  #insistOn(request: Request): Promise<Reply | undefined> {
    return this.#insist('a bulk action has to wait', async () => {
      const reply = await this.#c.submit(request);
      if (isRejection(reply) && passing.has(reply.code)) throw new Error(`${reply.code}: ${reply.detail}`);
      return reply;
    });
  }

  /** Tries until it works; undefined when the term has ended. */
  async #insist<T>(what: string, ask: () => Promise<T>): Promise<T | undefined> {
    const { runtime, onError } = this.#c;
    for (let retryMs = retryMsMin; !this.#closed; retryMs = Math.min(retryMs * 2, retryMsMax)) {
      try {
        const value = await ask();
        return this.#closed ? undefined : value;
      } catch (error) {
        if (this.#closed) return undefined;
        onError(what, error);
        await pause(runtime, retryMs);
      }
    }
    return undefined;
  }
}

/** The one line of the audit log. What somebody has written stays with the action, which is forgotten after a while. */
function noteOf({ id, action, matched, filter, by, from, arguments: given }: BulkAction): Request {
  const said: BulkArguments = { ...given };
  for (const name of writtenDetails) delete said[name];
  const items = filter === undefined ? 'ids' : 'filter';
  const note = { type: 'bulkActionStarted', bulkAction: id, action, items, matched, arguments: said } as const;
  return { op: 'note', note, by, from, idempotencyKey: `bulk:${id}` };
}

function sliceOf(action: BulkAction, firstLine: number, ids: string[]): Request {
  const { id, by, from, action: name, arguments: given } = action;
  return { op: 'commandMany', ...given, name, ids, firstLine, by, from, idempotencyKey: `bulk:${id}` };
}

function tally(action: BulkAction, ids: readonly string[], lines: readonly Line[]): void {
  lines.forEach(({ code, detail = '' }, index) => {
    if (code === undefined) action.done++;
    else {
      action.failed++;
      if (action.failures.length < failuresMax) action.failures.push({ id: ids[index], code, detail });
    }
  });
  action.next += ids.length;
}
