import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ServerProcess, startServerProcess } from './server-process.js';

/** Two servers: what one exports the other takes in. */
let source: ServerProcess;
let target: ServerProcess;
before(async () => {
  [source, target] = await Promise.all([startServerProcess(), startServerProcess()]);
});
after(() => Promise.all([source?.stop(), target?.stop()]));

const categories = {
  categories: [
    {
      id: 'noise',
      parent: null,
      name: 'Noise',
      rule: "item.attributes.topic == 'noise'",
      defaults: { dueAfter: 'PT8H' },
    },
    { id: 'roads', parent: null, name: 'Roads', rule: "item.attributes.topic == 'roads'" },
  ],
};

interface Answer {
  code?: string;
  accepted: number;
  rejected: number;
  results: { line: number; status: number; id?: string; code?: string }[];
}

async function ask(
  server: ServerProcess,
  method: string,
  path: string,
  { body, type, ...headers }: Record<string, string | Buffer | undefined> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: { 'x-api-key': server.apiKey, ...(type && { 'content-type': String(type) }), ...(headers as object) },
    ...(body !== undefined && { body }),
  });
  return { status: response.status, text: await response.text() };
}

async function take(path: string, body: string | Buffer, type = 'text/csv', headers = {}): Promise<Answer> {
  const { status, text } = await ask(target, 'POST', `/workitems/import${path}`, { body, type, ...headers });
  assert.equal(status, 200, text);
  return JSON.parse(text) as Answer;
}

/** What an item is, without what its server made of it. */
const facts = [
  ...['captureId', 'category', 'preclassified', 'businessValue', 'customerSegment', 'channel', 'customerId'],
  ...['createdDateTime', 'dueDateTime', 'dueByCategory', 'sourceVersion', 'attributes'],
];

async function exported(server: ServerProcess, accept: string, body: object = {}): Promise<string> {
  const options = { body: JSON.stringify(body), type: 'application/json', accept };
  const { status, text } = await ask(server, 'POST', '/workitems/export', options);
  assert.equal(status, 200, text);
  return text;
}

const ndjson = 'application/x-ndjson';
const count = 1200;
const texts = ['=HYPERLINK("x")', "'=1", 'a "quoted", text', 'two\r\nlines', '-5', ' ü\u{1f6a7} ', '@x', "'plain'"];

test('what one server exports another takes in, and the items are the same', async () => {
  for (const server of [source, target]) await server.client.request('PUT', '/settings/categories', categories);
  const items = Array.from({ length: count }, (_, n) => ({
    ...(n % 3 && { captureId: `c${n}` }),
    ...(n % 5 === 0 && { category: 'roads' }),
    ...(n % 7 === 0 && { dueDateTime: '2031-05-06T07:08:09.010+02:00' }),
    ...{ businessValue: n % 2 ? n / 7 : -n, customerSegment: texts[n % texts.length], customerId: `p${n}` },
    createdDateTime: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(),
    sourceVersion: n,
    attributes: {
      topic: ['noise', 'roads', 'trees'][n % 3],
      text: texts[n % texts.length],
      deep: { list: [n, null, '5'] },
    },
  }));
  const taken = (await source.client.request<Answer>('POST', '/workitems/bulk', items))!;
  assert.equal(taken.accepted, count);
  const first = (await exported(source, ndjson)).split('\n')[0]!;
  const { id } = JSON.parse(first) as { id: string };
  // What has happened to an item stays where it happened.
  await source.client.request('POST', `/workitems/${id}/hold`, {});
  const expected = await exported(source, ndjson, { columns: facts });
  assert.match(expected, /"category":"noise","preclassified":false/);

  const csv = await exported(source, 'text/csv');
  const [trial, came] = [await take('?dryRun=true', csv), await take('', csv)];
  assert.deepEqual([trial.accepted, trial.rejected, came.accepted, came.rejected], [count, 0, count, 0]);
  assert.deepEqual(
    trial.results.map(({ line, status, id }) => [line, status, id]),
    came.results.map(({ line, status }) => [line, status, undefined]),
  );
  assert.equal(await exported(target, ndjson, { columns: facts }), expected);

  const lines = await exported(source, ndjson, { filter: { field: 'captureId', op: 'exists', value: true } });
  const again = await take('', lines, ndjson);
  assert.ok(again.results.every(({ status }) => status === 200));
  assert.equal(again.accepted, count * (2 / 3));
});

