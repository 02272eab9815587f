import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import type { Registry } from 'prom-client';
import type { AuditLog } from '../actors/ports/audit-log.js';
import type { Registry as TenantRegistry } from '../actors/ports/tenant-directory.js';
import type { Engine, Simulations } from '../actors/request.js';
import { bulkActionBytesMax, textLengthMax } from '../engine/limits.js';
import type { Tenants } from './api-keys.js';
import { auditHandlers } from './audit-route.js';
import { bulkHandler } from './bulk-route.js';
import { refusalOf } from './caller.js';
import { refuseUnparsed } from './client-error.js';
import { Credentials, type Found } from './credentials.js';
import { exportHandlers } from './export-route.js';
import type { Front, Log } from './front.js';
import { EventLoopDelay, Gate, type LoopDelay } from './gate.js';
import type { Handlers } from './handler.js';
import { requestId } from './header.js';
import { HttpMetrics } from './http-metrics.js';
import { importHandlers } from './import-route.js';
import { openHandlers } from './open-route.js';
import { type Operation, operations, urlsOf } from './operation.js';
import { People, type PeopleOptions } from './people.js';
import { peopleHandlers } from './people-route.js';
import { type Problem, pathOf, sendProblem } from './problem.js';
import { RateLimiter, type TenantLimits } from './rate-limit.js';
import { allowedMethods, problemOf } from './refusal.js';
import { registryHandlers } from './registry-route.js';
import { engineHandler } from './route.js';
import { sessionHandlers } from './session-route.js';
import { type ApiSettings, apiDefaults, commandBytesMax, settingsBytesMax } from './settings.js';
import { settingsHandlers } from './settings-route.js';
import { shapes } from './shape.js';
import { parseSmallBody, schemaProblem } from './small-body.js';
import { subjectHandlers } from './subject-route.js';
import { whatIfHandlers } from './what-if-route.js';
import { YamlPool } from './yaml-pool.js';

export interface ServerOptions {
  engine: Engine;
  clusterAudit?: AuditLog;
  tenants: Tenants;
  simulations?: Simulations;
  /** People who sign in; without it there are only keys. */
  people?: PeopleOptions;
  /** Without it nothing can be provisioned. */
  tenantRegistry?: TenantRegistry;
  /** The tenants' quotas and loads; without it nobody is held. */
  limits?: TenantLimits;
  settings?: Partial<ApiSettings>;
  /** Gets one line a request: debug, or warn for slow and failed ones. Without it nothing is logged. */
  logger?: Log;
  /** Other metrics of this thread; ours are added. */
  registry?: Registry;
  loop?: LoopDelay;
}

/** The HTTP front, not yet listening. `close()` ends everything that it started. */
export function buildServer(options: ServerOptions): FastifyInstance {
  const settings = { ...apiDefaults, ...options.settings };
  const loop = options.loop ?? new EventLoopDelay();
  const gate = new Gate(settings, loop);
  const metrics = new HttpMetrics(gate, settings.slowMs, options.registry);
  const { engine, limits, tenants, simulations, logger, clusterAudit, tenantRegistry: registry } = options;
  const yaml = new YamlPool();
  const people = options.people && new People(options.people, () => metrics.refuseLockedOut());
  const shared = { settings, gate, metrics, yaml, logger };
  const front: Front = { ...shared, engine, limits, clusterAudit, tenants, people, simulations, registry };
  const server = fastify(fastifyOptions(front));
  server.server.maxConnections = settings.connectionsMax;
  server.removeAllContentTypeParsers();
  server.decorateRequest('caller', null);
  server.decorateRequest('isCounted', false);
  server.decorate('drain', () => gate.drain());
  server.setErrorHandler((error: FastifyError, request, reply) => sendProblem(reply, problemOf(error, request, front)));
  server.setNotFoundHandler(refuseUnknown);
  addHooks(server, front);
  server.addHook('onRoute', requireOperation);
  for (const operation of operations) register(server, operation, front);
  server.addHook('onClose', async () => {
    people?.stop();
    if (loop instanceof EventLoopDelay) loop.stop();
    await front.yaml.close();
  });
  return server;
}

