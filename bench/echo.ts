import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { decodeBody } from '../engine/content.js';
import { parseDraft } from '../engine/draft.js';
import { isRejection } from '../engine/rejection.js';

/**
 * What the front alone could do: a bare Fastify that parses the body, checks it as the engine does and sends it back.
 * No key, no metrics, no thread, no order, no Postgres. Prints its port on the first line.
 */
const server = fastify();
server.removeAllContentTypeParsers();
server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
server.post('/echo', (request, reply) => {
  const bytes = request.body as Buffer;
  const value = decodeBody(bytes);
  const draft = isRejection(value) ? value : parseDraft(value, { now: Date.now() });
  if (isRejection(draft)) return reply.code(400).send(draft);
  return reply.code(201).header('content-type', 'application/json').send(bytes);
});
server.get('/cpu', () => {
  const { user, system } = process.cpuUsage();
  return { seconds: (user + system) / 1e6 };
});
await server.listen({ port: 0, host: '127.0.0.1' });
console.log((server.server.address() as AddressInfo).port);
process.on('SIGTERM', () => process.exit(0));
