import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import type { Request } from '../actors/request.js';
import { reject } from '../engine/rejection.js';
import { apiKeys } from './api-keys.js';
import { plainReply, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

const engine = new ScriptedEngine();
const tenants = apiKeys([{ key: 'k', tenantId: 'acme', name: 'crm' }]);
const server = buildServer({ engine, tenants, loop: { p99Ms: () => 0 } });

after(() => server.close());
beforeEach(() => {
  engine.asked.length = 0;
  engine.reply = plainReply;
});

interface Tally {
  accepted: number;
  rejected: number;
  results: { line: number; status: number; code?: string; n?: number }[];
}

async function bulk(payload: string, headers: Record<string, string> = {}, url = '/iwd/v3/workitems/bulk') {
  const all = { 'x-api-key': 'k', 'content-type': 'application/json', ...headers };
  const response = await server.inject({ method: 'POST', url, headers: all, payload });
  return { status: response.statusCode, ...(response.json() as Tally & { code?: string }) };
}

const ndjson = { 'content-type': 'application/x-ndjson' };
const item = (n: number, size = 0) => JSON.stringify({ n, pad: 'x'.repeat(size) });
/** Larger than what goes to the engine as it came. */
const large = (count: number) => Array.from({ length: count }, (_, n) => item(n, 1000));

type CreateMany = Extract<Request, { op: 'createMany' }>;
const slices = () => engine.asked.map(({ request }) => request as CreateMany);

test('a small body goes to the engine in one piece, as it came', async () => {
  const body = `[ ${item(1)},\n${item(2)} ]`;
  const answer = await bulk(body, {}, '/iwd/v3/workitems/bulk?mode=upsert');
  assert.deepEqual([answer.status, answer.accepted, answer.rejected], [200, 2, 0]);
  const [slice] = slices();
  assert.equal(Buffer.from(slice!.body).toString(), body);
  assert.deepEqual(
    [engine.asked.length, slice!.format, slice!.mode, slice!.firstLine, slice!.by],
    [1, 'array', 'upsert', 0, 'crm'],
  );
});

test('NDJSON has two names, and its lines are counted with the blank ones', async () => {
  for (const type of ['application/x-ndjson', 'application/jsonl; charset=utf-8']) {
    const answer = await bulk(`${item(0)}\r\n\r\n${item(2)}`, { 'content-type': type });
    assert.deepEqual(
      answer.results.map(({ line, n }) => [line, n]),
      [
        [0, 0],
        [2, 2],
      ],
    );
    // The engine counts on lines that follow one another.
    assert.deepEqual(
      slices()
        .slice(-2)
        .map(({ firstLine, format }) => [firstLine, format]),
      [
        [0, 'ndjson'],
        [2, 'ndjson'],
      ],
    );
  }
});

test('no items are no problem', async () => {
  assert.deepEqual(await bulk('[]'), { status: 200, accepted: 0, rejected: 0, results: [] });
  assert.deepEqual(await bulk(' [ \n ] '), { status: 200, accepted: 0, rejected: 0, results: [] });
  assert.deepEqual(await bulk('\n\n', ndjson), { status: 200, accepted: 0, rejected: 0, results: [] });
});

test('a large body is cut into slices, and its results come in the order of its lines', async () => {
  const lines = large(1000);
  for (const [body, headers] of [
    [`[${lines.join(',\n ')}]`, {}] as const,
    [`${lines.join('\n')}\n`, ndjson] as const,
  ]) {
    engine.asked.length = 0;
    const answer = await bulk(body, headers);
    assert.deepEqual([answer.status, answer.accepted], [200, 1000]);
    assert.deepEqual(
      answer.results.map(({ line, n }) => [line, n]),
      lines.map((_, n) => [n, n]),
    );
    assert.equal(slices().length, 4);
    for (const slice of slices()) assert.ok(slice.body.length <= 256 * 1024 && slice.format === 'ndjson');
  }
});

test('one bad line harms no other, in a small body and in a large one', async () => {
  for (const count of [5, 600]) {
    const lines = large(count);
    lines[3] = '{"n":}';
    for (const [body, headers] of [[`[${lines.join()}]`, {}] as const, [lines.join('\n'), ndjson] as const]) {
      const answer = await bulk(body, headers);
      assert.deepEqual([answer.status, answer.accepted, answer.rejected], [200, count - 1, 1]);
      assert.deepEqual(
        answer.results.filter(({ status }) => status !== 201).map(({ line, code }) => [line, code]),
        [[3, 'invalid-json']],
      );
    }
  }
});

test('an item that is too large is refused alone', async () => {
  const lines = [item(0), item(1, 100_000), item(2)];
  // Small bodies pass whole, so that only one that is looked into shows it here.
  const answer = await bulk(`[${[...lines, ...large(300)].join()}]`);
  assert.deepEqual([answer.accepted, answer.rejected], [302, 1]);
  assert.deepEqual(
    [answer.results[1]!.line, answer.results[1]!.status, answer.results[1]!.code],
    [1, 413, 'too-large'],
  );
});

test('an array that breaks off keeps what came before it', async () => {
  const answer = await bulk(`[${large(600).join()},`);
  assert.deepEqual([answer.status, answer.accepted, answer.rejected], [200, 600, 1]);
  assert.deepEqual([answer.results.at(-1)!.line, answer.results.at(-1)!.code], [600, 'invalid-json']);
});

test('a body that is no array at all is refused as a whole', async () => {
  for (const body of ['', '{}', 'null', '"x"', 'hello', `{"items":[${large(600).join()}]}`]) {
    const answer = await bulk(body, {});
    assert.deepEqual([answer.status, answer.code], [400, 'invalid-json'], body.slice(0, 20));
  }
});

test('a slice that the engine refuses is reported line by line beside those that it took', async () => {
  engine.reply = (request) =>
    request.op === 'createMany' && request.firstLine > 0
      ? reject('unavailable', 'Later.', { retryAfterSeconds: 2 })
      : plainReply(request);
  const lines = large(600);
  lines.splice(400, 0, '');
  const answer = await bulk(lines.join('\n'), ndjson);
  assert.equal(answer.status, 200);
  assert.ok(answer.accepted > 0 && answer.rejected > 0);
  assert.equal(answer.accepted + answer.rejected, 600);
  const numbers = lines.flatMap((line, index) => (line === '' ? [] : [index]));
  assert.deepEqual(
    answer.results.map(({ line }) => line),
    numbers,
  );
  assert.ok(
    answer.results.slice(answer.accepted).every(({ status, code }) => status === 503 && code === 'unavailable'),
  );
});

test('when the engine takes nothing, the whole request has its problem', async () => {
  engine.reply = () => reject('unavailable', 'Later.', { retryAfterSeconds: 2 });
  for (const count of [3, 1000]) {
    const all = { 'x-api-key': 'k', 'content-type': 'application/json' };
    const payload = `[${large(count).join()}]`;
    const response = await server.inject({ method: 'POST', url: '/iwd/v3/workitems/bulk', headers: all, payload });
    assert.deepEqual([response.statusCode, response.headers['retry-after']], [503, '2']);
    assert.equal((response.json() as { code: string }).code, 'unavailable');
  }
});

test('of too many items the allowed ones are taken, and the answer is 413 with their results', async () => {
  for (const [body, headers] of [
    [`[${'{},'.repeat(10_000)}{}]`, {}] as const,
    ['{}\n'.repeat(10_001), ndjson] as const,
  ]) {
    const answer = await bulk(body, headers);
    assert.deepEqual([answer.status, answer.code], [413, 'too-large']);
    assert.deepEqual([answer.accepted, answer.rejected, answer.results.length], [10_000, 0, 10_000]);
  }
  const exact = await bulk(`[${'{},'.repeat(9999)}{}]`);
  assert.deepEqual([exact.status, exact.accepted], [200, 10_000]);
});

test('a fault in the text as a whole is found line by line, whether the engine calls it a line or the request', async () => {
  engine.reply = (request) =>
    request.op === 'createMany' && request.format === 'array' ? reject('too-deep', 'No.') : plainReply(request);
  const answer = await bulk(`[${item(0)},${item(1)}]`);
  assert.deepEqual([answer.status, answer.accepted], [200, 2]);
});

test('an Idempotency-Key goes with every slice', async () => {
  await bulk(`[${large(600).join()}]`, { 'idempotency-key': 'nightly 7' });
  assert.ok(slices().length > 1);
  for (const { idempotencyKey } of slices()) assert.equal(idempotencyKey, 'nightly 7');
});

test('a bad Idempotency-Key or an unknown query parameter is refused, and the engine is not asked', async () => {
  assert.equal((await bulk('[{}]', { 'idempotency-key': 'ü' })).code, 'invalid-value');
  assert.equal((await bulk('[{}]', {}, '/iwd/v3/workitems/bulk?dryRun=true')).code, 'unknown-field');
  assert.equal(engine.asked.length, 0);
});

test('blank lines without number cost no slices', async () => {
  const answer = await bulk(`${item(0)}\n${'\n'.repeat(300_000)}${item(1)}\n${item(2)}${'\n'.repeat(300_000)}`, ndjson);
  assert.deepEqual(
    answer.results.map(({ line, n }) => [line, n]),
    [
      [0, 0],
      [300_001, 1],
      [300_002, 2],
    ],
  );
  assert.equal(slices().length, 2);
});