function fastifyOptions(front: Front) {
  const { settings } = front;
  return {
    // Fastify's own logger would make a child logger for every request; `onResponse` writes our line instead.
    logger: false as const,
    genReqId: requestId,
    requestIdHeader: false as const,
    exposeHeadRoutes: false,
    // The gate refuses while draining; requests that Fastify lets in until its `close` are served.
    return503OnClosing: false,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: settings.keepAliveTimeoutMs,
    http: {
      headersTimeout: Math.min(settings.headersTimeoutMs, settings.requestTimeoutMs),
      connectionsCheckingInterval: settings.connectionsCheckMs,
      maxHeaderSize: settings.headerBytesMax,
      // Node would refuse without a body; the hook refuses with a problem.
      requireHostHeader: false,
    },
    // A person's id as a source gives it, each character three bytes in percent-encoding.
    routerOptions: { maxParamLength: textLengthMax * 9 },
    bodyLimit: settings.itemBytesMax,
    ...(settings.trustedProxies !== undefined && { trustProxy: settings.trustedProxies }),
    ajv: {
      customOptions: {
        coerceTypes: false as const,
        removeAdditional: false as const,
        useDefaults: false,
        allErrors: true,
      },
    },
    schemaErrorFormatter: schemaProblem,
    clientErrorHandler: refuseUnparsed,
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      // Refused before any hook runs.
      addCommonHeaders(request, reply);
      sendProblem(reply, problemOf(error, request, front));
    },
  };
}

/** Each operation has its own scope, for each has its own media types. */
function register(server: FastifyInstance, operation: Operation, front: Front): void {
  const handler = handlerOf(operation, front);
  void server.register(async (scope) => {
    addParsers(scope, operation);
    const { body } = operation;
    for (const url of urlsOf(operation)) {
      scope.route({
        method: operation.method,
        url: url.replace(/\{(\w+)\}/g, ':$1'),
        config: { operation },
        bodyLimit: bodyLimit(operation, front.settings),
        ...(body?.kind === 'small' && { schema: { body: shapes[Object.values(body.content)[0]!] } }),
        ...(body?.kind === 'small' && { preValidation: fillBody }),
        handler,
      });
    }
  });
}

/** What the front answers itself; everything else goes to the engine. */
const frontHandlers: Handlers = {
  ...openHandlers,
  ...sessionHandlers,
  ...peopleHandlers,
  ...auditHandlers,
  ...exportHandlers,
  ...importHandlers,
  ...subjectHandlers,
  ...registryHandlers,
  ...settingsHandlers,
  ...whatIfHandlers,
};

/** A route that is not in the table would be one that nobody has to sign in for. */
function requireOperation({ method, url, config }: RouteOptions): void {
  if (!config?.operation)
    throw new Error(`${String(method)} ${url} belongs to no operation, so nobody knows who may call it`);
}

function handlerOf(operation: Operation, front: Front) {
  const own = frontHandlers[operation.id];
  if (own) return own(front, operation);
  if (operation.body?.kind === 'stream') return bulkHandler(operation, front);
  return engineHandler(operation, front);
}

function bodyLimit(operation: Operation, settings: ApiSettings): number {
  if (operation.body?.kind === 'small') return commandBytesMax;
  if (operation.id === 'start-bulk-action') return bulkActionBytesMax;
  return isDocument(operation) ? settingsBytesMax : settings.itemBytesMax;
}

/** A settings document, or several. */
function isDocument({ id }: Operation): boolean {
  return id.startsWith('put-') || id === 'import-settings' || id === 'what-if';
}

