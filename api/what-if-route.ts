import { isRejection } from '../engine/rejection.js';
import type { Caller } from './caller.js';
import type { Handlers } from './handler.js';
import { sendProblem } from './problem.js';
import { readQuery } from './query.js';
import { sendReply } from './route.js';

export const whatIfHandlers: Handlers = {
  'what-if': (front) => async (request, reply) => {
    const query = readQuery(request.query, []);
    if (isRejection(query)) return sendProblem(reply, query);
    if (request.body === undefined) return sendProblem(reply, noBody);
    if (front.simulations === undefined) return sendProblem(reply, noSimulations);
    // A client that goes away ends the simulation: it would only keep others waiting.
    const gone = new AbortController();
    reply.raw.on('close', () => gone.abort());
    const { tenantId } = request.caller as Caller;
    const answer = await front.simulations.whatIf(tenantId, request.body as Buffer, gone.signal);
    return sendReply(front, reply, answer);
  },
};

const noBody = { code: 'invalid-json', detail: 'A body is required here.' } as const;
const noSimulations = { code: 'unavailable', detail: 'This server runs no simulations.' } as const;
