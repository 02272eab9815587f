import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import type { Request } from '../actors/request.js';
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

interface Answer {
  status: number;
  code?: string;
  detail?: string;
  errors?: { pointer: string; code: string }[];
  accepted: number;
  rejected: number;
  results: { line: number; status: number; code?: string; detail?: string }[];
}

async function send(payload: string | Buffer, query: Record<string, string> = {}, type = 'text/csv'): Promise<Answer> {
  const url = `/iwd/v3/workitems/import?${new URLSearchParams(query)}`;
  const headers = { 'x-api-key': 'k', 'content-type': type };
  const response = await server.inject({ method: 'POST', url, headers, payload });
  return { status: response.statusCode, ...(response.json() as Omit<Answer, 'status'>) };
}

type CreateMany = Extract<Request, { op: 'createMany' }>;
const slices = () => engine.asked.map(({ request }) => request as CreateMany);
const items = () =>
  slices().flatMap(({ body }) =>
    Buffer.from(body)
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );

const mapping = JSON.stringify({
  fields: {
    captureId: { template: 'crm/{Id}' },
    businessValue: { column: 'Value', number: { decimal: ',', group: '.' } },
    createdDateTime: { column: 'Opened', time: 'DD.MM.YYYY HH:mm', zone: 'Europe/Berlin' },
  },
  attributes: ['Topic'],
});

test('the columns of a CSV become fields as the mapping says, and what cannot is told by its record', async () => {
  const csv =
    'Id,Value,Opened,Topic\r\n1,"1.000,50",01.03.2026 10:30,"a, b"\r\n2,many,,\r\n\r\n3,"4\n4",,\r\n4,5,,"x\ny"\r\n';
  const answer = await send(csv, { mapping, mode: 'upsert', dryRun: 'true' });
  assert.deepEqual([answer.status, answer.accepted, answer.rejected], [200, 2, 2]);
  assert.deepEqual(
    answer.results.map(({ line, status }) => [line, status]),
    [
      [0, 201],
      [1, 400],
      [2, 400],
      [3, 201],
    ],
  );
  assert.match(answer.results[1]!.detail!, /businessValue is "many"/);
  assert.deepEqual(items(), [
    {
      captureId: 'crm/1',
      businessValue: 1000.5,
      createdDateTime: '2026-03-01T09:30:00.000Z',
      attributes: { Topic: 'a, b' },
    },
    { captureId: 'crm/4', businessValue: 5, attributes: { Topic: 'x\ny' } },
  ]);
  assert.deepEqual(
    slices().map(({ firstLine, format, mode, dryRun, by }) => [firstLine, format, mode, dryRun, by]),
    [
      [0, 'ndjson', 'upsert', true, 'crm'],
      [3, 'ndjson', 'upsert', true, 'crm'],
    ],
  );
});

test('NDJSON is mapped line by line, with the numbers of its lines', async () => {
  const body = '{"Id":1,"Topic":{"x":1}}\n\n{"Id":\n[]\n{"Id":"a\\u0000"}\n{"Id":5}';
  const answer = await send(body, { mapping }, 'application/x-ndjson');
  assert.deepEqual(
    answer.results.map(({ line, status, code }) => [line, status, code]),
    [
      [0, 201, undefined],
      [2, 400, 'invalid-json'],
      [3, 400, 'invalid-value'],
      [4, 400, 'unsafe-text'],
      [5, 201, undefined],
    ],
  );
});

test('a large file is cut into slices, and its results come in the order of its lines', async () => {
  const rows = Array.from({ length: 3000 }, (_, n) => `c${n},"${'x'.repeat(500)}${n === 1500 ? '"oops' : ''}"`);
  const answer = await send(`captureId,attributes.pad\n${rows.join('\n')}\n`);
  assert.deepEqual([answer.status, answer.accepted, answer.rejected], [200, 2999, 1]);
  assert.deepEqual(
    answer.results.map(({ line }) => line),
    rows.map((_, n) => n),
  );
  assert.equal(answer.results[1500]!.code, 'invalid-csv');
  for (const { body } of slices()) assert.ok(body.length <= 256 * 1024);
});