test('a dry run says what would be created, is there, or is in the way, and stores nothing', async () => {
  const csv = 'captureId,businessValue\nd1,1\nd2,2\n';
  const statuses = async (path: string, body: string) => (await take(path, body)).results.map(({ status }) => status);
  const before = await exported(target, ndjson, { columns: ['captureId'] });
  assert.deepEqual(await statuses('?dryRun=true', csv), [201, 201]);
  assert.equal(await exported(target, ndjson, { columns: ['captureId'] }), before);
  assert.deepEqual(await statuses('', csv), [201, 201]);
  assert.deepEqual(await statuses('?dryRun=true', csv.replace('d2,2', 'd2,3')), [200, 409]);
  assert.deepEqual(await statuses('?dryRun=true&mode=upsert', csv.replace('d2,2', 'd2,3')), [200, 200]);
  const { items } = (await target.client.request<{ items: { businessValue: number }[] }>(
    'GET',
    '/workitems?captureId=d2',
  ))!;
  assert.deepEqual(
    items.map(({ businessValue }) => businessValue),
    [2],
  );
});

test('a mapping in the query reads any file, and an Idempotency-Key makes lines without captureId safe to repeat', async () => {
  const mapping = {
    fields: {
      customerId: 'Person',
      createdDateTime: { column: 'Opened', time: 'MM/DD/YYYY hh:mm AM', zone: 'America/New_York' },
    },
    attributes: { topic: 'Topic' },
  };
  const csv = 'Person,Opened,Topic\r\np-77,05/01/2022 11:30 PM,"a, b"\r\np-78,05/01/2022,x\r\n';
  const path = `?${new URLSearchParams({ mapping: JSON.stringify(mapping) })}`;
  const first = await take(path, csv, 'text/csv; charset=utf-8', { 'idempotency-key': 'nightly 7' });
  assert.deepEqual(
    first.results.map(({ line, status, code }) => [line, status, code]),
    [
      [0, 201, undefined],
      [1, 400, 'invalid-value'],
    ],
  );
  const second = await take(path, csv, 'text/csv', { 'idempotency-key': 'nightly 7' });
  assert.equal(second.results[0]!.id, first.results[0]!.id);
  const item = await target.client.request<Record<string, unknown>>('GET', `/workitems/${first.results[0]!.id}`);
  assert.deepEqual(
    [item!.customerId, item!.createdDateTime, item!.attributes],
    ['p-77', '2022-05-02T03:30:00.000Z', { topic: 'a, b' }],
  );
});

test('hostile files are refused by line or as a whole, and never with a fault of the server', async () => {
  const junk = Buffer.from(Array.from({ length: 100_000 }, (_, n) => (n * n * 31 + n) % 256));
  const header = 'captureId,businessValue,attributes\n';
  const bodies: [string | Buffer, string][] = [
    [`${header}nul\0,1,\n`, 'unsafe-text'],
    [`${header}huge,1,"${'x'.repeat(3_000_000)}"\n`, 'invalid-csv'],
    [`${header}open,1,"{\n${'more,1,\n'.repeat(1000)}`, 'invalid-csv'],
    [`${header}a"b,1,\n`, 'invalid-csv'],
    [`${header}deep,1,"${'['.repeat(40_000)}${']'.repeat(40_000)}"\n`, 'too-deep'],
    [`${header}proto,1,"{""__proto__"":{""x"":1}}"\n`, 'unsafe-key'],
    [`${header}value,1e999,\n`, 'invalid-value'],
    [`${'c,'.repeat(100_000)}\n`, 'invalid-csv'],
    [`${'x'.repeat(5_000_000)}`, 'invalid-csv'],
    ['', 'invalid-csv'],
    [junk, 'invalid-csv'],
  ];
  for (const [body, code] of bodies) {
    const { status, text } = await ask(target, 'POST', '/workitems/import', { body, type: 'text/csv' });
    const answer = JSON.parse(text) as Answer;
    const codes = new Set(status === 200 ? answer.results.map((one) => one.code) : [answer.code]);
    assert.ok(status < 500, text.slice(0, 300));
    assert.deepEqual([...codes], [code], `${String(body.slice(0, 60))}: ${text.slice(0, 300)}`);
  }
  for (const body of [
    junk,
    '{"a":',
    `${'['.repeat(90_000)}\n`,
    '{"attributes.__proto__.x":1}',
    '{"id":{"toString":1}}',
  ]) {
    const { status, text } = await ask(target, 'POST', '/workitems/import', { body, type: ndjson });
    assert.ok(status < 500 && !text.includes('"status":5'), text.slice(0, 300));
  }
  const noType = await ask(target, 'POST', '/workitems/import', { body: 'x', type: 'application/pdf' });
  assert.equal(noType.status, 415);
  assert.equal((await take('', `${header}alive,1,\n`)).accepted, 1);
});
