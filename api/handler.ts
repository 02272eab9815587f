import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Front } from './front.js';
import type { Operation } from './operation-form.js';
import { type Problem, sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';

export type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** Operations that the front answers itself, by operation id; each handler is made once a route. */
export type Handlers = Readonly<Record<string, (front: Front, operation: Operation) => Handler>>;

/** What a request says, its query checked and its body as its shape let it through. */
export interface LocalAsk {
  request: FastifyRequest;
  reply: FastifyReply;
  query: Query;
  params: Readonly<Record<string, string>>;
  body: unknown;
}

export interface LocalAnswer {
  status: 200 | 201 | 204 | 302;
  /** Sent as JSON. */
  body?: unknown;
  location?: string;
}

/** A handler from what it says: how it is sent, and what a wrong query gets, is the same for all. */
export function answering(work: (ask: LocalAsk, front: Front) => Promise<LocalAnswer | Problem>): Handlers[string] {
  return (front, operation) => async (request, reply) => {
    const query = readQuery(request.query, operation.query ?? []);
    if ('rejected' in query) return sendProblem(reply, query);
    const params = request.params as Record<string, string>;
    const answer = await work({ request, reply, query, params, body: request.body }, front);
    if ('code' in answer) return sendProblem(reply, answer);
    reply.code(answer.status);
    if (answer.location !== undefined) reply.header('location', answer.location);
    return reply.send(answer.body);
  };
}
