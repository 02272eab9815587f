import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from '../stores/conformance/test-database.js';
import { call, registration, TestDatabases } from './provisioning-call.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const cluster = 'cluster-key-of-this-test';
const iwd = fileURLToPath(new URL('../bin/iwd.js', import.meta.url));

describe('the audit log', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  const ccid = 'audited';
  let server: ServerProcess;
  let id: string;
  const ask = (method: string, path: string, body?: unknown, key = `tenant-key-of-${ccid}`) =>
    call(server, key, method, path, body);
  const types = async (query: string, key?: string) =>
    (await ask('GET', query, undefined, key)).body.items.map(({ type }: { type: string }) => type);

  before(async () => {
    server = await startServerProcess({ IWD_CLUSTER_APIKEY: cluster });
    const made = await ask('POST', '/provisioning', registration(ccid, databases.name('audited')), cluster);
    assert.equal(made.status, 200, made.text);
    id = (await ask('POST', '/workitems', { captureId: 'one', customerId: 'c-1' })).body.id;
    await ask('POST', `/workitems/${id}/hold`, { reason: 'why' });
    const { categories } = (await ask('GET', '/settings/categories')).body;
    assert.equal((await ask('PUT', '/settings/categories', { categories })).status, 200);
    await ask('POST', '/workitems', { captureId: 'two' });
  });
  after(async () => {
    await server?.stop();
    await databases.drop();
  });

  test('says who did what to which item and setting, and from where, newest first', async () => {
    const { items } = (await ask('GET', '/audit')).body;
    assert.deepEqual(
      items.map(({ type, by, from }: Record<string, string>) => [type, by, from]),
      ['created', 'categoriesReplaced', 'held', 'created'].map((type) => [type, 'IWD_APIKEY_TENANT', '127.0.0.1']),
    );
    assert.deepEqual([items[2].itemId, items[2].details.reason], [id, 'why']);
    assert.deepEqual(items[1].details, { version: 1 });
  });

  test('is searched by type, item, person, address and time, in pages', async () => {
    assert.deepEqual(await types('/audit?type=held'), ['held']);
    assert.deepEqual(await types(`/audit?itemId=${id}`), ['held', 'created']);
    assert.deepEqual(await types('/audit?by=nobody'), []);
    assert.deepEqual(await types('/audit?from=127.0.0.1&type=created'), ['created', 'created']);
    const { items } = (await ask('GET', '/audit')).body;
    assert.deepEqual(await types(`/audit?since=${items[1].at}&type=created`), ['created']);
    assert.equal((await types(`/audit?until=${items[1].at}`)).includes('categoriesReplaced'), false);
    const first = (await ask('GET', '/audit?limit=3')).body;
    assert.deepEqual(await types(`/audit?limit=3&cursor=${first.next}`), ['created']);
  });

  test('refuses what it does not understand, and who may not read it', async () => {
    for (const [query, code] of [
      ['?since=yesterday', 'invalid-value'],
      ['?cursor=x', 'invalid-cursor'],
      ['?who=me', 'unknown-field'],
    ]) {
      const { status, body } = await ask('GET', `/audit${query}`);
      assert.deepEqual([status, body.code], [400, code]);
    }
    assert.equal((await ask('GET', '/audit', undefined, `mart-key-of-${ccid}-----`)).status, 403);
    assert.equal((await ask('GET', '/audit', undefined, cluster)).status, 403, 'the cluster key reads no tenant');
    assert.equal((await ask('GET', '/cluster/audit')).status, 403);
  });

  test('of the cluster says what was done to tenants', async () => {
    const { items } = (await ask('GET', '/cluster/audit', undefined, cluster)).body;
    const provisioned = items.find(({ tenantId }: { tenantId: string }) => tenantId === ccid);
    assert.equal(provisioned.from, '127.0.0.1');
    assert.ok(!JSON.stringify(items).includes('tenant-key-of'), 'no secrets');
    assert.deepEqual(await types(`/cluster/audit?type=${provisioned.type}&by=${provisioned.by}`, cluster), [
      provisioned.type,
    ]);
  });

  test('holds exports and erasures of persons, and all chains are whole while the server serves', async () => {
    assert.equal((await ask('POST', '/subjects/c-1/export')).body.items[0].id, id);
    assert.equal((await ask('POST', '/subjects/c-1/erase')).status, 200);
    const told = await types('/audit?limit=10');
    assert.deepEqual(told.slice(0, 2), ['subjectErased', 'erasureAnnounced']);
    assert.ok(told.includes('erased') && told.includes('subjectExported'));
    assert.equal((await ask('GET', `/workitems/${id}`)).body.customerId, '[erased]');
    for (const bad of ['%00', 'x'.repeat(257)]) {
      assert.equal((await ask('POST', `/subjects/${bad}/erase`)).status, 400);
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, [iwd, 'audit', 'verify'], {
      env: server.env,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
    for (const name of ['the cluster', 'demo', ccid]) assert.match(stdout, new RegExp(`^${name}: whole;`, 'm'));
    assert.match(stdout, /rows erased as announced/);
  });
});
