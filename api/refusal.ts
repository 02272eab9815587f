import type { FastifyError, FastifyRequest } from 'fastify';
import { PeopleUnavailable } from '../actors/ports/people.js';
import type { Front } from './front.js';
import { operations, urlsOf } from './operation.js';
import { type Problem, ProblemError } from './problem.js';

/** Turns whatever a route threw into a problem. What we did not expect is logged here and told to nobody else. */
export function problemOf(error: FastifyError | ProblemError, request: FastifyRequest, front: Front): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof PeopleUnavailable) return registryAway;
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { code: 'too-large', detail: `The body may have ${request.routeOptions.bodyLimit} bytes here.` };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { code: 'unsupported-media-type', detail: `Content-Type must be ${mediaTypes(request)}.` };
    case 'FST_ERR_BAD_URL':
      return { code: 'bad-request', detail: 'The path is not correctly percent-encoded.' };
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return { code: 'not-found', detail: 'There is no such path here.' };
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return { code: 'bad-request', detail: 'The request is not well-formed.' };
  }
  front.logger?.error({ requestId: request.id, err: error }, 'request failed unexpectedly');
  return { code: 'internal', detail: `The server made a mistake; it is logged under request id ${request.id}.` };
}

const registryAway: Problem = {
  code: 'unavailable',
  detail: 'The registry of people does not answer; try again in a moment.',
  retryAfterSeconds: 2,
};

function mediaTypes(request: FastifyRequest): string {
  const content = request.routeOptions.config.operation?.body?.content ?? {};
  return Object.keys(content).join(' or ');
}

const templates = operations.flatMap((operation) =>
  urlsOf(operation).map((url) => ({
    method: operation.method,
    pattern: new RegExp(`^${url.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
  })),
);

/** Methods that some route has for this path; empty for a path that is not ours. */
export function allowedMethods(path: string): string[] {
  return [...new Set(templates.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))].sort();
}
