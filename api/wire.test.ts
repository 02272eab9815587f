import assert from 'node:assert/strict';
import { type AddressInfo, connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import type { Reply } from '../actors/request.js';
import { apiKeys } from './api-keys.js';
import { itemId, plainReply, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

/** What only a real socket shows: Node's parser, its time-outs, and connections that end. */
const engine = new ScriptedEngine();
const settings = { bulkBytesMax: 700_000, bulkItemsMax: 5000 };
const tenants = apiKeys([{ key: 'k', tenantId: 'acme', name: 'crm' }]);
const server = buildServer({ engine, tenants, settings, loop: { p99Ms: () => 0 } });
/** For the time-outs only: on a busy machine 400 ms are not enough for everything else. */
const impatience = { requestTimeoutMs: 400, headersTimeoutMs: 200, connectionsCheckMs: 50 };
const impatient = buildServer({ engine, tenants, settings: impatience, loop: { p99Ms: () => 0 } });

before(async () => {
  await server.listen({ port: 0, host: '127.0.0.1' });
  await impatient.listen({ port: 0, host: '127.0.0.1' });
});
after(() => Promise.all([server.close(), impatient.close()]));
beforeEach(() => {
  engine.asked.length = 0;
  engine.reply = plainReply;
});

/** Sends the bytes and answers all that comes back until the server hangs up. */
function exchange(...parts: (string | Buffer)[]): Promise<string> {
  return exchangeWith(server, parts);
}

function portOf(one: typeof server): number {
  return (one.server.address() as AddressInfo).port;
}

function exchangeWith(to: typeof server, parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(portOf(to), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    for (const part of parts) socket.write(part);
  });
}

function problemIn(answer: string): { status: number; code: string; head: string; [fact: string]: unknown } {
  const [head, body] = answer.split('\r\n\r\n') as [string, string];
  assert.match(head, /^HTTP\/1\.1 \d{3} /, `no HTTP answer in ${JSON.stringify(answer)}`);
  assert.match(head, /content-type: application\/problem\+json/i);
  const problem = JSON.parse(body) as { status: number; code: string };
  assert.equal(Number(head.split(' ')[1]), problem.status);
  return { ...problem, head };
}

const post = (path: string, ...headers: string[]) =>
  [
    `POST /iwd/v3${path} HTTP/1.1`,
    'Host: x',
    'x-api-key: k',
    'Content-Type: application/json',
    ...headers,
    '',
    '',
  ].join('\r\n');

test('what could smuggle a second request is refused with a problem and the connection closed', async () => {
  const cases = {
    'Content-Length and Transfer-Encoding': `${post('/workitems', 'Content-Length: 2', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'an unknown Transfer-Encoding': `${post('/workitems', 'Transfer-Encoding: xchunked')}{}`,
    'two Content-Lengths': `${post('/workitems', 'Content-Length: 2', 'Content-Length: 3')}{}`,
    'a space before the colon': `${post('/workitems', 'Content-Length : 2')}{}`,
    'a bad chunk size': `${post('/workitems', 'Transfer-Encoding: chunked')}zz\r\n{}\r\n0\r\n\r\n`,
    'a negative length': `${post('/workitems', 'Content-Length: -2')}{}`,
    'no HTTP at all': 'hello\r\n\r\n',
    'a NUL in a header': `${post('/workitems', 'X-A: a\0b', 'Content-Length: 2')}{}`,
  };
  for (const [name, bytes] of Object.entries(cases)) {
    const { status, code, head } = problemIn(await exchange(bytes));
    assert.deepEqual([status, code], [400, 'bad-request'], name);
    assert.match(head, /connection: close/i, name);
  }
  assert.equal(engine.asked.length, 0);
});

test('a request without Host is refused', async () => {
  const answer = await exchange('GET /iwd/v3/queue HTTP/1.1\r\nx-api-key: k\r\nConnection: close\r\n\r\n');
  assert.deepEqual(problemIn(answer).code, 'bad-request');
  assert.equal(engine.asked.length, 0);
});

test('20 KB of headers are 431 with a problem', async () => {
  const { status, code } = problemIn(await exchange(post('/workitems', `X-Large: ${'x'.repeat(20_000)}`)));
  assert.deepEqual([status, code], [431, 'headers-too-large']);
});

test('headers that do not end in time are 408', async () => {
  const { status, code } = problemIn(await exchangeWith(impatient, ['GET /iwd/v3/queue HTTP/1.1\r\nHost: x\r\n']));
  assert.deepEqual([status, code], [408, 'request-timeout']);
});

test('a body that does not end in time is 408, single or bulk, and leaves nothing in flight', async () => {
  for (const path of ['/workitems', '/workitems/bulk']) {
    const { status, code } = problemIn(await exchangeWith(impatient, [`${post(path, 'Content-Length: 100')}[{"a":`]));
    assert.deepEqual([status, code], [408, 'request-timeout'], path);
  }
  assert.equal(engine.asked.length, 0);
  assert.match(await metric('iwd_http_requests_in_flight'), / 0$/);
});

test('a client that goes away before its answer frees its place', async () => {
  const arrived = signal();
  const answer = signal<Reply>();
  engine.reply = () => {
    arrived.fire(undefined);
    return answer.promise;
  };
  const socket = connect(portOf(server), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`GET /iwd/v3/workitems/${itemId} HTTP/1.1\r\nHost: x\r\nx-api-key: k\r\n\r\n`);
  await arrived.promise;
  assert.match(await metric('iwd_http_requests_in_flight'), / 1$/);
  const closed = 'iwd_api_request_closed{method="GET",path="/iwd/v3/workitems/:id"}';
  const requests = () => metric('iwd_request_total').then((line) => Number(line.split(' ')[1]));
  assert.equal(await metric(closed), '');
  const before = await requests();
  socket.destroy();
  for (let turn = 0; turn < 1000 && !/ 0$/.test(await metric('iwd_http_requests_in_flight')); turn++);
  assert.match(await metric('iwd_http_requests_in_flight'), / 0$/);
  answer.fire({ status: 200, json: '{}' });
  assert.match(await metric(closed), / 1$/);
  assert.ok((await requests()) > before);
  assert.equal(await metric('iwd_api_request_total{method="GET",path="/iwd/v3/workitems/:id",code="200"'), '');
});

test('a bulk body in many small pieces is answered line by line, in order', async () => {
  const lines = Array.from({ length: 1200 }, (_, n) => JSON.stringify({ n, pad: 'x'.repeat(n % 700) }));
  const body = Buffer.from(`[${lines.join(' ,\n')}]`);
  const chunks = Array.from({ length: Math.ceil(body.length / 1013) }, (_, index) =>
    body.subarray(index * 1013, (index + 1) * 1013),
  );
  const answer = await exchange(
    post('/workitems/bulk', 'Transfer-Encoding: chunked', 'Connection: close'),
    ...chunks.flatMap((chunk) => [`${chunk.length.toString(16)}\r\n`, chunk, '\r\n']),
    '0\r\n\r\n',
  );
  const tally = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as Tally;
  assert.deepEqual([tally.accepted, tally.rejected], [1200, 0]);
  assert.deepEqual(
    tally.results.map(({ line, n }) => [line, n]),
    lines.map((_, n) => [n, n]),
  );
  assert.ok(engine.asked.length > 1, 'more than one slice');
});

test('a bulk body whose declared length is too large is refused before any of it is read', async () => {
  const { status, code } = problemIn(await exchange(post('/workitems/bulk', 'Content-Length: 700001')));
  assert.deepEqual([status, code], [413, 'too-large']);
  assert.equal(engine.asked.length, 0);
});

test('a bulk stream that turns out too long answers 413 with what was accepted until then', async () => {
  const line = `${JSON.stringify({ pad: 'x'.repeat(990) })}\n`;
  const chunk = `${(line.length * 100).toString(16)}\r\n${line.repeat(100)}\r\n`;
  const head = post('/workitems/bulk', 'Transfer-Encoding: chunked', 'Connection: close').replace(
    'application/json',
    'application/x-ndjson',
  );
  const problem = problemIn(await exchange(head, ...Array(9).fill(chunk), '0\r\n\r\n'));
  assert.deepEqual([problem.status, problem.code], [413, 'too-large']);
  const { accepted, rejected, results } = problem as unknown as Tally;
  assert.ok(accepted > 0 && accepted <= 700, String(accepted));
  assert.deepEqual([rejected, results.length], [0, accepted]);
  const sent = engine.asked.map(({ request }) => (request.op === 'createMany' ? lineCount(request.body) : 0));
  assert.equal(
    sent.reduce((sum, count) => sum + count, 0),
    accepted,
  );
});

test('a bulk stream without an end is cut off', async () => {
  const chunk = Buffer.from(`10000\r\n${'{}\n'.padEnd(0x10000, ' ')}\r\n`);
  const head = post('/workitems/bulk', 'Transfer-Encoding: chunked').replace(
    'application/json',
    'application/x-ndjson',
  );
  const answer = await exchange(head, ...Array(60).fill(chunk));
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /connection: close/i);
});

test('an engine that is slow holds the client back: at most four slices are with it, and the rest is not read', async () => {
  const four = signal();
  const release = signal();
  let open = 0;
  let openMax = 0;
  engine.reply = async (request) => {
    open += 1;
    openMax = Math.max(openMax, open);
    if (open === 4) four.fire(undefined);
    await release.promise;
    open -= 1;
    return plainReply(request);
  };
  const line = `${JSON.stringify({ pad: 'x'.repeat(110) })}\n`;
  const body = Buffer.from(line.repeat(5000));
  const head = post('/workitems/bulk', `Content-Length: ${body.length}`, 'Connection: close').replace(
    'application/json',
    'application/jsonl',
  );
  const answer = exchange(head, body);
  await four.promise;
  for (let turn = 0; turn < 20; turn++) await metric('iwd_http_requests_in_flight');
  assert.equal(engine.asked.length, 4);
  release.fire(undefined);
  assert.match(await answer, /"accepted":5000,"rejected":0/);
  assert.deepEqual([engine.asked.length, openMax], [10, 4]);
});

test('while draining, work in flight ends well, new work is refused with Connection: close, and readyz says so', async () => {
  const own = buildServer({ engine, tenants, loop: { p99Ms: () => 0 } });
  const url = await own.listen({ port: 0, host: '127.0.0.1' });
  const arrived = signal();
  const answer = signal<Reply>();
  engine.reply = () => {
    arrived.fire(undefined);
    return answer.promise;
  };
  const headers = { 'x-api-key': 'k' };
  const inFlight = fetch(`${url}/iwd/v3/queue`, { headers });
  await arrived.promise;
  let drained = false;
  const drain = own.drain().then(() => {
    drained = true;
  });
  const refused = await fetch(`${url}/iwd/v3/queue`, { headers });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('connection'), 'close');
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal(((await refused.json()) as { code: string }).code, 'draining');
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  assert.equal(drained, false);
  answer.fire({ status: 200, json: '{"items":[]}' });
  const response = await inFlight;
  assert.deepEqual([response.status, await response.json()], [200, { items: [] }]);
  assert.equal(response.headers.get('connection'), 'close');
  await drain;
  await own.close();
});

interface Tally {
  accepted: number;
  rejected: number;
  results: { line: number; n: number }[];
}

function lineCount(body: Uint8Array): number {
  return Buffer.from(body).toString().split('\n').filter(Boolean).length;
}

async function metric(name: string): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${portOf(server)}/metrics`)).text();
  return text.split('\n').find((line) => line.startsWith(name)) ?? '';
}

function signal<T = undefined>(): { promise: Promise<T>; fire(value: T): void } {
  let fire: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    fire = resolve;
  });
  return { promise, fire };
}
