import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reject } from '../engine/rejection.js';
import { apiKeys } from './api-keys.js';
import { plainReply, ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';
import { yamlBytesMax } from './yaml-pool.js';

const engine = new ScriptedEngine();
const server = buildServer({
  engine,
  tenants: apiKeys([{ key: 'k', tenantId: 'acme', name: 'crm' }]),
  loop: { p99Ms: () => 0 },
});
const file = { format: 'iwd-settings/1', categories: [{ id: 'a', rule: "item.channel == 'x'\n  || true" }] };

before(() => server.ready());
after(() => server.close());

async function ask(method: 'GET' | 'PUT' | 'POST', path: string, payload?: string | object, headers = {}) {
  engine.asked.length = 0;
  const json = payload === undefined ? {} : { 'content-type': 'application/json' };
  return server.inject({ method, url: `/iwd/v3${path}`, headers: { 'x-api-key': 'k', ...json, ...headers }, payload });
}

test('a rollback reads the earlier version and publishes its document, under the caller’s condition and name', async () => {
  engine.reply = (request) =>
    request.op === 'getSettings'
      ? { status: 200, json: '{"version":3,"categories":[]}', version: 3 }
      : plainReply(request);
  const response = await ask('POST', '/settings/categories/rollback', { version: 3 }, { 'if-match': '"7"' });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers.etag, '"4"');
  const [read, write] = engine.asked.map(({ request }) => request);
  assert.deepEqual([read.op, 'version' in read && read.version], ['getSettings', 3]);
  assert.ok(write.op === 'putSettings' && write.ifMatch === 7 && write.by === 'crm' && write.kind === 'categories');
  assert.equal(Buffer.from(write.body).toString(), '{"version":3,"categories":[]}');
});

test('a rollback to a version that is not there publishes nothing', async () => {
  engine.reply = () => reject('not-found', 'there is no version 9 of calendars');
  const response = await ask('POST', '/settings/calendars/rollback', { version: 9 });
  assert.equal(response.statusCode, 404);
  assert.deepEqual(
    engine.asked.map(({ request }) => request.op),
    ['getSettings'],
  );
  for (const body of [{}, { version: 0 }, { version: 'one' }, { version: 1, at: 2 }]) {
    assert.equal((await ask('POST', '/settings/calendars/rollback', body)).statusCode, 400, JSON.stringify(body));
    assert.equal(engine.asked.length, 0);
  }
});

test('an export is JSON, or YAML when the query or Accept asks for it, and reads back the same', async () => {
  engine.reply = () => ({ status: 200, json: JSON.stringify(file) });
  assert.deepEqual((await ask('GET', '/settings/export')).json(), file);
  for (const [path, headers] of [
    ['/settings/export?format=yaml', {}],
    ['/settings/export', { accept: 'application/yaml' }],
  ] as const) {
    const yaml = await ask('GET', path, undefined, headers);
    assert.equal(yaml.statusCode, 200);
    assert.match(String(yaml.headers['content-type']), /^application\/yaml/);
    assert.match(yaml.body, /^format: iwd-settings\/1\n/);
    await ask('PUT', '/settings/import', yaml.body, { 'content-type': 'application/yaml' });
    assert.ok(engine.last.op === 'importSettings');
    assert.deepEqual(JSON.parse(Buffer.from(engine.last.body).toString()), file);
  }
  assert.deepEqual((await ask('GET', '/settings/export?format=json', undefined, { accept: 'text/yaml' })).json(), file);
});

test('what is no YAML, unfolds by aliases or is too long is refused before the engine sees it', async () => {
  const cases = [
    ['a: [1, 2', 400, 'invalid-json'],
    ['a: &x [1]\nb: *x', 400, 'invalid-json'],
    [`a: ${'x'.repeat(yamlBytesMax)}`, 413, 'too-large'],
  ] as const;
  for (const [yaml, status, code] of cases) {
    const response = await ask('PUT', '/settings/import', yaml, { 'content-type': 'application/yaml' });
    assert.equal(response.statusCode, status, response.body);
    assert.equal(response.json().code, code);
    assert.equal(engine.asked.length, 0);
  }
});

test('an import’s dry run is handed on as one', async () => {
  engine.reply = plainReply;
  await ask('PUT', '/settings/import?dryRun=true', file);
  assert.ok(engine.last.op === 'importSettings' && engine.last.dryRun === true);
  await ask('PUT', '/settings/import', file);
  assert.ok(engine.last.op === 'importSettings' && engine.last.dryRun === undefined);
});
