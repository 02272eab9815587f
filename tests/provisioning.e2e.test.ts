import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing, query } from '../stores/conformance/test-database.js';
import { call, registration, TestDatabases, testPostgres } from './provisioning-call.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const cluster = 'cluster-key-of-this-test';

describe('provisioning', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  let server: ServerProcess;
  const ask = (method: string, path: string, body?: unknown, key = cluster) => call(server, key, method, path, body);
  const databaseUrl = (name: string) =>
    Object.assign(new URL(process.env.TEST_DATABASE_URL!), { pathname: `/${name}` }).href;

  before(async () => {
    server = await startServerProcess({ IWD_CLUSTER_APIKEY: cluster });
  });
  after(async () => {
    await server?.stop();
    await databases.drop();
  });

  test('the first sample call of the guide works as printed, and both its keys at once', async () => {
    // The guide's text without its comments and with what the print lost: a comma and the names of two members. Where
    // the databases are is ours, for the guide's host exists nowhere.
    const { host, port, user, password } = testPostgres();
    const body = `{
      "tenant": {
        "id": "100",
        "id": "100",
        "name": "t100",
        "ccid": "9350e2fc-aldd-4c65-",
        "apiKey": "049111b4-6cac-4e83-a7bf-37c057b45b0f",
        "gws": {
          "gwsUrl": "http://gws-service-proxy.gws",
          "data": {
            "authUrl": "http://gauth-auth.gauth",
            "authredircetUrl": "https://gauth.nlb01-uswest1.gcpe001.gencpe.net"
          },
          "secret": {
            "clientId": "iwd_client",
            "clientSecret": "secret",
            "apikey": "none",
            "username": "nexus",
            "token": ":;pYV11NWh0-"
          }
        }
      },
      "iwd": {
        "url": "http://iwd.iwd:4024",
        "db": {
          "host": ${JSON.stringify(host)},
          "port": ${port},
          "database": ${JSON.stringify(databases.name('iwd-100'))},
          "user": ${JSON.stringify(user)},
          "password": ${JSON.stringify(password)},
          "ssl": false
        },
        "apiKeys": {
          "IWD_APIKEY_TENANT": "22552b96-8783-46a9-b0eb-075ddfa8893e",
          "IWD_APIKEY_IWDDM": "d6b68a7b-12ed-4c3c-830d-215eecdd1a48"
        }
      },
      "iwdEmail": {
        "url": "N/A"
      }
    }`;
    const answer = await ask('POST', '/provisioning', body);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.body, { created: true });
    const tenantKey = '22552b96-8783-46a9-b0eb-075ddfa8893e';
    const made = await ask('POST', '/workitems', { captureId: 'guide', businessValue: 5 }, tenantKey);
    assert.equal(made.status, 201, made.text);
    assert.equal((await ask('GET', '/queue', undefined, tenantKey)).body.items[0].id, made.body.id);
    const martKey = 'd6b68a7b-12ed-4c3c-830d-215eecdd1a48';
    assert.equal((await ask('GET', '/workitems', undefined, martKey)).body.items.length, 1);
    assert.equal((await ask('POST', '/workitems', {}, martKey)).status, 403);
  });

  test('the second sample call of the guide, one line of curl, works with PUT as with POST', async () => {
    const { host, port, user, password } = testPostgres();
    const db = JSON.stringify({ host, port, database: databases.name('iwd'), user, password, ssl: false });
    const body = `{"tenant":{"id":"100","name":"t100","ccid":"d846c51e-1fe8-4118-bf32-cf0b4ef29032","apiKey":"22552b96-8783-46a9-b0eb-075ddfa8893e"},"iwd":{"url":"http://iwd.iwd:4024","db":${db},"apiKeys":{"IWD_APIKEY_TENANT":"8a1a8bd6-53ce-4f33-9b1c-2e8c6a0d4a3e"}},"iwdEmail":{"url":"N/A"}}`;
    for (const method of ['PUT', 'POST', 'PUT']) {
      const answer = await ask(method, '/provisioning', body);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.text, '{"created":true}');
    }
    const { tenants } = (await ask('GET', '/provisioning')).body;
    assert.equal(tenants.filter((tenant: { ccid: string }) => tenant.ccid.startsWith('d846c51e')).length, 1);
  });

  test('a new tenant has the default settings, and its database is its own', async () => {
    assert.equal((await ask('POST', '/provisioning', registration('own', databases.name('own')))).status, 200);
    const key = 'tenant-key-of-own';
    assert.equal((await ask('GET', '/settings/categories', undefined, key)).body.categories[0].id, 'general');
    assert.equal((await ask('GET', '/settings/prioritization', undefined, key)).body.schemas[0].id, 'standard');
    const { id } = (await ask('POST', '/workitems', { captureId: 'only-here' }, key)).body;
    assert.equal((await ask('GET', `/workitems/${id}`, undefined, server.apiKey)).status, 404);
    const [lease] = await query(databaseUrl(databases.name('own')), 'SELECT tenant_id FROM iwd.tenant_lease');
    assert.equal(lease?.tenant_id, 'own');
  });

  test('the list has no secrets and says how each tenant is', async () => {
    const answer = await ask('GET', '/provisioning');
    const own = answer.body.tenants.find((tenant: { ccid: string }) => tenant.ccid === 'own');
    assert.equal(own.state, 'serving');
    assert.deepEqual(Object.keys(own.services.iWD.db).sort(), ['database', 'host', 'port', 'ssl', 'user']);
    for (const secret of ['tenant-key-of-own', 'mart-key-of-own', 'digital-channels-own', 'none-is-asked-for', 'pYV11'])
      assert.ok(!answer.text.includes(secret), secret);
    const first = await ask('GET', '/provisioning?limit=1');
    assert.equal(first.body.next, first.body.tenants[0].ccid);
    const second = await ask('GET', `/provisioning?limit=1&cursor=${first.body.next}`);
    assert.ok(second.body.tenants[0].ccid > first.body.tenants[0].ccid);
  });

  test('an empty body is told every parameter that is missing, a wrong one every fault, and nothing is provisioned', async () => {
    const empty = await ask('POST', '/provisioning', {});
    assert.equal(empty.status, 400);
    const pointers = empty.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    for (const name of ['tenant', 'iwd', 'iwdEmail', 'tenant/ccid', 'iwd/db/password', 'iwd/apiKeys/IWD_APIKEY_TENANT'])
      assert.ok(pointers.includes(`/${name}`), name);
    const wrong = registration('wrong', databases.name('wrong'));
    Object.assign(wrong.tenant, { ccid: 'bad id!' });
    Object.assign(wrong.iwd.db, { port: '5432', ssl: 'no', password: 7, colour: 'red' });
    const answer = await ask('PUT', '/provisioning', wrong);
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.body.errors.map(({ pointer, code }: Record<string, string>) => [pointer, code]).sort(), [
      ['/iwd/db/colour', 'unknown-field'],
      ['/iwd/db/password', 'invalid-value'],
      ['/iwd/db/port', 'invalid-value'],
      ['/iwd/db/ssl', 'invalid-value'],
      ['/tenant/ccid', 'invalid-value'],
    ]);
    assert.equal(
      (
        await query(process.env.TEST_DATABASE_URL!, 'SELECT FROM pg_database WHERE datname = $1', [
          databases.name('wrong'),
        ])
      ).length,
      0,
    );
  });

  test('a changed key is in force at once and the old one out of force', async () => {
    const body = registration('rekeyed', databases.name('rekeyed'));
    await ask('POST', '/provisioning', body);
    body.iwd.apiKeys = { IWD_APIKEY_TENANT: 'another-key-of-rekeyed' } as never;
    assert.equal((await ask('PUT', '/provisioning', body)).status, 200);
    assert.equal((await ask('GET', '/workitems', undefined, 'another-key-of-rekeyed')).status, 200);
    for (const old of ['tenant-key-of-rekeyed', 'mart-key-of-rekeyed-----'])
      assert.equal((await ask('GET', '/workitems', undefined, old)).status, 401, old);
  });

  test('a database that cannot be reached is a clear problem without the password, leaves nothing, and may be repeated', async () => {
    const body = registration('late', databases.name('late'));
    const unreachable = { ...body.iwd, db: { ...body.iwd.db, host: '127.0.0.1', port: 1, password: 'canary-pw' } };
    const answer = await ask('POST', '/provisioning', { ...body, iwd: unreachable });
    assert.equal(answer.status, 502, answer.text);
    assert.equal(answer.body.code, 'database-unusable');
    assert.match(answer.body.detail, /127\.0\.0\.1:1\/\S+ cannot be used: connect ECONNREFUSED/);
    assert.ok(!answer.text.includes('canary'));
    assert.ok(!(await ask('GET', '/provisioning')).text.includes('t-late'));
    assert.equal((await ask('GET', '/workitems', undefined, 'tenant-key-of-late')).status, 401);
    assert.equal((await ask('POST', '/provisioning', body)).status, 200);
    assert.equal((await ask('GET', '/workitems', undefined, 'tenant-key-of-late')).status, 200);
  });

  test('hosts that no database has are not connected to', async () => {
    const body = registration('ssrf', databases.name('ssrf'));
    for (const host of ['169.254.169.254', '0xa9fea9fe', '::ffff:169.254.169.254', '0.0.0.0']) {
      Object.assign(body.iwd.db, { host, port: 80 });
      const answer = await ask('POST', '/provisioning', body);
      assert.equal(answer.status, 502, `${host}: ${answer.text}`);
      assert.match(answer.body.detail, /special address/);
    }
  });

  test('a user who may not create the database is told so, and one who may not create the schema too', async () => {
    const role = databases.name('plain');
    await query(process.env.TEST_DATABASE_URL!, `CREATE ROLE "${role}" LOGIN`);
    try {
      const body = registration('plain', databases.name('plain'));
      body.iwd.db.user = role;
      const missingDatabase = await ask('POST', '/provisioning', body);
      assert.equal(missingDatabase.status, 502);
      assert.match(missingDatabase.body.detail, /does not exist and the user may not create it/);
      await query(process.env.TEST_DATABASE_URL!, `CREATE DATABASE "${databases.name('plain')}"`);
      const noSchema = await ask('POST', '/provisioning', body);
      assert.equal(noSchema.status, 502);
      assert.match(noSchema.body.detail, /permission denied for database/);
    } finally {
      await query(process.env.TEST_DATABASE_URL!, `DROP DATABASE IF EXISTS "${databases.name('plain')}"`);
      await query(process.env.TEST_DATABASE_URL!, `DROP ROLE "${role}"`);
    }
  });

  test('the keys and the database of one tenant are no other tenant’s', async () => {
    await ask('POST', '/provisioning', registration('first', databases.name('first')));
    const sameDatabase = registration('second', databases.name('first'));
    const refused = await ask('POST', '/provisioning', sameDatabase);
    assert.equal(refused.status, 409, refused.text);
    assert.equal(refused.body.errors[0].pointer, '/iwd/db/database');
    const sameKey = registration('second', databases.name('second'));
    sameKey.iwd.apiKeys.IWD_APIKEY_TENANT = 'tenant-key-of-first';
    assert.equal((await ask('POST', '/provisioning', sameKey)).status, 409);
    sameKey.iwd.apiKeys.IWD_APIKEY_TENANT = cluster;
    assert.equal((await ask('POST', '/provisioning', sameKey)).status, 409, 'nor one of the settings');
    assert.equal(
      (
        await query(process.env.TEST_DATABASE_URL!, 'SELECT FROM pg_database WHERE datname = $1', [
          databases.name('second'),
        ])
      ).length,
      0,
    );
    assert.equal((await ask('PUT', '/provisioning', registration('demo', databases.name('demo')))).status, 409);
  });

  test('services go one by one, the tenant goes with deleteTenant, and its database stays', async () => {
    const key = 'tenant-key-of-brief';
    const body = registration('brief', databases.name('brief'));
    await ask('POST', '/provisioning', body);
    const item = (await ask('POST', '/workitems', { captureId: 'kept' }, key)).body;
    assert.equal((await ask('DELETE', '/provisioning/brief')).body.errors[0].pointer, '?service');
    assert.equal((await ask('DELETE', '/provisioning/brief?deleteTenant=false')).status, 400);
    assert.equal((await ask('DELETE', '/provisioning/brief?service=nothing')).status, 400);
    assert.equal((await ask('DELETE', '/provisioning/nobody?deleteTenant=true')).status, 404);
    assert.equal((await ask('DELETE', '/provisioning/brief?service=iWD,iWDEmail')).status, 200);
    assert.equal((await ask('GET', '/workitems', undefined, key)).status, 401);
    await ask('PUT', '/provisioning', body);
    assert.equal((await ask('GET', `/workitems/${item.id}`, undefined, key)).body.captureId, 'kept');
    assert.equal((await ask('DELETE', '/provisioning/brief?deleteTenant=true')).status, 200);
    assert.equal((await ask('GET', '/workitems', undefined, key)).status, 401);
    const rows = await query(databaseUrl(databases.name('brief')), 'SELECT released FROM iwd.tenant_lease');
    assert.deepEqual(rows, [{ released: true }], 'the actor has gone and the database stays');
    assert.equal((await ask('DELETE', '/provisioning/demo?deleteTenant=true')).status, 409);
  });

  test('only the cluster key provisions', async () => {
    for (const key of [server.apiKey, 'tenant-key-of-own', 'mart-key-of-own-----']) {
      assert.equal((await ask('GET', '/provisioning', undefined, key)).status, 403);
      assert.equal((await ask('POST', '/provisioning', {}, key)).status, 403);
      assert.equal((await ask('DELETE', '/provisioning/own?deleteTenant=true', undefined, key)).status, 403);
    }
    assert.equal((await ask('GET', '/workitems')).status, 403, 'and it reads no tenant’s items');
  });

  test('keys are made, listed without themselves, used, narrowed by a role, and revoked at once', async () => {
    const admin = 'tenant-key-of-own';
    const made = await ask('POST', '/keys', { name: 'crm', role: 'Agent' }, admin);
    assert.equal(made.status, 201, made.text);
    const { id, key } = made.body;
    assert.equal((await ask('GET', '/queue', undefined, key)).status, 200);
    assert.equal((await ask('PUT', '/settings/categories', {}, key)).status, 403);
    const more = await ask('POST', '/keys', { name: 'more' }, key);
    assert.equal(more.status, 403, 'an agent’s key makes none');
    const listed = await ask('GET', '/keys', undefined, admin);
    assert.deepEqual(listed.body.keys.map(({ name }: { name: string }) => name).sort(), [
      'IWD_APIKEY_IWDDM',
      'IWD_APIKEY_TENANT',
      'crm',
    ]);
    assert.ok(!listed.text.includes(key));
    assert.equal((await ask('POST', '/keys', { name: 'crm' }, admin)).status, 409, 'one of this name is there');
    assert.equal(
      (await ask('POST', '/keys', { name: 'x', expiresDateTime: '2001-01-01T00:00:00Z' }, admin)).status,
      400,
    );
    assert.equal((await ask('DELETE', `/keys/${id}`, undefined, server.apiKey)).status, 404, 'not another tenant’s');
    assert.equal((await ask('DELETE', `/keys/${id}`, undefined, admin)).status, 204);
    assert.equal((await ask('GET', '/queue', undefined, key)).status, 401);
  });

  test('the cluster has keys of its own, which are not those of any tenant', async () => {
    const made = await ask('POST', '/provisioning/keys', { name: 'pipeline' });
    assert.equal(made.status, 201, made.text);
    assert.equal((await ask('GET', '/provisioning', undefined, made.body.key)).status, 200);
    assert.equal((await ask('DELETE', `/provisioning/keys/${made.body.id}`, undefined, made.body.key)).status, 204);
    assert.equal((await ask('GET', '/provisioning', undefined, made.body.key)).status, 401);
  });

  test('after a restart, and after a crash, tenants and keys are what they were', async () => {
    await server.server.stop();
    await server.restart();
    assert.equal((await ask('GET', '/workitems', undefined, 'tenant-key-of-own')).body.items.length, 1);
    await server.server.kill();
    await server.restart();
    assert.equal((await ask('GET', '/workitems', undefined, 'tenant-key-of-own')).body.items.length, 1);
    assert.equal((await ask('GET', '/workitems', undefined, 'tenant-key-of-brief')).status, 401);
  });
});
