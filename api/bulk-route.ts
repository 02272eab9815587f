import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import { type BulkOptions, type BulkOutcome, takeBulk } from './bulk.js';
import type { Caller } from './caller.js';
import type { Front } from './front.js';
import { readIdempotencyKey } from './header.js';
import type { Operation } from './operation.js';
import { sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';
import { jsonMediaType, modeOf } from './route.js';
import type { ApiSettings } from './settings.js';

/** `POST /workitems/bulk`: the body is still on its way when this runs. */
export function bulkHandler(operation: Operation, front: Front) {
  return async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const query = readQuery(request.query, operation.query ?? []);
    const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
    const refused = [query, idempotencyKey].find(isRejection) ?? refusedBefore(request, front.settings);
    if (refused) {
      // Its body is still on the way, and nobody will read it.
      reply.header('connection', 'close');
      return sendProblem(reply, refused);
    }
    const { name: by, from } = request.caller as Caller;
    const common = {
      mode: modeOf(query as Query),
      by,
      from,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    } as Common;
    const outcome = await takeBulk(request.body as Readable, optionsOf(request, front, common));
    if (outcome.unread || front.gate.draining) reply.header('connection', 'close');
    return sendOutcome(reply, outcome);
  };
}

function refusedBefore(request: FastifyRequest, { bulkBytesMax }: ApiSettings): Rejection | undefined {
  if (request.body === undefined) return reject('invalid-json', 'A body is required here.');
  if (Number(request.headers['content-length'] ?? 0) > bulkBytesMax) {
    return reject('too-large', `A bulk request may have ${bulkBytesMax} bytes; nothing of it was read.`);
  }
  return undefined;
}

function optionsOf(request: FastifyRequest, { engine, settings }: Front, ask: Common): BulkOptions {
  const { tenantId } = request.caller as Caller;
  return {
    format: /^application\/json\b/i.test(request.headers['content-type'] ?? '') ? 'array' : 'ndjson',
    itemBytesMax: settings.itemBytesMax,
    itemsMax: settings.bulkItemsMax,
    bytesMax: settings.bulkBytesMax,
    // The engine remembers an Idempotency-Key by line, so that it does not matter how the lines are sliced.
    send: (format, body, firstLine) => engine.request(tenantId, { op: 'createMany', body, format, firstLine, ...ask }),
  };
}

/** What all slices of one request say alike. */
interface Common {
  mode: 'create' | 'upsert';
  by: string;
  from: string;
  idempotencyKey?: string;
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
