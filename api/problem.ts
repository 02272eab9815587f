import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import { type Fault, type RejectionCode, rejections } from '../engine/rejection.js';

/** What only the HTTP front refuses: the engine never sees these requests. */
const httpProblems = {
  'bad-request': { status: 400, title: 'The HTTP request is malformed' },
  'cross-site': { status: 403, title: 'The request lacks the proof that a page of this server sent it' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  'not-configured': { status: 503, title: 'The server is not set up for this' },
  'database-unusable': { status: 502, title: 'The tenant’s database cannot be used' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time' },
  'headers-too-large': { status: 431, title: 'The header fields are larger than allowed' },
  overloaded: { status: 503, title: 'The server has more work than it can do in time' },
} as const;

/** Every stable `code` that an answer may carry, with its HTTP status and title: the source of the documents' table. */
export const problemTypes: Readonly<Record<ProblemCode, { status: number; title: string }>> = {
  ...rejections,
  ...httpProblems,
};

export type ProblemCode = RejectionCode | keyof typeof httpProblems;

/** A refusal on its way to the client; every `Rejection` of the engine is one. */
export interface Problem {
  readonly code: ProblemCode;
  /** One sentence for the caller: what is wrong and what would be right. Never holds the caller's secrets. */
  readonly detail: string;
  readonly faults?: readonly Fault[];
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;
}

/** Carries a problem through those parts of Fastify that only know thrown errors. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export const problemMediaType = 'application/problem+json; charset=utf-8';

/** The JSON text of the problem document (RFC 9457); `instance` is the path asked for, without its query. */
export function problemText(problem: Problem, instance: string): string {
  const { status, title } = problemTypes[problem.code];
  const standard = {
    type: `urn:iwd:problem:${problem.code}`,
    title,
    status,
    detail: problem.detail,
    instance,
    code: problem.code,
    ...(problem.faults && { errors: problem.faults }),
  };
  // Facts come after the standard members in the text, and can never replace one of them.
  return JSON.stringify(problem.facts ? { ...standard, ...problem.facts, ...standard } : standard);
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status } = problemTypes[problem.code];
  if (problem.retryAfterSeconds !== undefined) {
    reply.header('retry-after', String(Math.max(1, Math.ceil(problem.retryAfterSeconds))));
  }
  if (status === 401) reply.header('www-authenticate', 'ApiKey realm="iwd"');
  return reply
    .code(status)
    .type(problemMediaType)
    .send(problemText(problem, pathOf(reply.request.url)));
}

/** The whole HTTP answer for requests that never became one: what the parser refused is answered on the socket. */
export function problemOnWire(problem: Problem): string {
  const { status } = problemTypes[problem.code];
  const body = problemText(problem, '/');
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

/** Characters of a path that a problem repeats: enough to know the request again. */
const pathLengthMax = 256;

export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return url.slice(0, Math.min(end < 0 ? url.length : end, pathLengthMax));
}
