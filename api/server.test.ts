import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import type { InjectOptions } from 'fastify';
import type { Reply, Request } from '../actors/request.js';
import { itemCommands } from '../engine/command.js';
import { reject } from '../engine/rejection.js';
import { apiKeys } from './api-keys.js';
import { itemId, plainReply, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

const engine = new ScriptedEngine();
const tenants = apiKeys([
  { key: 'key-of-acme', tenantId: 'acme', name: 'crm' },
  { key: 'key-of-umbrella', tenantId: 'umbrella', name: 'erp' },
  { key: 'key-of-mart', tenantId: 'acme', name: 'mart', scope: 'datamart' },
  { key: 'key-of-cluster', tenantId: '', name: 'operator', scope: 'cluster' },
]);
const loop = { p99Ms: () => 0 };
const server = buildServer({ engine, tenants, loop });
const path = `/iwd/v3/workitems/${itemId}`;

after(() => server.close());
beforeEach(() => {
  engine.asked.length = 0;
  engine.reply = plainReply;
});

function ask(method: InjectOptions['method'], url: string, payload?: unknown, headers: Record<string, string> = {}) {
  const content: Record<string, string> = payload === undefined ? {} : { 'content-type': 'application/json' };
  const body = typeof payload === 'object' && !Buffer.isBuffer(payload) ? JSON.stringify(payload) : payload;
  return server.inject({
    method,
    url,
    headers: { 'x-api-key': 'key-of-acme', ...content, ...headers },
    ...(body !== undefined && { payload: body as string | Buffer }),
  } as InjectOptions);
}

type Response = Awaited<ReturnType<typeof ask>>;

/** A problem document with everything that RFC 9457 and our clients count on. */
function assertProblem(response: Response, status: number, code: string): Record<string, unknown> {
  assert.equal(response.statusCode, status, response.body);
  assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
  const problem = response.json() as Record<string, unknown>;
  assert.equal(problem.code, code, response.body);
  assert.equal(problem.status, status);
  assert.equal(problem.type, `urn:iwd:problem:${code}`);
  for (const member of ['title', 'detail', 'instance']) assert.equal(typeof problem[member], 'string');
  return problem;
}

test('a created item goes to the engine as the bytes that came and comes back as the text that the engine gave', async () => {
  const text = '{ "captureId": "a",\n "attributes": {} }';
  const response = await ask('POST', '/iwd/v3/workitems', text);
  assert.equal(response.statusCode, 201);
  assert.equal(response.body, `{"id":"${itemId}"}`);
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(response.headers.etag, '"1"');
  assert.equal(response.headers.location, path);
  const { tenantId, request } = engine.asked[0]!;
  assert.equal(tenantId, 'acme');
  assert.ok(request.op === 'create' && request.mode === 'create' && request.by === 'crm' && !request.dryRun);
  assert.equal(Buffer.from(request.body).toString(), text);
});

test('mode, dryRun and Idempotency-Key of a create reach the engine, and a replay says so', async () => {
  engine.reply = () => ({ status: 200, json: '{}', version: 3, replayed: true });
  const response = await ask('POST', '/iwd/v3/workitems?mode=upsert&dryRun=true', {}, { 'idempotency-key': 'k 1' });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['idempotency-replayed'], 'true');
  assert.equal(response.headers.etag, '"3"');
  assert.equal(response.headers.location, undefined);
  const { last } = engine;
  assert.ok(last.op === 'create' && last.mode === 'upsert' && last.dryRun === true && last.idempotencyKey === 'k 1');
});

test('a patch passes its bytes and the version of If-Match, in both media types', async () => {
  for (const type of ['application/merge-patch+json', 'application/json; charset=utf-8']) {
    const response = await ask('PATCH', path, '{"a":null}', { 'content-type': type, 'if-match': '"12"' });
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers.etag, '"7"');
    const { last } = engine;
    assert.ok(last.op === 'update' && last.id === itemId && last.ifMatch === 12);
    assert.equal(Buffer.from(last.body).toString(), '{"a":null}');
  }
});

