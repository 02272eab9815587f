import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answer, Request as EngineRequest, Reply } from '../actors/request.js';
import { formatInstant } from '../engine/instant.js';
import { isRejection, rejections } from '../engine/rejection.js';
import type { Caller } from './caller.js';
import type { Front } from './front.js';
import type { Handler, Handlers } from './handler.js';
import type { Operation } from './operation-form.js';
import { type Problem, sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';

/** Exports at once on one server: each holds a page of each of its buffers. */
const exportsMax = 16;
/** Tries of one page, when the tenant is on its way to another owner or has more to do than it can. */
const triesMax = 8;
const waitMs = 250;

type Ask = Extract<EngineRequest, { op: 'export' }>;

/** `GET` and `POST /workitems/export`. */
export const exportHandlers: Handlers = { export: exportHandler, 'export-matching': exportHandler };

let running = 0;

/**
 * Streams an export page by page: the next one is asked for when the client has taken the one before. What goes wrong
 * before the first page is a problem document; after that the connection breaks off, because an end that looks like one
 * would be taken for the whole.
 */
function exportHandler(front: Front, operation: Operation): Handler {
  return async (request, reply) => {
    const query = readQuery(request.query, operation.query ?? []);
    if (isRejection(query)) return sendProblem(reply, query);
    if (running >= exportsMax) return sendProblem(reply, tooMany);
    running++;
    reply.raw.once('close', () => running--);
    const pages = new ExportPages(front, request, askOf(request, query as Query));
    const first = await pages.first();
    if (isRejection(first)) return sendProblem(reply, first);
    return send(reply, pages, first);
  };
}

const tooMany: Problem = {
  code: 'too-many-requests',
  detail: `${exportsMax} exports run on this server already.`,
  retryAfterSeconds: 5,
};

function askOf(request: FastifyRequest, { saved, after, at }: Query): Ask {
  const { name: by, from } = request.caller as Caller;
  const format = /\bapplication\/(x-ndjson|jsonl)\b/i.test(request.headers.accept ?? '') ? 'ndjson' : 'csv';
  const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
  return { op: 'export', body, format, saved, after, at, by, from };
}

function send(reply: FastifyReply, pages: ExportPages, first: Answer): FastifyReply {
  const { format } = pages.ask;
  const [media, ending] = format === 'csv' ? ['text/csv; charset=utf-8', 'csv'] : ['application/x-ndjson', 'ndjson'];
  reply.header('content-type', media);
  reply.header('content-disposition', `attachment; filename="workitems.${ending}"`);
  reply.header('iwd-export-at', formatInstant(first.at!));
  if (first.total !== undefined) reply.header('iwd-export-total', String(first.total));
  return reply.send(Readable.from(pages.texts(first), { objectMode: false, highWaterMark: 1 }));
}

/** The pages of one export, in order, one at a time. */
class ExportPages {
  readonly ask: Ask;
  readonly #front: Front;
  readonly #request: FastifyRequest;

  constructor(front: Front, request: FastifyRequest, ask: Ask) {
    this.#front = front;
    this.#request = request;
    this.ask = ask;
  }

  first(): Promise<Reply> {
    return this.#page({ ...this.ask, total: true });
  }

  /** Throws when a page cannot be had: the stream, and with it the connection, breaks off. */
  async *texts(first: Answer): AsyncGenerator<string> {
    yield first.json!;
    for (let { next } = first; next !== undefined; ) {
      const page = await this.#patiently({ ...this.ask, after: next, at: first.at });
      if (page.json !== '') yield page.json!;
      next = page.next;
    }
  }

  async #patiently(ask: Ask): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      if (this.#front.gate.draining) throw new Error('the server is stopping');
      const reply = await this.#page(ask);
      if (!isRejection(reply)) return reply;
      const passes = [429, 503].includes(rejections[reply.code].status);
      if (!passes || attempt === triesMax) throw new Error(`${reply.code}: ${reply.detail}`);
      await wait(waitMs * attempt);
    }
  }

  #page(ask: Ask): Promise<Reply> {
    const { tenantId } = this.#request.caller as Caller;
    return this.#front.engine.request(tenantId, ask);
  }
}
