import type { FastifyRequest } from 'fastify';
import type { Request as EngineRequest } from '../actors/request.js';
import { pageItemsDefault, textLengthMax } from '../engine/limits.js';
import { fault, isRejection, type Rejection } from '../engine/rejection.js';
import type { Front } from './front.js';
import type { Handler, Handlers } from './handler.js';
import type { Operation } from './operation-form.js';
import { sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';
import { askEngine, sendReply } from './route.js';

export const subjectHandlers: Handlers = { exportSubject: subjectHandler, eraseSubject: subjectHandler };

function subjectHandler(front: Front, operation: Operation): Handler {
  return async (request, reply) => {
    const asked = readSubject(request, operation);
    if (isRejection(asked)) return sendProblem(reply, asked);
    return sendReply(front, reply, await askEngine(front, request, asked));
  };
}

function readSubject(request: FastifyRequest, operation: Operation): EngineRequest | Rejection {
  const query = readQuery(request.query, operation.query ?? []);
  if (isRejection(query)) return query;
  const { subject } = request.params as { subject: string };
  if (subject === '' || subject.length > textLengthMax || unstorable.test(subject)) {
    return fault('/subject', 'invalid-value', `the person's id must have 1 to ${textLengthMax} characters of text`);
  }
  if (operation.id === 'eraseSubject') return { op: 'eraseSubject', subject };
  const { limit = pageItemsDefault, cursor } = query as Query;
  if (cursor === undefined || uuidPattern.test(cursor)) return { op: 'exportSubject', subject, limit, cursor };
  return fault('?cursor', 'invalid-cursor', 'expected the `next` of an earlier answer');
}

/** What no item can hold, so nobody is called that. */
const unstorable = /[\0\p{Surrogate}\uFFFD]/u;
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
