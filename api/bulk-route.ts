import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import { type BulkOptions, type BulkOutcome, takeBulk } from './bulk.js';
import type { Caller } from './caller.js';
import type { Front } from './front.js';
import type { Handler } from './handler.js';
import { readIdempotencyKey } from './header.js';
import type { Operation } from './operation.js';
import { sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';
import { isDryRun, jsonMediaType, modeOf } from './route.js';
import type { ApiSettings } from './settings.js';

/** What a kind of bulk says for itself. */
export type BulkForm = Pick<BulkOptions, 'format' | 'splitter'>;

/** `POST /workitems/bulk`. */
export function bulkHandler(operation: Operation, front: Front): Handler {
  return streamHandler(operation, front, ({ headers }) => ({
    format: /^application\/json\b/i.test(headers['content-type'] ?? '') ? 'array' : 'ndjson',
  }));
}

/** Takes items by the stream: the body is still on its way when this runs. */
export function streamHandler(
  operation: Operation,
  front: Front,
  formOf: (request: FastifyRequest, query: Query) => BulkForm | Rejection,
): Handler {
  return async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const asked = readAsked(operation, front, request);
    const form = isRejection(asked) ? asked : formOf(request, asked.query);
    if (isRejection(asked) || isRejection(form)) {
      // Its body is still on the way, and nobody will read it.
      reply.header('connection', 'close');
      return sendProblem(reply, form as Rejection);
    }
    const outcome = await takeBulk(request.body as Readable, { ...form, ...optionsOf(request, front, asked) });
    if (outcome.unread || front.gate.draining) reply.header('connection', 'close');
    return sendOutcome(reply, outcome);
  };
}

interface Asked {
  query: Query;
  idempotencyKey: string | undefined;
}

function readAsked(operation: Operation, { settings }: Front, request: FastifyRequest): Asked | Rejection {
  const query = readQuery(request.query, operation.query ?? []);
  if (isRejection(query)) return query;
  const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
  if (isRejection(idempotencyKey)) return idempotencyKey;
  return refusedBefore(request, settings) ?? { query, idempotencyKey };
}

function refusedBefore(request: FastifyRequest, { bulkBytesMax }: ApiSettings): Rejection | undefined {
  if (request.body === undefined) return reject('invalid-json', 'A body is required here.');
  if (Number(request.headers['content-length'] ?? 0) > bulkBytesMax) {
    return reject('too-large', `A bulk request may have ${bulkBytesMax} bytes; nothing of it was read.`);
  }
  return undefined;
}

function optionsOf(
  request: FastifyRequest,
  { engine, settings }: Front,
  { query, idempotencyKey }: Asked,
): Omit<BulkOptions, keyof BulkForm> {
  const { tenantId, name: by, from } = request.caller as Caller;
  // What all slices of one request say alike.
  const common = { mode: modeOf(query), dryRun: isDryRun(query), by, from, ...(idempotencyKey && { idempotencyKey }) };
  return {
    itemBytesMax: settings.itemBytesMax,
    itemsMax: settings.bulkItemsMax,
    bytesMax: settings.bulkBytesMax,
    // The engine remembers an Idempotency-Key by line, so that it does not matter how the lines are sliced.
    send: (format, body, firstLine) =>
      engine.request(tenantId, { op: 'createMany', body, format, firstLine, ...common }),
  };
}

function sendOutcome(reply: FastifyReply, { tally, refused }: BulkOutcome): FastifyReply {
  const { accepted, rejected, results } = tally;
  if (!refused) {
    const text = `{"accepted":${accepted},"rejected":${rejected},"results":[${results}]}`;
    return reply.header('content-type', jsonMediaType).send(text);
  }
  if (accepted + rejected === 0) return sendProblem(reply, refused);
  const facts = { ...refused.facts, accepted, rejected, results: JSON.parse(`[${results}]`) as unknown };
  return sendProblem(reply, { ...refused, facts });
}
