import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Front } from './front.js';

export type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** Operations that the front answers itself, by operation id; each handler is made once a route. */
export type Handlers = Readonly<Record<string, (front: Front) => Handler>>;
