import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answer, Request as EngineRequest, Reply } from '../actors/request.js';
import { bulkActionNames } from '../engine/bulk-action.js';
import { type ItemCommandName, itemCommands } from '../engine/command.js';
import { pageItemsDefault } from '../engine/limits.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import { type SettingsKind, settingsNames } from '../engine/settings.js';
import type { Caller } from './caller.js';
import type { Front } from './front.js';
import { readId, readIdempotencyKey, readIfMatch } from './header.js';
import { basePath, commandAccess, type Operation } from './operation.js';
import { type Problem, sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';

/** What a request says, checked, before it becomes the engine's. */
export interface Asked {
  id: string;
  /** What stands in the path in place of other names in braces. */
  path: Readonly<Record<string, string>>;
  query: Query;
  body: unknown;
  ifMatch?: number;
}

/** The body of a command, as its schema let it through. */
interface CommandBody {
  agentId?: string;
  reason?: string;
  resultCode?: string;
  priority?: number | null;
  until?: string | null;
  category?: string;
}

type Translate = (asked: Asked, caller: Caller) => EngineRequest;

/** How each operation's request reads in the engine's words. */
const translations: Record<string, Translate> = {
  create: ({ body, query }) => ({ op: 'create', body: body as Buffer, mode: modeOf(query), dryRun: isDryRun(query) }),
  update: ({ id, body, ifMatch, query }) => ({
    op: 'update',
    id,
    body: body as Buffer,
    ifMatch,
    dryRun: isDryRun(query),
  }),
  list: ({ query }) => ({
    op: 'list',
    captureId: query.captureId,
    statuses: query.status,
    category: query.category,
    limit: query.limit ?? pageItemsDefault,
    cursor: query.cursor,
  }),
  'get-filters': () => ({ op: 'getFilters' }),
  'get-filter': ({ path }) => ({ op: 'getFilter', filterId: path.filterId! }),
  'save-filter': ({ path, body, ifMatch }) => ({
    op: 'putFilter',
    filterId: path.filterId!,
    body: body as Buffer,
    ifMatch,
  }),
  'remove-filter': ({ path, ifMatch }) => ({ op: 'deleteFilter', filterId: path.filterId!, ifMatch }),
  search: ({ body }) => ({ op: 'search', body: body as Buffer }),
  'start-bulk-action': ({ body, query }, { privileges }) => {
    const allowed = bulkActionNames.filter((name) => privileges.has(commandAccess[name]));
    return { op: 'startBulkAction', body: body as Buffer, dryRun: isDryRun(query), allowed };
  },
  'get-bulk-action': ({ id }) => ({ op: 'getBulkAction', id }),
  'cancel-bulk-action': ({ id }) => ({ op: 'cancelBulkAction', id }),
  'list-bulk-actions': ({ query }) => ({
    op: 'listBulkActions',
    limit: query.limit ?? pageItemsDefault,
    cursor: query.cursor,
  }),
  next: ({ body }) => ({ op: 'next', agentId: (body as { agentId: string }).agentId }),
  get: ({ id }) => ({ op: 'get', id }),
  history: ({ id, query }) => ({ op: 'history', id, limit: query.limit ?? pageItemsDefault, cursor: query.cursor }),
  explain: ({ id }) => ({ op: 'explain', id }),
  audit: ({ query: { by: who, from: where, type, itemId, since, until, limit = pageItemsDefault, cursor } }) => ({
    op: 'audit',
    ...{ who, where, type, itemId, since, until, limit, cursor },
  }),
  queue: ({ query }) => ({ op: 'queue', limit: query.limit ?? pageItemsDefault }),
  ...Object.fromEntries(itemCommands.map((name) => [name, translateCommand(name)])),
  ...Object.fromEntries(settingsNames.flatMap((kind) => Object.entries(settingsTranslations(kind)))),
};

function translateCommand(name: ItemCommandName): Translate {
  return ({ id, ifMatch, body }) => {
    const { reason, resultCode, agentId, until, ...said } = (body ?? {}) as CommandBody;
    if (name === 'reprioritize' || name === 'move') {
      return { op: 'command', name, id, ifMatch, reason, ...said, ...(until && { until }) };
    }
    return { op: 'command', name, id, ifMatch, reason, resultCode, agentId };
  };
}

function settingsTranslations(kind: SettingsKind): Record<string, Translate> {
  return {
    [`versions-${kind}`]: ({ query }) => ({
      op: 'settingsVersions',
      kind,
      limit: query.limit ?? pageItemsDefault,
      cursor: query.cursor,
    }),
    [`get-${kind}`]: ({ query }) => ({ op: 'getSettings', kind, version: query.version }),
    [`put-${kind}`]: ({ body, ifMatch }) => ({ op: 'putSettings', kind, body: body as Buffer, ifMatch }),
  };
}

export function modeOf(query: Query): 'create' | 'upsert' {
  return query.mode?.[0] === 'upsert' ? 'upsert' : 'create';
}

export function isDryRun(query: Query): boolean | undefined {
  return query.dryRun?.[0] === 'true' ? true : undefined;
}

/** A handler for one operation that the engine answers with one reply. Made once a route, not once a request. */
export function engineHandler(operation: Operation, front: Front) {
  const translate = translations[operation.id];
  if (!translate) throw new Error(`operation ${operation.id} has no translation`);
  const names = operation.query ?? [];
  const hasId = operation.path.includes('{id}');
  const forAgent = operation.access === 'iWD.Next.canExecute';
  return async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const asked = readAsked(request, operation, names, hasId);
    if ('rejected' in asked) return sendProblem(reply, asked);
    const key = operation.takesIdempotencyKey ? readIdempotencyKey(request.headers['idempotency-key']) : undefined;
    if (isRejection(key)) return sendProblem(reply, key);
    if (forAgent && isForAnother(request.caller as Caller, asked.body)) return sendProblem(reply, ownWorkOnly);
    const ask = translate(asked, request.caller as Caller);
    if (key !== undefined) ask.idempotencyKey = key;
    return sendReply(front, reply, await askEngine(front, request, ask));
  };
}

