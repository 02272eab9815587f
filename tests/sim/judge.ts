import type { Answer, Reply } from '../../actors/request.js';
import { parseInstant } from '../../engine/instant.js';
import { scoreAt, shown } from '../../engine/oracle.js';
import type { MemoryDatabase } from '../../stores/memory/database.js';
import type { Operation } from './client.js';
import { Fold } from './fold.js';

/** A breach of what must hold. */
export interface Violation {
  checker: string;
  detail: string;
}

const violationsMax = 20;
const recentIdsMax = 12;

interface Line {
  line: number;
  id?: string;
  status: number;
  code?: string;
}

/** Compares what clients were told with what the journal says. */
export class Judge {
  readonly violations: Violation[] = [];
  readonly fold: Fold;
  /** Promises to clients, to be found in the journal when all is over. */
  readonly #promises: { operation: Operation; answer: Answer }[] = [];
  readonly recentIds: string[] = [];
  readonly #heard = new Map<string, number>();
  readonly #database: MemoryDatabase;
  readonly #onViolation: (violation: Violation) => void;

  constructor(database: MemoryDatabase, onViolation: (violation: Violation) => void) {
    this.#database = database;
    this.#onViolation = onViolation;
    this.fold = new Fold(database, (checker, detail) => this.report(checker, detail));
  }

  report(checker: string, detail: string): void {
    if (this.violations.length >= violationsMax) return;
    const violation = { checker, detail };
    this.violations.push(violation);
    this.#onViolation(violation);
  }

  heardVersion(id: string): number {
    return this.#heard.get(id) ?? 0;
  }

  get promiseCount(): number {
    return this.#promises.length;
  }

  /** A pod answers at this moment what it was asked when `askedAtSeq` was durable: what it says must be durable already. */
  leaves({ request, isQuiet, heardVersion = 0 }: Operation, reply: Reply, askedAtSeq: number): void {
    this.fold.catchUp();
    if (reply.rejected) {
      if (reply.code === 'internal') this.report('no-bug', `${request.op} is answered with: ${reply.detail}`);
      return;
    }
    if (request.op === 'queue' && isQuiet) this.#checkDue(reply);
    if (request.op === 'queue') this.#checkQueue(reply, isQuiet ? undefined : askedAtSeq);
    const { id, version } = reply;
    if (id === undefined || version === undefined) return;
    const durable = this.fold.items.get(id)?.version ?? this.fold.deleted.get(id) ?? 0;
    if (version > durable) {
      this.report('durable-before-visible', `${request.op} shows ${id} version ${version}, durable is ${durable}`);
    } else if (version < (isQuiet ? durable : heardVersion)) {
      this.report('no-stale-read', `get shows ${id} version ${version}, durable is ${durable}, told ${heardVersion}`);
    }
  }

  /** A client has its answer. */
  hears(operation: Operation, reply: Reply): void {
    if (reply.rejected) return;
    const { request } = operation;
    const { op } = request;
    // Whoever is told so afterwards must never see it again.
    if (op === 'command' && request.name === 'delete') this.#heard.set(request.id, Number.POSITIVE_INFINITY);
    const { id, version } = reply;
    if (id !== undefined && version !== undefined) {
      this.#heard.set(id, Math.max(version, this.heardVersion(id)));
      this.recentIds.push(id);
      if (this.recentIds.length > recentIdsMax) this.recentIds.shift();
    }
    if (op === 'command' && maybeNothing(request)) return;
    if (op === 'create' || op === 'createMany' || op === 'next' || op === 'command') {
      this.#promises.push({ operation, answer: reply });
    }
  }

  /** All is over: every promise must be in the journal, exactly once (a second time is noticed by the fold). */
  checkPromises(): void {
    this.fold.catchUp();
    for (const { operation, answer } of this.#promises) {
      if (operation.request.op === 'createMany') this.#checkLines(operation, answer);
      else if (answer.status !== 204) this.#checkPromise(operation, answer.id as string);
      else if (operation.request.op === 'command') this.#checkPromise(operation, operation.request.id);
    }
    const { lastSeq } = this.#database.lease;
    if (lastSeq !== this.fold.seq) {
      this.report('seq-contiguous', `the lease says ${lastSeq}, the journal ends at ${this.fold.seq}`);
    }
  }