function addParsers(scope: FastifyInstance, { body }: Operation): void {
  if (!body) return;
  const types = Object.keys(body.content);
  if (body.kind === 'stream') scope.addContentTypeParser(types, (_request, payload, done) => done(null, payload));
  else if (body.kind === 'small') scope.addContentTypeParser(types, { parseAs: 'buffer' }, parseSmallBody);
  else scope.addContentTypeParser(types, { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
}

/** No body is as good as an empty object; where a field is required, that is what the answer then says. */
function fillBody(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  if (request.body === undefined) request.body = {};
  done();
}

function addCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-content-type-options', 'nosniff');
  reply.header('cache-control', 'no-store');
  reply.header('x-request-id', request.id);
}

function addHooks(server: FastifyInstance, front: Front): void {
  const { gate, limits, tenants, people, metrics, settings, logger } = front;
  const credentials = new Credentials(tenants, people, () => metrics.refuseLockedOut());
  const rates = new RateLimiter();
  server.addHook('onRequest', (request, reply, done) => {
    addCommonHeaders(request, reply);
    if (gate.draining) reply.header('connection', 'close');
    if (request.headers.host === undefined && request.raw.httpVersionMinor === 1)
      return void sendProblem(reply, noHost);
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      // Its body is not read.
      reply.header('connection', 'close');
      return void sendProblem(reply, compressed);
    }
    const { operation } = request.routeOptions.config;
    if (!operation || operation.service) return done();
    if (operation.access === 'open') return answer(admit(request, reply, operation));
    const found = credentials.of(request);
    // Keys, which nearly all requests have, are found at once and cost no turn of the loop.
    if (!(found instanceof Promise)) return answer(authorize(request, reply, operation, found));
    found.then((one) => answer(authorize(request, reply, operation, one)), done);

    function answer(problem: Problem | undefined): void {
      if (problem) sendProblem(reply, problem);
      else done();
    }
  });

  /** The only place that decides who gets in. */
  function authorize(
    request: FastifyRequest,
    reply: FastifyReply,
    operation: Operation,
    found: Found,
  ): Problem | undefined {
    if ('code' in found) return found;
    request.caller = { ...found, from: request.ip };
    return (
      refusalOf(found, operation.access) ?? limit(request, reply, found.tenantId) ?? admit(request, reply, operation)
    );
  }

  /** Before the body is read: what is refused here costs as little as it can. */
  function limit({ headers }: FastifyRequest, reply: FastifyReply, tenantId: string): Problem | undefined {
    if (limits === undefined) return undefined;
    const { fields, problem } = rates.admit(
      tenantId,
      limits.quotasOf(tenantId),
      Number(headers['content-length'] ?? 0),
    );
    if (fields !== undefined) reply.headers(fields);
    return problem ?? overloadOf(limits.overloadMs(tenantId));
  }

  function admit(request: FastifyRequest, reply: FastifyReply, operation: Operation): Problem | undefined {
    // Gone while its session was looked up: `close` has been, and will not come again.
    if (reply.raw.destroyed) return gone;
    const bulk = operation.body?.kind === 'stream';
    const problem = gate.admit(bulk);
    // `close` comes once for every response, also for one whose client has gone.
    if (!problem) reply.raw.on('close', () => leave(request, bulk));
    return problem;
  }

  function leave(request: FastifyRequest, bulk: boolean): void {
    gate.leave(bulk);
    if (request.isCounted) return;
    request.isCounted = true;
    metrics.close(request.method, request.routeOptions.url ?? 'none');
  }

  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const ms = reply.elapsedTime;
    if (!request.isCounted) {
      request.isCounted = true;
      metrics.observe(request.method, route, reply.statusCode, request.caller?.tenantId ?? '', ms);
    }
    if (logger) {
      // A probe that hears 503 has its answer; it comes every second while a server starts.
      const isProbe = request.caller === null && reply.statusCode === 503;
      const level = (reply.statusCode >= 500 && !isProbe) || ms > settings.slowMs ? 'warn' : 'debug';
      const tenantId = request.caller?.tenantId;
      logger[level](
        { requestId: request.id, tenantId, method: request.method, route, status: reply.statusCode, ms },
        'request',
      );
    }
    done();
  });
}

/** A small body may unpack to any size: nobody needs that here. */
const compressed: Problem = { code: 'unsupported-media-type', detail: 'Send the body without a Content-Encoding.' };

/** What the tenant's actor said to another request a moment ago. */
function overloadOf(ms: number): Problem | undefined {
  if (ms <= 0) return undefined;
  return {
    code: 'too-many-requests',
    detail: 'More waits for this tenant than it can do in time; nothing was done, try again.',
    retryAfterSeconds: ms / 1000,
  };
}

const gone: Problem = { code: 'bad-request', detail: 'The client has gone.' };

const noHost: Problem = { code: 'bad-request', detail: 'An HTTP/1.1 request needs a Host header.' };

function refuseUnknown(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const methods = allowedMethods(pathOf(request.url));
  if (methods.length === 0) return sendProblem(reply, { code: 'not-found', detail: 'There is no such path here.' });
  reply.header('allow', methods.join(', '));
  return sendProblem(reply, { code: 'method-not-allowed', detail: `Allowed here: ${methods.join(', ')}.` });
}