test('a file whose columns make no sense is refused as a whole, with their places', async () => {
  const refused = async (csv: string, query: Record<string, string> = {}) => {
    const { status, code, errors } = await send(csv, query);
    return [status, code, errors?.map(({ pointer }) => pointer).join()];
  };
  assert.deepEqual(await refused('captureId,Vlaue,seq,seq\n1,2,3,4\n'), [400, 'invalid-value', '/header/1,/header/3']);
  assert.deepEqual(await refused('Id,Topic\n1,2\n', { mapping }), [400, 'missing-field', '/header,/header']);
  assert.deepEqual(await refused('Id,Value,Opened,Topic,Id\n', { mapping }), [400, 'invalid-value', '/header/4']);
  assert.deepEqual(await refused('', { mapping }), [400, 'invalid-csv', undefined]);
  assert.deepEqual(await refused('"captureId\n1\n'), [400, 'invalid-csv', undefined]);
  assert.equal(engine.asked.length, 0);
});

test('a faulty mapping is refused with a pointer into it, and nothing of the body is read', async () => {
  const refused = async (text: string) => {
    const { status, code, errors } = await send('Id\n1\n', { mapping: text });
    return [status, code, errors!.map(({ pointer }) => pointer).join()];
  };
  assert.deepEqual(await refused('{"fields":'), [400, 'invalid-json', '?mapping']);
  assert.deepEqual(await refused('[]'), [400, 'invalid-value', '?mapping']);
  assert.deepEqual(await refused('{"fields":{"captureID":"Id"}}'), [400, 'unknown-field', '?mapping/fields/captureID']);
  assert.deepEqual(await refused('{"fields":{"createdDateTime":{"column":"Id","time":"YYYY","zone":"Mars"}}}'), [
    400,
    'invalid-value',
    '?mapping/fields/createdDateTime/time',
  ]);
  assert.deepEqual(await refused('{"attributes":{"__proto__":"Id"}}'), [
    400,
    'unsafe-key',
    '?mapping/attributes/__proto__',
  ]);
  assert.deepEqual(await refused(`${'['.repeat(4000)}${']'.repeat(4000)}`), [400, 'too-deep', '?mapping']);
  assert.deepEqual(await refused(`{"fields":{"captureId":"${'x'.repeat(8200)}"}}`), [400, 'invalid-value', '?mapping']);
  assert.equal(engine.asked.length, 0);
});

test('of too many records the allowed ones are taken, and the answer is 413 with their results', async () => {
  for (const type of ['text/csv', 'application/x-ndjson']) {
    const [head, row] = type === 'text/csv' ? ['captureId\n', 'c\n'] : ['', '{"captureId":"c"}\n'];
    const answer = await send(`${head}${row.repeat(10_001)}`, {}, type);
    assert.deepEqual([answer.status, answer.code, answer.accepted], [413, 'too-large', 10_000]);
  }
});

test('whatever the bytes are, the answer is of the client’s making and the lines that can be read are read', async () => {
  const bad = Buffer.concat([
    Buffer.from('captureId,businessValue,attributes\n'),
    Buffer.from('nul\0,1,\n'),
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from(`huge,1,"{""a"":""${'x'.repeat(2_000_000)}""}"\n`),
    Buffer.from(`long,1,"{""a"":""${'x'.repeat(200_000)}""}"\n`),
    Buffer.from('deep,1,"'),
    Buffer.from(`${'['.repeat(100_000)}"\n`),
    Buffer.from('=1+1,1,"x"y"\n'),
    Buffer.from(`${','.repeat(5000)}\n`),
    Buffer.from('fine,2,"{""ok"":true}"\n'),
    Buffer.from('open,3,"{'),
  ]);
  const answer = await send(bad);
  assert.equal(answer.status, 200);
  assert.deepEqual(
    answer.results.map(({ line, code }) => [line, code ?? 'taken']),
    [
      // The NUL is for the engine to see: the scripted one takes it.
      [0, 'taken'],
      [1, 'invalid-csv'],
      [2, 'invalid-csv'],
      [3, 'too-large'],
      [4, 'invalid-json'],
      [5, 'invalid-csv'],
      [6, 'invalid-csv'],
      [7, 'taken'],
      [8, 'invalid-csv'],
    ],
  );
});
