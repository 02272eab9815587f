import { readAuditCursor } from '../engine/audit-log.js';
import { noFilter } from '../engine/filter-decision.js';
import type { Needs } from '../engine/needs.js';
import { fault, isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import { type Instant, type Status, statuses, type WorkItem } from '../engine/work-item.js';
import {
  auditAnswer,
  explainAnswer,
  filterAnswer,
  filtersAnswer,
  historyAnswer,
  itemAnswer,
  pageAnswer,
  queueAnswer,
  searchAnswer,
  settingsAnswer,
  settingsRecordAnswer,
} from './answers.js';
import { exportAnswer, versionsAnswer } from './bundle-answer.js';
import type { Entry } from './entry.js';
import { type ExportRequest, exportAnswerPage, readExport } from './export-page.js';
import { type ItemSearch, type ProjectionStore, SearchRefused } from './ports.js';
import type { Projector } from './projector.js';
import type { Reply, Request } from './request.js';
import { cursorAfter, type Question, readQuestion, searchTotalMax } from './search.js';

/** How long a list waits for the follower, so that it shows what its caller has written before. */
const barrierMs = 2000;
/** Matches that are counted for an export, for its progress. */
const exportTotalMax = 1_000_000_000;
/** How often the queue's head is read again because it changed while documents were read. */
const queueTriesMax = 20;

type Outcome = { reply: Reply } | { needs: Needs } | { later: () => Promise<Reply> };

export interface ReadsContext {
  state: TenantState;
  store: ProjectionStore;
  projector: Projector;
  now: () => Instant;
  /** Number of the last durable event. */
  durableSeq: () => number;
}

/**
 * Answers what changes nothing. One item, the queue and explanations come from memory and are current; lists and
 * histories come from the follower's tables, after they have caught up with what was durable when the question came.
 */
export class Reads {
  readonly #c: ReadsContext;
  readonly #queueTries = new WeakMap<Entry, number>();

  constructor(context: ReadsContext) {
    this.#c = context;
  }

  run(entry: Entry, now: Instant): Outcome {
    const { request } = entry;
    switch (request.op) {
      case 'get':
        return this.#withItem(entry, request.id, (item) => ({ reply: itemAnswer(this.#c.state, item, now) }));
      case 'explain':
        return this.#withItem(entry, request.id, (item) => ({ reply: explainAnswer(this.#c.state, item, now) }));
      case 'history':
        return this.#history(request);
      case 'queue':
        return this.#queue(entry, request.limit, now);
      case 'list':
        return request.captureId === undefined ? this.#list(request) : this.#byCapture(entry, request, now);
      case 'search':
        return this.#search(request, now);
      case 'export':
        return this.#export(request, now);
      case 'audit':
        return this.#audit(request);
      case 'getFilters':
        return { reply: filtersAnswer(this.#c.state.filters.list(request.by)) };
      case 'getFilter':
        return { reply: this.#filter(request) };
      case 'getSettings':
        return this.#settings(request);
      case 'settingsVersions':
        return this.#settingsVersions(request);
      case 'exportSettings':
        return { reply: exportAnswer(this.#c.state) };
      default:
        throw new Error(`${request.op} is not a read`);
    }
  }

  #withItem(entry: Entry, id: string, found: (item: WorkItem) => Outcome): Outcome {
    const item = this.#c.state.documents.get(id);
    if (item !== undefined) return found(item);
    if (!entry.absent.has(id) && !this.#c.state.documents.has(id))
      return { needs: { ids: [id], captureIds: [], keys: [] } };
    return { reply: noItem(id) };
  }

  #queue(entry: Entry, limit: number, now: Instant): Outcome {
    const { state } = this.#c;
    const ids = state.queue.top(now, limit).map((slot) => state.table.idOf(slot));
    const cold = ids.filter((id) => !state.documents.has(id));
    if (cold.length === 0)
      return {
        reply: queueAnswer(
          state,
          ids.map((id) => state.mustDocument(id)),
          now,
        ),
      };
    const tries = (this.#queueTries.get(entry) ?? 0) + 1;
    this.#queueTries.set(entry, tries);
    if (tries > queueTriesMax) {
      return { reply: reject('unavailable', 'the queue changes faster than it can be read', { retryAfterSeconds: 1 }) };
    }
    // A page larger than the cache must come in one read: reading what is missing lets go of the rest.
    return { needs: { ids: tries === 1 ? cold : ids, captureIds: [], keys: [] } };
  }

  #byCapture(entry: Entry, request: Extract<Request, { op: 'list' }>, now: Instant): Outcome {
    const captureId = request.captureId as string;
    const wanted = readStatuses(request.statuses);
    if ('rejected' in wanted) return { reply: wanted };
    const { state } = this.#c;
    const item = state.findByCapture(captureId);
    if (item === undefined && state.known.mayHave(`c:${captureId}`) && !entry.absent.has(`c:${captureId}`)) {
      return { needs: { ids: [], captureIds: [captureId], keys: [] } };
    }
    const items = item !== undefined && matches(item, wanted.statuses, request.category) ? [item] : [];
    return { reply: pageAnswer(state, items, null, now) };
  }

  #list(request: Extract<Request, { op: 'list' }>): Outcome {
    const wanted = readStatuses(request.statuses);
    if ('rejected' in wanted) return { reply: wanted };
    const beforeSeq = readCursor(request.cursor);
    if (typeof beforeSeq === 'object') return { reply: beforeSeq };
    const { category, limit } = request;
    return {
      later: async () => {
        const isStale = !(await this.caughtUp());
        const items = await this.#c.store.list({ statuses: wanted.statuses, category, limit: limit + 1, beforeSeq });
        const page = items.slice(0, limit);
        const next = items.length > limit ? cursorAt(page[page.length - 1].seq) : null;
        return pageAnswer(this.#c.state, page, next, this.#c.now(), isStale);
      },
    };
  }

  #search(request: Extract<Request, { op: 'search' }>, now: Instant): Outcome {
    const { filters } = this.#c.state;
    const question = readQuestion(request.body, now, (id) => filters.question(id, request.by));
    if (isRejection(question)) return { reply: question };
    return {
      later: async () => {
        const isStale = !(await this.caughtUp());
        return this.#answerSearch(question, isStale);
      },
    };
  }

  async #answerSearch(question: Question, isStale: boolean): Promise<Reply> {
    const { search } = question;
    // Counting to one more than the bound tells whether there is more.
    const countMax = question.total === undefined ? searchTotalMax + 1 : 0;
    const found = await this.#find({ ...search, limit: search.limit + 1 }, countMax);
    if (isRejection(found)) return found;
    const page = found.items.slice(0, search.limit);
    const total = question.total ?? found.count;
    const next = found.items.length > search.limit ? cursorAfter(question, total, page[page.length - 1]) : null;
    const totalIsAtLeast = total > searchTotalMax;
    return searchAnswer(this.#c.state, page, this.#c.now(), {
      next,
      total: Math.min(total, searchTotalMax),
      totalIsAtLeast,
      at: search.now,
      isStale,
    });
  }

  #export(request: ExportRequest, now: Instant): Outcome {
    const { filters } = this.#c.state;
    const question = readExport(request, now, (id) => filters.question(id, request.by));
    if (isRejection(question)) return { reply: question };
    return {
      later: async () => {
        // A later page waits for nothing: it goes on with what was there when the export began.
        if (request.after === undefined) await this.caughtUp();
        const { search } = question;
        const found = await this.#find({ ...search, limit: search.limit + 1 }, 0);
        if (isRejection(found)) return found;
        const total = request.total === true ? await this.#find({ ...search, limit: 1 }, exportTotalMax) : undefined;
        const answer = exportAnswerPage(this.#c.state, question, found.items);
        // A count that takes too long is left out.
        return total === undefined || isRejection(total) ? answer : { ...answer, total: total.count };
      },
    };
  }

  #find(search: ItemSearch, countMax: number): Promise<{ items: WorkItem[]; count: number } | Rejection> {
    return this.#c.store.search(search, countMax).catch((error: unknown) => searchRejection(error));
  }

  #filter({ filterId, by }: Extract<Request, { op: 'getFilter' }>): Reply {
    const { state } = this.#c;
    return state.filters.visible(filterId, by) === undefined ? noFilter(filterId) : filterAnswer(state, filterId);
  }

  #history(request: Extract<Request, { op: 'history' }>): Outcome {
    const afterSeq = readCursor(request.cursor);
    if (typeof afterSeq === 'object') return { reply: afterSeq };
    const { id, limit } = request;
    return {
      later: async () => {
        const isStale = !(await this.caughtUp());
        const entries = await this.#c.store.history(id, afterSeq ?? 0, limit + 1);
        // A deleted item has a history, an item that never was has none.
        if (entries.length === 0 && afterSeq === undefined && !isStale) return noItem(id);
        const page = entries.slice(0, limit);
        const next = entries.length > limit ? cursorAt(page[page.length - 1].seq) : null;
        return historyAnswer(page, next, isStale);
      },
    };
  }

  #audit({ who, where, cursor, op: _op, ...query }: Extract<Request, { op: 'audit' }>): Outcome {
    const before = readAuditCursor(cursor);
    if (before !== undefined && 'rejected' in before) return { reply: before };
    return {
      later: async () => {
        const isStale = !(await this.caughtUp());
        const { type, itemId, since, until, limit } = query;
        const wanted = { type, itemId, since, until, limit, by: who, from: where, before };
        return auditAnswer(await this.#c.store.audit(wanted), isStale);
      },
    };
  }

  #settings({ kind, version }: Extract<Request, { op: 'getSettings' }>): Outcome {
    const { state, store } = this.#c;
    if (version === undefined || version === state.settings[kind].version)
      return { reply: settingsAnswer(state, kind) };
    return {
      later: async () => {
        await this.caughtUp();
        const record = await store.settings(kind, version);
        if (record === undefined) return reject('not-found', `there is no version ${version} of ${kind}`);
        return settingsRecordAnswer(record);
      },
    };
  }

  #settingsVersions({ kind, limit, cursor }: Extract<Request, { op: 'settingsVersions' }>): Outcome {
    const before = readCursor(cursor);
    if (typeof before === 'object') return { reply: before };
    return {
      later: async () => {
        const isStale = !(await this.caughtUp());
        const versions = await this.#c.store.settingsVersions(kind, before ?? Number.MAX_SAFE_INTEGER, limit + 1);
        const page = versions.slice(0, limit);
        const next = versions.length > limit ? cursorAt(page[page.length - 1].version) : null;
        return versionsAnswer(page, next, isStale);
      },
    };
  }

  /** Waits for the follower, for a bounded time; true when the tables show everything that was durable. */
  caughtUp(): Promise<boolean> {
    return this.#c.projector.reached(this.#c.durableSeq(), barrierMs);
  }
}

