import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { UploadFailure, type UploadOptions, uploadBatch } from './upload.js';

interface Seen {
  url: string;
  headers: IncomingHttpHeaders;
  items: { n: number }[];
}
/** What the server does with one request: answers, or cuts the connection. */
type Answer = { status: number; headers?: Record<string, string>; body: unknown } | 'cut';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A real HTTP server that answers by script; the last step repeats. */
async function serve(...steps: ((seen: Seen) => Answer)[]): Promise<{ options: UploadOptions; seen: Seen[] }> {
  const seen: Seen[] = [];
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const items = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    seen.push({ url: request.url!, headers: request.headers, items });
    const answer = steps[Math.min(seen.length, steps.length) - 1]!(seen.at(-1)!);
    if (answer === 'cut') request.socket.destroy();
    else response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/iwd/v3`;
  return { options: { base, apiKey: 'key', mode: 'create', keyed: false }, seen };
}

const created = ({ items }: Seen): Answer => ({
  status: 200,
  body: { results: items.map(({ n }, line) => ({ line, id: `id-${n}`, status: 201 })) },
});
const busy = (): Answer => ({
  status: 503,
  headers: { 'retry-after': '0' },
  body: { code: 'unavailable', detail: 'busy' },
});
const items = [{ n: 0 }, { n: 1 }, { n: 2 }];

test('a batch goes out as NDJSON with the key, and each item gets its result', async () => {
  const { options, seen } = await serve(created);
  const results = await uploadBatch(items, { ...options, mode: 'upsert' });
  assert.deepEqual(
    results.map(({ id, status }) => [id, status]),
    [
      ['id-0', 201],
      ['id-1', 201],
      ['id-2', 201],
    ],
  );
  assert.equal(seen[0]!.url, '/iwd/v3/workitems/bulk?mode=upsert');
  assert.equal(seen[0]!.headers['x-api-key'], 'key');
  assert.equal(seen[0]!.headers['content-type'], 'application/x-ndjson');
});

test('after 503, 429 and a cut connection the same batch is sent again', async () => {
  const tooMany = (): Answer => ({ status: 429, headers: { 'retry-after': '0' }, body: { code: 'too-many-requests' } });
  const { options, seen } = await serve(busy, tooMany, () => 'cut', created);
  const waits: string[] = [];
  const results = await uploadBatch(items, { ...options, onWait: (reason) => waits.push(reason) });
  assert.ok(results.every(({ status }) => status === 201));
  assert.equal(seen.length, 4);
  assert.ok(seen.every(({ items, headers }) => items.length === 3 && headers['idempotency-key'] === undefined));
  assert.equal(waits[0], 'busy');
});

test('only the lines that may still come through are sent again', async () => {
  const partly = (): Answer => ({
    status: 200,
    headers: { 'retry-after': '0' },
    body: {
      results: [
        { status: 201, id: 'a' },
        { status: 503, code: 'unavailable' },
        { status: 400, code: 'invalid-value' },
      ],
    },
  });
  const { options, seen } = await serve(partly, created);
  const results = await uploadBatch(items, options);
  assert.deepEqual(
    results.map(({ status, id }) => [status, id]),
    [
      [201, 'a'],
      [201, 'id-1'],
      [400, undefined],
    ],
  );
  assert.deepEqual(seen[1]!.items, [{ n: 1 }]);
});

test('a server that stays busy is given up after eight attempts', async () => {
  const { options, seen } = await serve(busy);
  await assert.rejects(
    uploadBatch(items, options),
    (error) => error instanceof UploadFailure && /503: busy/.test(error.message),
  );
  assert.equal(seen.length, 8);
});

test('a wrong key or another service is a failure at once', async () => {
  const { options, seen } = await serve(() => ({ status: 401, body: { code: 'unauthorized', detail: 'wrong key' } }));
  await assert.rejects(uploadBatch(items, options), /answered 401: wrong key/);
  assert.equal(seen.length, 1);
  server!.close();
  const other = await serve(() => ({ status: 200, body: { results: [] } }));
  await assert.rejects(uploadBatch(items, other.options), UploadFailure);
});

test('a batch with a key goes again as a whole under the same key, so that its lines keep their numbers', async () => {
  const partly = (): Answer => ({
    status: 200,
    headers: { 'retry-after': '0' },
    body: { results: [{ status: 201, id: 'id-0' }, { status: 503 }, { status: 201, id: 'id-2' }] },
  });
  const { options, seen } = await serve(() => 'cut', partly, created);
  const results = await uploadBatch(items, { ...options, keyed: true });
  assert.deepEqual(
    results.map(({ id }) => id),
    ['id-0', 'id-1', 'id-2'],
  );
  assert.ok(seen.every((one) => one.items.length === 3));
  const keys = new Set(seen.map(({ headers }) => headers['idempotency-key']));
  assert.equal(keys.size, 1);
  assert.ok([...keys][0]);
});