test('every command of an item reaches the engine with its fields', async () => {
  const bodies: Record<string, Record<string, unknown>> = {
    assign: { agentId: 'agent-7' },
    reprioritize: { priority: 5000, until: '2026-12-01T00:00:00Z', reason: 'why' },
    move: { category: 'noise/street' },
  };
  for (const name of itemCommands.filter((one) => one !== 'delete')) {
    const body = bodies[name];
    const response = await ask('POST', `${path}/${name}`, body, { 'if-match': '*' });
    assert.equal(response.statusCode, 200, name);
    assert.equal(response.headers.etag, '"7"');
    const { last } = engine;
    assert.ok(last.op === 'command' && last.name === name && last.id === itemId && last.ifMatch === undefined);
    for (const [field, value] of Object.entries(body ?? {})) assert.equal(last[field as 'reason'], value);
  }
  for (const name of ['cancel', 'complete', 'reject']) {
    await ask('POST', `${path}/${name}`, { resultCode: 'R', reason: 'because' }, { 'idempotency-key': 'k' });
    const { last } = engine;
    assert.ok(
      last.op === 'command' && last.resultCode === 'R' && last.reason === 'because' && last.idempotencyKey === 'k',
    );
  }
  await ask('POST', `${path}/hold`, { reason: 'lunch' });
  assert.ok(engine.last.op === 'command' && engine.last.reason === 'lunch');
});

test('a delete reaches the engine with its version and key, and is answered without a body', async () => {
  engine.reply = () => ({ status: 204, replayed: true });
  const response = await ask('DELETE', path, undefined, { 'if-match': '"3"', 'idempotency-key': 'k' });
  assert.deepEqual([response.statusCode, response.body, response.headers['idempotency-replayed']], [204, '', 'true']);
  const { last } = engine;
  assert.ok(last.op === 'command' && last.name === 'delete' && last.ifMatch === 3 && last.idempotencyKey === 'k');
});

test('a priority that is no number, or too large, is refused before the engine hears of it; null is fine', async () => {
  for (const body of [
    {},
    { priority: 'high' },
    { priority: 1e10 },
    { priority: 1, until: 'soon' },
    { priority: 1, by: 'x' },
  ]) {
    assertProblem(
      await ask('POST', `${path}/reprioritize`, body),
      400,
      body.priority === undefined ? 'missing-field' : 'by' in body ? 'unknown-field' : 'invalid-value',
    );
  }
  assert.equal(engine.asked.length, 0);
  assert.equal((await ask('POST', `${path}/reprioritize`, { priority: null, until: null })).statusCode, 200);
  assert.ok(engine.last.op === 'command' && engine.last.priority === null && engine.last.until === undefined);
});

test('an id in capitals names the same item', async () => {
  await ask('GET', path.toUpperCase().replace('/IWD/V3/WORKITEMS', '/iwd/v3/workitems'));
  assert.ok(engine.last.op === 'get' && engine.last.id === itemId);
});

test('next answers the item, or 204 without a body', async () => {
  const found = await ask('POST', '/iwd/v3/workitems/next', { agentId: 'agent-7' });
  assert.deepEqual([found.statusCode, found.headers.etag], [200, '"7"']);
  assert.ok(engine.last.op === 'next' && engine.last.agentId === 'agent-7');
  engine.reply = () => ({ status: 204 });
  const none = await ask('POST', '/iwd/v3/workitems/next', { agentId: 'agent-7' });
  assert.deepEqual([none.statusCode, none.body, none.headers['content-type']], [204, '', undefined]);
});

