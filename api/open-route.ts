import { hash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { docsPage, docsPolicy } from './docs-page.js';
import type { Front } from './front.js';
import type { Handlers } from './handler.js';
import { openApiDocument } from './openapi.js';
import { sendProblem } from './problem.js';

/** Health and documents: no key, no gate, so that they answer while everything else is refused. */
export const openHandlers: Handlers = {
  livez: () => (_request, reply) => reply.send({ status: 'alive' }),
  readyz: (front) => async (_request, reply) => {
    const state = await readiness(front);
    return reply.code(state.status === 'ready' ? 200 : 503).send(state);
  },
  healthz: (front) => async (_request, reply) => {
    const state = await readiness(front);
    return reply.send({ ...state, inFlight: front.gate.inFlight, uptimeSeconds: Math.floor(process.uptime()) });
  },
  metrics: (front) => async (request, reply) => {
    if (!mayScrape(request, front.settings.metricsToken)) {
      return sendProblem(reply, { code: 'unauthorized', detail: 'Send the metrics token as a bearer token.' });
    }
    const text = await front.metrics.text(await front.engine.metrics());
    return reply.type(front.metrics.registry.contentType).send(text);
  },
  'openapi.json': () => {
    const text = JSON.stringify(openApiDocument());
    return (_request, reply) => reply.type('application/json; charset=utf-8').send(text);
  },
  docs: () => (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', docsPolicy).send(docsPage),
};

/** How many tenants are in which state; their names are nobody's business without a key. */
async function readiness({ engine, gate }: Front): Promise<{ status: string; tenants: Record<string, number> }> {
  const { ready, tenants } = await engine.ready();
  const counts: Record<string, number> = {};
  for (const state of Object.values(tenants)) counts[state] = (counts[state] ?? 0) + 1;
  return { status: gate.draining ? 'draining' : ready ? 'ready' : 'not-ready', tenants: counts };
}

function mayScrape(request: FastifyRequest, token: string | undefined): boolean {
  if (token === undefined) return true;
  const digest = (text: string) => hash('sha256', text, 'buffer');
  return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${token}`));
}