/** People take work for themselves; whoever may assign, and every program with a key, may take it for others. */
function isForAnother({ kind, name, privileges }: Caller, body: unknown): boolean {
  if (kind === 'key' || privileges.has('iWD.Workitems.Assign.canExecute')) return false;
  return (body as { agentId: string }).agentId !== name;
}

const ownWorkOnly: Problem = {
  code: 'forbidden',
  detail: 'agentId must be your own name: taking work for others needs the privilege iWD.Workitems.Assign.canExecute.',
  facts: { privilege: 'iWD.Workitems.Assign.canExecute' },
};

/** Asks the engine in the caller's name. */
export function askEngine({ engine }: Front, request: FastifyRequest, ask: EngineRequest): Promise<Reply> {
  const { tenantId, name, from } = request.caller as Caller;
  ask.by = name;
  ask.from = from;
  return engine.request(tenantId, ask);
}

export function sendReply({ gate }: Front, reply: FastifyReply, answer: Reply): FastifyReply {
  // A drain that began meanwhile: the client's next request should go to another server.
  if (gate.draining) reply.header('connection', 'close');
  return isRejection(answer) ? sendProblem(reply, answer) : sendAnswer(reply, answer);
}

/** What the request says, checked by the operation's table entry. */
export function readAsked(
  request: FastifyRequest,
  operation: Operation,
  names: NonNullable<Operation['query']>,
  hasId: boolean,
): Asked | Rejection {
  const query = readQuery(request.query, names);
  if ('rejected' in query) return query;
  const id = hasId ? readId((request.params as { id: string }).id) : '';
  if (id === undefined)
    return reject(
      'not-found',
      operation.path.startsWith('/workitems')
        ? 'There is no work item with this id.'
        : 'There is nothing with this id.',
    );
  const { body } = request;
  if (operation.body?.kind === 'raw' && body === undefined) return reject('invalid-json', 'A body is required here.');
  const asked: Asked = { id, path: request.params as Asked['path'], query, body };
  if (operation.takesIfMatch) {
    const ifMatch = readIfMatch(request.headers['if-match']);
    if (isRejection(ifMatch)) return ifMatch;
    asked.ifMatch = ifMatch;
  }
  return asked;
}

export const jsonMediaType = 'application/json; charset=utf-8';

/** The engine's JSON text goes out as it is. */
function sendAnswer(reply: FastifyReply, answer: Answer): FastifyReply {
  reply.code(answer.status);
  if (answer.replayed) reply.header('idempotency-replayed', 'true');
  if (answer.status === 204) return reply.send();
  if (answer.version !== undefined) reply.header('etag', `"${answer.version}"`);
  if (answer.location !== undefined) reply.header('location', basePath + answer.location);
  if (answer.status === 201 && answer.id !== undefined) reply.header('location', `${basePath}/workitems/${answer.id}`);
  return reply.header('content-type', jsonMediaType).send(answer.json);
}