test('reads reach the engine with their query, checked and with defaults', async () => {
  const cases: [string, Partial<Request>][] = [
    [path, { op: 'get', id: itemId }],
    [`${path}/history?limit=7&cursor=c`, { op: 'history', id: itemId, limit: 7, cursor: 'c' }],
    [`${path}/explain`, { op: 'explain', id: itemId }],
    ['/iwd/v3/queue', { op: 'queue', limit: 50 }],
    ['/iwd/v3/queue?limit=1000', { op: 'queue', limit: 1000 }],
    ['/iwd/v3/workitems?captureId=a%2Fb', { op: 'list', captureId: 'a/b', limit: 50 }],
    ['/iwd/v3/workitems?status=held,queued&status=new', { op: 'list', statuses: ['held', 'queued', 'new'], limit: 50 }],
    [
      '/iwd/v3/workitems?category=noise/street&cursor=x',
      { op: 'list', category: 'noise/street', limit: 50, cursor: 'x' },
    ],
    ['/iwd/v3/settings/categories', { op: 'getSettings', kind: 'categories' }],
    ['/iwd/v3/settings/prioritization?version=3', { op: 'getSettings', kind: 'prioritization', version: 3 }],
  ];
  for (const [url, expected] of cases) {
    const response = await ask('GET', url);
    assert.equal(response.statusCode, 200, url);
    assert.deepEqual(JSON.parse(JSON.stringify(engine.last)), { ...expected, by: 'crm', from: '127.0.0.1' }, url);
  }
});

test('settings are put as bytes with If-Match and answered with an ETag', async () => {
  const response = await ask('PUT', '/iwd/v3/settings/categories', { categories: [] }, { 'if-match': '"3"' });
  assert.deepEqual([response.statusCode, response.headers.etag], [200, '"4"']);
  const { last } = engine;
  assert.ok(last.op === 'putSettings' && last.kind === 'categories' && last.ifMatch === 3);
  assert.equal(Buffer.from(last.body).toString(), '{"categories":[]}');
});

test('the tenant comes from the key alone, and without a valid key nothing reaches the engine', async () => {
  await ask('GET', '/iwd/v3/queue', undefined, { 'x-api-key': 'key-of-umbrella' });
  assert.equal(engine.asked[0]!.tenantId, 'umbrella');
  engine.asked.length = 0;
  const urls = ['/iwd/v3/queue', path, '/iwd/v3/settings/categories', '/iwd/v3/workitems'];
  for (const key of ['', 'no-such-key', 'key-of-acmE', 'x'.repeat(4000)]) {
    for (const url of urls) {
      const response = await ask('GET', url, undefined, { 'x-api-key': key });
      assertProblem(response, 401, 'unauthorized');
      assert.ok(response.headers['www-authenticate']);
      assert.ok(key === '' || !response.body.includes(key));
    }
  }
  assert.equal(engine.asked.length, 0);
});

test('what is no UUID is not found, and the engine is not asked', async () => {
  for (const id of ['1', 'next-one', `${itemId}0`, '%00', '..%2f', 'x'.repeat(300)]) {
    assertProblem(await ask('GET', `/iwd/v3/workitems/${id}`), 404, 'not-found');
    assertProblem(await ask('POST', `/iwd/v3/workitems/${id}/hold`), 404, 'not-found');
  }
  assert.equal(engine.asked.length, 0);
});

test('an unknown path is 404, a known one with another method 405 with what is allowed', async () => {
  for (const url of ['/', '/iwd/v3', '/iwd/v3/nothing', '/iwd/v2/queue', `${path}/explode`]) {
    assertProblem(await ask('GET', url), 404, 'not-found');
  }
  const cases = [
    ['PUT', path, 'DELETE, GET, PATCH'],
    ['PUT', '/iwd/v3/workitems?x=1', 'GET, POST'],
    ['GET', `${path}/hold`, 'POST'],
    ['POST', '/livez', 'GET'],
    ['HEAD', '/iwd/v3/settings/categories', 'GET, PUT'],
  ] as const;
  for (const [method, url, allow] of cases) {
    const response = await ask(method, url);
    assert.equal(response.statusCode, 405, url);
    assert.equal(response.headers.allow, allow);
    if (method !== 'HEAD') assertProblem(response, 405, 'method-not-allowed');
  }
});

