import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import { type SettingsKind, settingsNames } from '../engine/settings.js';
import type { Front } from './front.js';
import type { Handler, Handlers } from './handler.js';
import { readIfMatch } from './header.js';
import { sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';
import { askEngine, isDryRun, sendReply } from './route.js';

const yamlMediaType = 'application/yaml; charset=utf-8';

export const settingsHandlers: Handlers = {
  ...Object.fromEntries(settingsNames.map((kind) => [`rollback-${kind}`, rollback(kind)])),
  'export-settings': exportSettings,
  'import-settings': importSettings,
};

/** An earlier version's document is published as if somebody had sent it: it has to fit what is in force today. */
function rollback(kind: SettingsKind) {
  return (front: Front): Handler =>
    async (request, reply) => {
      const query = readQuery(request.query, []);
      const ifMatch = readIfMatch(request.headers['if-match']);
      const refused = [query, ifMatch].find(isRejection);
      if (refused !== undefined) return sendProblem(reply, refused);
      const { version } = request.body as { version: number };
      const earlier = await askEngine(front, request, { op: 'getSettings', kind, version });
      if (isRejection(earlier)) return sendReply(front, reply, earlier);
      const body = Buffer.from(earlier.json as string);
      const ask = { op: 'putSettings', kind, body, ifMatch: ifMatch as number | undefined } as const;
      return sendReply(front, reply, await askEngine(front, request, ask));
    };
}

function exportSettings(front: Front): Handler {
  return async (request, reply) => {
    const query = readQuery(request.query, ['format']);
    if (isRejection(query)) return sendProblem(reply, query);
    const wanted = query.format?.[0] ?? (acceptsYaml(request) ? 'yaml' : 'json');
    const answer = await askEngine(front, request, { op: 'exportSettings' });
    if (wanted === 'json' || isRejection(answer)) return sendReply(front, reply, answer);
    return sendYaml(front, reply, await front.yaml.toYaml(answer.json as string));
  };
}

function acceptsYaml({ headers }: FastifyRequest): boolean {
  return /\b(application|text)\/(x-)?yaml\b/.test(headers.accept ?? '');
}

function sendYaml(front: Front, reply: FastifyReply, yaml: string | Rejection): FastifyReply {
  if (front.gate.draining) reply.header('connection', 'close');
  return isRejection(yaml) ? sendProblem(reply, yaml) : reply.header('content-type', yamlMediaType).send(yaml);
}

function importSettings(front: Front): Handler {
  return async (request, reply) => {
    const query = readQuery(request.query, ['dryRun']);
    if (isRejection(query)) return sendProblem(reply, query);
    const body = await jsonOf(front, request);
    if (isRejection(body)) return sendProblem(reply, body);
    const ask = { op: 'importSettings', body, dryRun: isDryRun(query as Query) } as const;
    return sendReply(front, reply, await askEngine(front, request, ask));
  };
}

/** The body's bytes, as JSON. */
async function jsonOf(front: Front, { body, headers }: FastifyRequest): Promise<Buffer | Rejection> {
  if (body === undefined) return reject('invalid-json', 'A body is required here.');
  const bytes = body as Buffer;
  if (!/\byaml\b/.test(headers['content-type'] ?? '')) return bytes;
  const json = await front.yaml.toJson(bytes.toString('utf8'));
  return isRejection(json) ? json : Buffer.from(json);
}
