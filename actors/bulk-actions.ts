import { type BulkActionDraft, parseBulkAction } from '../engine/bulk-action.js';
import { decodeBody } from '../engine/content.js';
import { formatInstant } from '../engine/instant.js';
import { refuseStep } from '../engine/life-cycle.js';
import { bulkActionItemsMax, bulkActionKeptMs, bulkActionsRunningMax } from '../engine/limits.js';
import { fault, isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import type { Instant, WorkItem } from '../engine/work-item.js';
import type { BulkRunner } from './bulk-runner.js';
import type { BulkAction, BulkActionStore } from './ports/bulk-action-store.js';
import { type Lease, type ProjectionStore, SearchRefused } from './ports.js';
import type { Answer, Reply, Request } from './request.js';

/** Items that a dry run shows. */
const sampleItems = 10;
const forgottenMax = 100;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

type BulkOp = 'startBulkAction' | 'getBulkAction' | 'listBulkActions' | 'cancelBulkAction';
type Asked<Op extends Request['op']> = Extract<Request, { op: Op }>;

export interface BulkActionsContext {
  state: TenantState;
  lease: Lease;
  store: BulkActionStore;
  projection: ProjectionStore;
  runner: BulkRunner;
  now: () => Instant;
  newId: () => string;
  /** Resolves when the tables show everything that was durable, or as much as can be waited for. */
  caughtUp: () => Promise<boolean>;
}

/**
 * Answers what is asked about bulk actions. The items of an action are found when it is asked for and stay the same;
 * each is decided by its state when its turn comes. An action is answered with 202 when it is durable with its ids.
 */
export class BulkActions {
  readonly #c: BulkActionsContext;

  constructor(context: BulkActionsContext) {
    this.#c = context;
  }

  /** What answers the request, by asking the tables. */
  run(request: Asked<BulkOp>): () => Promise<Reply> {
    switch (request.op) {
      case 'startBulkAction':
        return () => this.#start(request);
      case 'getBulkAction':
        return async () => found(await this.#c.store.find(request.id), request.id);
      case 'listBulkActions':
        return () => this.#list(request);
      case 'cancelBulkAction':
        return () => this.#cancel(request.id);
    }
  }

  async #start(request: Asked<'startBulkAction'>): Promise<Reply> {
    const { state, now, newId } = this.#c;
    // When this term ends, the next one begins anew with the same request: it must come to the same action.
    request.actionId ??= newId();
    const body = decodeBody(request.body);
    if (isRejection(body)) return body;
    const draft = parseBulkAction(body, {
      now: now(),
      hasCategory: (path) => state.categories.has(path),
      saved: (id) => state.filters.question(id, request.by),
    });
    if (isRejection(draft)) return draft;
    if (!request.allowed.includes(draft.action)) {
      return reject('forbidden', `this needs the privilege for ${draft.action} as well`);
    }
    const earlier = await this.#earlier(request, draft);
    if (earlier !== undefined) return earlier;
    const ids = await this.#idsOf(draft);
    if (isRejection(ids)) return ids;
    return draft.dryRun || request.dryRun ? this.#preview(draft, ids) : this.#begin(request, draft, ids);
  }

  /** The answer when the request, or another under the same Idempotency-Key, has come before. */
  async #earlier(request: Asked<'startBulkAction'>, { fingerprint }: BulkActionDraft): Promise<Reply | undefined> {
    const { store } = this.#c;
    const { actionId = '', idempotencyKey: key } = request;
    const own = await store.find(actionId);
    if (own !== undefined) return answerOf(own, 202);
    const action = key === undefined ? undefined : await store.findByKey(key);
    if (action === undefined) return undefined;
    if (action.fingerprint === fingerprint) return { ...answerOf(action, 202), replayed: true };
    return reject('key-reused', 'this Idempotency-Key came before with another bulk action; use a new key');
  }

  async #idsOf({ ids, filter }: BulkActionDraft): Promise<string[] | Rejection> {
    if (filter === undefined) return ids as string[];
    await this.#c.caughtUp();
    try {
      const matching = await this.#c.projection.matchingIds(filter, this.#c.now(), bulkActionItemsMax + 1);
      if (matching.length <= bulkActionItemsMax) return matching;
    } catch (error) {
      if (!(error instanceof SearchRefused)) throw error;
      return reject(error.code, 'finding the items takes too long; narrow the filter');
    }
    return fault('/filter', 'too-large', `it matches more than ${bulkActionItemsMax} items; narrow it`);
  }

  async #preview({ action, filter }: BulkActionDraft, ids: string[]): Promise<Answer> {
    if (filter === undefined) await this.#c.caughtUp();
    const rows = await this.#c.projection.load(ids.slice(0, sampleItems));
    const items = new Map(rows.map((item) => [item.id, item]));
    const sample = ids.slice(0, sampleItems).map((id) => {
      const item = items.get(id);
      const refused = item === undefined ? noItem(id) : refuseStep(item.status, action);
      return { ...(item === undefined ? { id } : shown(item)), refused: refused?.detail ?? null };
    });
    return { status: 200, json: JSON.stringify({ dryRun: true, action, matched: ids.length, sample }) };
  }

  async #begin(request: Asked<'startBulkAction'>, draft: BulkActionDraft, ids: string[]): Promise<Reply> {
    const { store, lease, runner, now } = this.#c;
    if ((await store.running()).length >= bulkActionsRunningMax) {
      const detail = `${bulkActionsRunningMax} bulk actions wait already`;
      return reject('too-many-requests', detail, { retryAfterSeconds: 5 });
    }
    const { action, written, fingerprint, arguments: given } = draft;
    const { by, from, idempotencyKey: key, actionId: id = '' } = request;
    const at = now();
    const asked = {
      ...{ id, action, arguments: given, fingerprint, state: 'running' as const, createdAt: at },
      ...{ matched: ids.length, next: 0, done: 0, failed: 0, failures: [] },
      ...(written !== undefined && { filter: written }),
      ...(by !== undefined && { by }),
      ...(from !== undefined && { from }),
      ...(key !== undefined && { key }),
    };
    await store.forget(at - bulkActionKeptMs, forgottenMax);
    const started = await store.start(lease, asked, ids);
    if (started === undefined) return reject('unavailable', 'the tenant moves; come again', { retryAfterSeconds: 1 });
    if (started.id !== id) return (await this.#earlier(request, draft)) as Reply;
    runner.add(started);
    return answerOf(started, 202);
  }

  async #list({ limit, cursor }: Asked<'listBulkActions'>): Promise<Reply> {
    const before = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString('latin1');
    if (before !== undefined && !uuid.test(before)) {
      return fault('?cursor', 'invalid-cursor', 'expected the `next` of an earlier answer');
    }
    const actions = await this.#c.store.list(limit + 1, before);
    const page = actions.slice(0, limit);
    const next = actions.length > limit ? Buffer.from(page[page.length - 1].id).toString('base64url') : null;
    return { status: 200, json: JSON.stringify({ items: page.map(view), next }) };
  }

  async #cancel(id: string): Promise<Reply> {
    const action = await this.#c.store.cancel(id, this.#c.now());
    if (action?.state === 'cancelled') this.#c.runner.cancelled(id);
    return found(action, id);
  }
}

function found(action: BulkAction | undefined, id: string): Reply {
  return action === undefined ? reject('not-found', `there is no bulk action ${id}`) : answerOf(action, 200);
}

function noItem(id: string): Rejection {
  return reject('not-found', `there is no work item ${id}`);
}

function shown({ id, captureId, status, category, version }: WorkItem): Record<string, unknown> {
  return { id, captureId: captureId ?? null, status, category: category ?? null, version };
}

function answerOf(action: BulkAction, status: 200 | 202): Answer {
  return { status, json: JSON.stringify(view(action)), location: `/bulk-actions/${action.id}` };
}

/** The action as its resource shows it. */
function view(action: BulkAction): Record<string, unknown> {
  const { id, state, matched, done, failed, failures, by, filter, createdAt, finishedAt } = action;
  return {
    ...{ id, action: action.action, arguments: action.arguments, ...(filter !== undefined && { filter }) },
    ...{ state, matched, done, failed, failures, by: by ?? null },
    createdDateTime: formatInstant(createdAt),
    finishedDateTime: finishedAt === undefined ? null : formatInstant(finishedAt),
  };
}