test('an unknown or bad query parameter is refused with a pointer to it', async () => {
  const cases = [
    ['/iwd/v3/workitems?statsu=queued', 'unknown-field', '?statsu'],
    [`${path}?fields=id`, 'unknown-field', '?fields'],
    ['/iwd/v3/queue?__proto__=1', 'unknown-field', '?__proto__'],
    ['/iwd/v3/workitems?status=queued,sleeping', 'invalid-value', '?status'],
    ['/iwd/v3/workitems?status=', 'invalid-value', '?status'],
    ['/iwd/v3/workitems?captureId=', 'invalid-value', '?captureId'],
    [`/iwd/v3/workitems?captureId=${'x'.repeat(257)}`, 'invalid-value', '?captureId'],
    ['/iwd/v3/workitems?captureId=a&captureId=b', 'invalid-value', '?captureId'],
    ['/iwd/v3/workitems?captureId=a%00b', 'unsafe-text', '?captureId'],
    ['/iwd/v3/queue?limit=0', 'invalid-value', '?limit'],
    ['/iwd/v3/queue?limit=1001', 'invalid-value', '?limit'],
    ['/iwd/v3/queue?limit=1e3', 'invalid-value', '?limit'],
    ['/iwd/v3/queue?limit=5&limit=6', 'invalid-value', '?limit'],
    ['/iwd/v3/settings/categories?version=-1', 'invalid-value', '?version'],
  ] as const;
  for (const [url, code, pointer] of cases) {
    const problem = assertProblem(await ask('GET', url), 400, code);
    assert.equal((problem.errors as { pointer: string }[])[0]!.pointer, pointer);
  }
  assertProblem(await ask('POST', '/iwd/v3/workitems?mode=replace', {}), 400, 'invalid-value');
  assertProblem(await ask('POST', '/iwd/v3/workitems?mode=create,upsert', {}), 400, 'invalid-value');
  assertProblem(await ask('POST', '/iwd/v3/workitems?dryRun=yes', {}), 400, 'invalid-value');
  assert.equal(engine.asked.length, 0);
});

test('a query value that is not UTF-8 stays as it was sent: it finds nothing, and nothing else', async () => {
  assert.equal((await ask('GET', '/iwd/v3/workitems?captureId=%ff%fe')).statusCode, 200);
  assert.ok(engine.last.op === 'list' && engine.last.captureId === '%ff%fe');
});

test('a small body that is not of its shape is refused with every fault', async () => {
  const cases = [
    [{}, 'missing-field', '/agentId'],
    ['null', 'invalid-value', ''],
    [{ agentId: 5 }, 'invalid-value', '/agentId'],
    [{ agentId: '' }, 'invalid-value', '/agentId'],
    [{ agentId: 'x'.repeat(257) }, 'invalid-value', '/agentId'],
    [{ agentId: 'a\u0000b' }, 'unsafe-text', '/agentId'],
    ['{"agentId":"\\ud800"}', 'unsafe-text', '/agentId'],
    [{ agentId: 'a', 'x/y~': 1 }, 'unknown-field', '/x~1y~0'],
    ['{"agentId":"a","__proto__":{"x":1}}', 'unknown-field', '/__proto__'],
    ['[]', 'invalid-value', ''],
  ] as const;
  for (const [body, code, pointer] of cases) {
    const problem = assertProblem(await ask('POST', '/iwd/v3/workitems/next', body), 400, code);
    assert.equal((problem.errors as { pointer: string }[])[0]!.pointer, pointer, JSON.stringify(body));
  }
  const many = assertProblem(
    await ask('POST', `${path}/cancel`, { reason: 1, resultCode: 2, x: 3 }),
    400,
    'unknown-field',
  );
  assert.equal((many.errors as unknown[]).length, 3);
  for (const body of ['{"agentId":', '"\u0007"', Buffer.from('{"agentId":"\xff"}', 'latin1'), `${'['.repeat(9000)}`]) {
    assertProblem(await ask('POST', '/iwd/v3/workitems/next', body), 400, 'invalid-json');
  }
  assertProblem(await ask('POST', `${path}/assign`), 400, 'missing-field');
  assertProblem(await ask('POST', `${path}/hold`, `{"reason":"${'x'.repeat(20_000)}"}`), 413, 'too-large');
  assert.equal(engine.asked.length, 0);
});

