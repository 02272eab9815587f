import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Engine } from '../actors/request.js';
import { type Rejection, reject } from '../engine/rejection.js';
import type { Caller } from './api-keys.js';
import { type BulkOptions, type BulkOutcome, takeBulk } from './bulk.js';
import type { Front } from './front.js';
import type { Operation } from './operation.js';
import { sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';
import { jsonMediaType, modeOf } from './route.js';
import type { ApiSettings } from './settings.js';

/** `POST /workitems/bulk`: the body is still on its way when this runs. */
export function bulkHandler(operation: Operation, { engine, settings, gate }: Front) {
  return async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const query = readQuery(request.query, operation.query ?? []);
    const refused = 'rejected' in query ? query : refusedBefore(request, settings);
    if (refused) {
      reply.header('connection', 'close');
      return sendProblem(reply, refused);
    }
    const options = optionsOf(request, query as Query, engine, settings);
    const outcome = await takeBulk(request.body as Readable, options);
    if (outcome.unread || gate.draining) reply.header('connection', 'close');
    return sendOutcome(reply, outcome);
  };
}

function refusedBefore(request: FastifyRequest, { bulkBytesMax }: ApiSettings): Rejection | undefined {
  if (request.body === undefined) return reject('invalid-json', 'A body is required here.');
  if (Number(request.headers['content-length'] ?? 0) > bulkBytesMax) {
    return reject('too-large', `A bulk request may have ${bulkBytesMax} bytes; nothing of it was read.`);
  }
  // One key cannot stand for many items that are answered one by one; ignoring it would promise what is not kept.
  if (request.headers['idempotency-key'] !== undefined) {
    return reject(
      'invalid-value',
      'A bulk request takes no Idempotency-Key: a captureId on each item makes it safe to repeat.',
    );
  }
  return undefined;
}

function optionsOf(request: FastifyRequest, query: Query, engine: Engine, settings: ApiSettings): BulkOptions {
  const { tenantId, keyName: by } = request.caller as Caller;
  const mode = modeOf(query);
  return {
    format: /^application\/json\b/i.test(request.headers['content-type'] ?? '') ? 'array' : 'ndjson',
    itemBytesMax: settings.itemBytesMax,
    itemsMax: settings.bulkItemsMax,
    bytesMax: settings.bulkBytesMax,
    send: (format, body, firstLine) =>
      engine.request(tenantId, { op: 'createMany', body, format, firstLine, mode, by }),
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
