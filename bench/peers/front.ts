import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fastify } from 'fastify';
import { decodeBody } from '../../engine/content.js';
import { parseDraft } from '../../engine/draft.js';
import { isRejection, type Rejection } from '../../engine/rejection.js';
import { openBullmq } from './bullmq.js';
import { openGraphileWorker } from './graphile-worker.js';
import type { OpenPeer, PeerItem } from './peer.js';
import { openPgBoss } from './pg-boss.js';

/**
 * A peer behind the front that we have: Fastify, bodies as bytes, each item checked by the engine's own parser, answers
 * of the same form. No key, no metrics, no rules, no order that depends on time. Arguments: the peer and its store's
 * URL; prints its port on the first line.
 */
const peers: Record<string, OpenPeer> = { bullmq: openBullmq, pgboss: openPgBoss, graphile: openGraphileWorker };
const lagResolutionMs = 10;
/** The generator expects ids as long as ours. */
const idLength = 36;

const [name = '', url = ''] = process.argv.slice(2);
const open = peers[name];
if (open === undefined) throw new Error(`there is no peer "${name}"; there are ${Object.keys(peers).join(', ')}`);
const peer = await open(url);
const lag = monitorEventLoopDelay({ resolution: lagResolutionMs });
lag.enable();

const server = fastify();
server.removeAllContentTypeParsers();
server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));

server.post('/iwd/v3/workitems', async (request, reply) => {
  const item = itemOf(decodeBody(request.body as Buffer));
  if (isRejection(item)) return reply.code(400).send(item);
  await peer.add([item]);
  return reply.code(201).header('content-type', 'application/json').send(request.body);
});

server.post('/iwd/v3/workitems/bulk', { bodyLimit: 32 * 1024 * 1024 }, async (request, reply) => {
  const values = decodeBody(request.body as Buffer);
  if (!Array.isArray(values)) return reply.code(400).send();
  const items = values.map(itemOf);
  const accepted = items.filter((item): item is PeerItem => !isRejection(item));
  await peer.add(accepted);
  return reply.send({ accepted: accepted.length, refused: items.length - accepted.length });
});

server.post('/iwd/v3/workitems/next', async (_request, reply) => {
  const job = await peer.take();
  if (job === undefined) return reply.code(204).send();
  return reply.send({ id: job.id.padStart(idLength, '0'), item: job.data });
});

server.post<{ Params: { id: string } }>('/iwd/v3/workitems/:id/complete', async (request, reply) => {
  const { id } = request.params;
  const isUuid = id.includes('-');
  const found = await peer.complete(isUuid ? id : id.replace(/^0+/, ''));
  return reply.code(found ? 200 : 404).send({ id });
});

server.get('/look', () => {
  const { user, system } = process.cpuUsage();
  const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - lagResolutionMs);
  const seen = { cpuSeconds: (user + system) / 1e6, lagP99Ms: ms(lag.percentile(99)), lagMaxMs: ms(lag.max) };
  lag.reset();
  return seen;
});

await server.listen({ port: 0, host: '127.0.0.1' });
console.log((server.server.address() as AddressInfo).port);
process.on('SIGTERM', () => process.exit(0));

function itemOf(value: unknown): PeerItem | Rejection {
  const draft = isRejection(value) ? value : parseDraft(value, { now: Date.now() });
  return isRejection(draft) ? draft : { data: value as object, priority: draft.businessValue ?? 0 };
}