test('characters beyond the basic plane are text like any other', async () => {
  assert.equal((await ask('POST', '/iwd/v3/workitems/next', { agentId: 'Zoë 😀' })).statusCode, 200);
  assert.ok(engine.last.op === 'next' && engine.last.agentId === 'Zoë 😀');
});

test('a compressed body is 415 and is not read, whatever it would unpack to', async () => {
  const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' };
  const answer = await ask('POST', '/iwd/v3/workitems', Buffer.alloc(64), headers);
  assertProblem(answer, 415, 'unsupported-media-type');
  assert.equal(answer.headers.connection, 'close');
  assert.equal(engine.asked.length, 0);
});

test('a content type that the route does not take is 415, and the answer names those that it takes', async () => {
  const cases = [
    ['POST', '/iwd/v3/workitems', 'text/plain'],
    ['POST', '/iwd/v3/workitems', 'application/merge-patch+json'],
    ['POST', '/iwd/v3/workitems', 'application/x-ndjson'],
    ['POST', '/iwd/v3/workitems', 'application/jsonx'],
    ['PATCH', path, 'application/json-patch+json'],
    ['POST', '/iwd/v3/workitems/next', 'application/x-www-form-urlencoded'],
    ['POST', '/iwd/v3/workitems/bulk', 'text/csv'],
    ['PUT', '/iwd/v3/settings/categories', 'application/yaml'],
  ] as const;
  for (const [method, url, type] of cases) {
    const problem = assertProblem(
      await ask(method, url, '{}', { 'content-type': type }),
      415,
      'unsupported-media-type',
    );
    assert.match(String(problem.detail), /application\//);
  }
  assert.equal(engine.asked.length, 0);
});

test('a missing body is refused where one is needed', async () => {
  for (const [method, url] of [
    ['POST', '/iwd/v3/workitems'],
    ['POST', '/iwd/v3/workitems/bulk'],
    ['PATCH', path],
  ] as const) {
    assertProblem(await ask(method, url), 400, 'invalid-json');
  }
});

test('a body at the limit is taken, one byte more is 413', async () => {
  const body = (size: number) => `"${'x'.repeat(size - 2)}"`;
  assert.equal((await ask('POST', '/iwd/v3/workitems', body(96 * 1024))).statusCode, 201);
  assertProblem(await ask('POST', '/iwd/v3/workitems', body(96 * 1024 + 1)), 413, 'too-large');
});

test('an If-Match that is not one strong ETag of ours is refused', async () => {
  for (const value of ['3', 'W/"3"', '"3", "4"', '""', '"x"', '"-1"', '"3" ', `"${'9'.repeat(16)}"`]) {
    if (value.trim() !== value) continue;
    assertProblem(await ask('POST', `${path}/hold`, undefined, { 'if-match': value }), 400, 'invalid-value');
  }
  assert.equal(engine.asked.length, 0);
});

test('an Idempotency-Key must be short and printable', async () => {
  assert.equal((await ask('POST', '/iwd/v3/workitems', {}, { 'idempotency-key': 'x'.repeat(255) })).statusCode, 201);
  for (const value of ['', 'x'.repeat(256), 'tab\there', 'ü']) {
    assertProblem(await ask('POST', '/iwd/v3/workitems', {}, { 'idempotency-key': value }), 400, 'invalid-value');
  }
});

test('a rejection of the engine becomes its problem, with faults, facts and Retry-After', async () => {
  const faults = [{ pointer: '/a', code: 'invalid-value', detail: 'no' }] as const;
  const facts = { allowed: ['resume'], state: 'held', status: 999 };
  engine.reply = () => reject('illegal-transition', 'It is held.', { faults, facts, retryAfterSeconds: 1.2 });
  const response = await ask('POST', `${path}/complete?`);
  const problem = assertProblem(response, 409, 'illegal-transition');
  assert.deepEqual(problem.errors, faults);
  assert.deepEqual(problem.allowed, ['resume']);
  assert.equal(problem.detail, 'It is held.');
  assert.equal(problem.instance, `${path}/complete`);
  assert.equal(response.headers['retry-after'], '2');
});

test('a mistake of ours is 500 with the request id, without its message, and is logged once', async () => {
  const lines: unknown[][] = [];
  const log = (...args: unknown[]) => void lines.push(args);
  const own = buildServer({ engine, tenants, loop, logger: { debug: log, warn: () => {}, error: log } as never });
  engine.reply = () => {
    throw new Error('secret detail');
  };
  const response = await own.inject({ url: path, headers: { 'x-api-key': 'key-of-acme', 'x-request-id': 'mine-1' } });
  await own.close();
  const problem = assertProblem(response, 500, 'internal');
  assert.match(String(problem.detail), /mine-1/);
  assert.ok(!response.body.includes('secret'));
  assert.equal(lines.length, 1);
  assert.match(JSON.stringify(lines[0]), /mine-1/);
  assert.ok(!JSON.stringify(lines).includes('key-of-acme'));
});

test('a sane x-request-id comes back, any other is replaced by our own', async () => {
  const given = await ask('GET', '/livez', undefined, { 'x-request-id': 'trace:1/2=3' });
  assert.equal(given.headers['x-request-id'], 'trace:1/2=3');
  const made = new Set<unknown>();
  for (const value of ['', 'a b', '<script>', 'x'.repeat(129)]) {
    made.add((await ask('GET', '/livez', undefined, { 'x-request-id': value })).headers['x-request-id']);
  }
  assert.equal(made.size, 4);
  for (const id of made) assert.match(String(id), /^[0-9a-f]{12}-[0-9a-z]+$/);
});

test('every answer forbids sniffing and caching and says nothing of what serves it', async () => {
  for (const url of ['/livez', '/iwd/v3/queue', '/nothing', '/%zz', '/docs']) {
    const { headers } = await ask('GET', url);
    assert.equal(headers['x-content-type-options'], 'nosniff', url);
    assert.equal(headers['cache-control'], 'no-store', url);
    assert.equal(headers['x-powered-by'] ?? headers.server, undefined);
  }
});

test('a path that is not correctly encoded is a problem like any other', async () => {
  assertProblem(await ask('GET', '/iwd/v3/workitems/%zz'), 400, 'bad-request');
});

test('an engine that answers late holds nobody else up', async () => {
  let resolve: (reply: Reply) => void = () => {};
  const promise = new Promise<Reply>((settle) => {
    resolve = settle;
  });
  engine.reply = (request) => (request.op === 'get' ? promise : plainReply(request));
  const late = ask('GET', path);
  assert.equal((await ask('GET', '/iwd/v3/queue')).statusCode, 200);
  resolve({ status: 200, json: '{}', version: 1 });
  assert.equal((await late).statusCode, 200);
});

test('a key without the privilege of an operation is refused, and the engine hears nothing of it', async () => {
  const response = await ask('POST', '/iwd/v3/workitems', {}, { 'x-api-key': 'key-of-mart' });
  const problem = assertProblem(response, 403, 'forbidden');
  assert.equal(problem.privilege, 'iWD.Workitems.canCreate');
  assertProblem(await ask('GET', path, undefined, { 'x-api-key': 'key-of-cluster' }), 403, 'forbidden');
  assert.equal(engine.asked.length, 0);
  assert.equal((await ask('GET', path, undefined, { 'x-api-key': 'key-of-mart' })).statusCode, 200);
});

test('a route that is in no operation cannot be added', () => {
  const other = buildServer({ engine, tenants, loop });
  assert.throws(() => other.get('/secret', () => 'all of it'), /belongs to no operation/);
});