  #checkPromise({ request, captureId, name }: Operation, id: string): void {
    const { captures, keys, items, deleted } = this.fold;
    const byCapture = captureId === undefined ? undefined : captures.get(captureId);
    const byKey = request.idempotencyKey === undefined ? undefined : keys.get(request.idempotencyKey)?.itemId;
    const isDeleted = deleted.has(id);
    const found = request.op === 'create' ? (isDeleted ? id : (byCapture ?? byKey)) : byKey;
    if (found !== id || (!items.has(id) && !isDeleted)) {
      this.report('acked-is-durable', `${name} was acknowledged with ${id}, the journal has ${found ?? 'nothing'}`);
    }
  }

  #checkLines({ request, name }: Operation, answer: Answer): void {
    const lines = JSON.parse(`[${answer.json}]`) as Line[];
    const lost = lines.filter(({ id }) => id !== undefined && !this.fold.items.has(id) && !this.fold.deleted.has(id));
    if (lost.length > 0) {
      this.report('acked-is-durable', `${name}: ${lost.length} acknowledged lines are not in the journal`);
    }
    const made = lines.filter(({ line, status }) => {
      const known = this.fold.keys.get(`${request.idempotencyKey}#${line}`);
      return status === 201 && known === undefined;
    });
    if (made.length > 0) this.report('acked-is-durable', `${name}: ${made.length} new lines are not in the journal`);
  }

  /**
   * A queue as answered against the oracle at the answer's instant, over what was durable at some moment between the
   * question and now: the answer may have waited for a commit in flight, and with it for commands that came later.
   */
  #checkQueue(answer: Answer, askedAtSeq = this.fold.seq): void {
    const body = JSON.parse(answer.json as string) as ShownQueue;
    if (matches(this.fold, body)) return;
    const past = new Fold(this.#database, () => {});
    for (let seq = askedAtSeq; seq < this.fold.seq; seq++) {
      past.catchUp(seq);
      if (matches(past, body)) return;
    }
    const at = parseInstant(body.at) as number;
    this.report('order', `queue at ${at} (seq ${this.fold.seq}): ${difference(this.fold.queueAt(at), body.items)}`);
  }

  #checkDue(answer: Answer): void {
    const { at } = JSON.parse(answer.json as string) as ShownQueue;
    for (const { id, status } of this.fold.dueAt(parseInstant(at) as number)) {
      this.report('due', `queue at ${at} while ${id} (${status}) is due`);
    }
  }

  /** The follower's tables against the journal. */
  checkProjection(): void {
    this.fold.catchUp();
    const { items, history, keys, cursor } = this.#database;
    if (cursor !== this.fold.seq) this.report('projection', `the cursor is ${cursor}, the journal ${this.fold.seq}`);
    if (items.size !== this.fold.items.size) {
      this.report('projection', `${items.size} rows for ${this.fold.items.size} items`);
    }
    for (const [id, item] of this.fold.items) {
      const row = canonical(items.get(id));
      if (row !== canonical(item))
        this.report('projection', `item ${id} is ${row}, the journal says ${canonical(item)}`);
    }
    for (const [id, events] of this.fold.eventCounts) {
      const lines = history.get(id)?.length ?? 0;
      if (lines !== events) this.report('projection', `item ${id} has ${lines} lines of history for ${events} events`);
    }
    for (const [key, { itemId }] of this.fold.keys) {
      const row = keys.get(key);
      if (row === undefined || (row.itemId ?? undefined) !== itemId) {
        this.report('projection', `key ${key} is ${JSON.stringify(row)}, the journal says ${itemId}`);
      }
    }
  }
}

/** What an item may be already: then the command is acknowledged and leaves nothing behind. */
function maybeNothing({ name, priority }: Extract<Operation['request'], { op: 'command' }>): boolean {
  return name === 'move' || (name === 'reprioritize' && priority === null);
}

interface ShownQueue {
  at: string;
  items: { id: string; priority: number }[];
}

/** Whether a queue shows the items and priorities of the order in force, or of the one whose successor is being built. */
function matches(fold: Fold, { at, items }: ShownQueue): boolean {
  const t = parseInstant(at) as number;
  return [fold.schemas, fold.schemasBefore].some((schemas) => {
    if (schemas === undefined) return false;
    const expected = fold.queueAt(t, schemas);
    if (expected.length !== items.length) return false;
    return expected.every((item, index) => {
      const { id, priority } = items[index];
      return item.id === id && Math.abs(shown(scoreAt(item, schemas, t)) - priority) < 1e-6;
    });
  });
}

function difference(expected: readonly { id: string }[], actual: readonly { id: string }[]): string {
  const at = expected.findIndex(({ id }, index) => id !== actual[index]?.id);
  const counts = `${actual.length} items shown, ${expected.length} expected`;
  return at < 0 ? `${counts}; other priorities` : `${counts}; at ${at}: ${actual[at]?.id}, not ${expected[at].id}`;
}

/** JSON with sorted keys. */
function canonical(value: object | undefined): string {
  return JSON.stringify(value, value === undefined ? undefined : Object.keys(value).sort());
}