function searchRejection(error: unknown): Rejection {
  if (!(error instanceof SearchRefused)) throw error;
  return error.code === 'query-too-slow'
    ? reject(error.code, 'narrow the filter, for example by status, category or a range of times')
    : reject(error.code, 'too many searches of this tenant wait already', { retryAfterSeconds: 1 });
}

function noItem(id: string): Rejection {
  return reject('not-found', `there is no work item ${id}`);
}

function readStatuses(names: string[] | undefined): { statuses: Status[] | undefined } | Rejection {
  const unknown = names?.find((name) => !(statuses as readonly string[]).includes(name));
  if (unknown !== undefined) return fault('?status', 'invalid-value', `expected one of ${statuses.join(', ')}`);
  return { statuses: names as Status[] | undefined };
}

function matches(item: WorkItem, wanted: Status[] | undefined, category: string | undefined): boolean {
  if (wanted !== undefined && !wanted.includes(item.status)) return false;
  return category === undefined || item.category === category || item.category?.startsWith(`${category}/`) === true;
}

/** A cursor is opaque to clients: the number of the last item shown. */
function cursorAt(seq: number): string {
  return Buffer.from(`s${seq}`).toString('base64url');
}

function readCursor(cursor: string | undefined): number | undefined | Rejection {
  if (cursor === undefined) return undefined;
  const match = /^s(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return match === null
    ? fault('?cursor', 'invalid-cursor', 'expected the `next` of an earlier answer')
    : Number(match[1]);
}
