import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missing, query } from '../stores/conformance/test-database.js';
import { runProgram } from './program.js';
import { call, registration, TestDatabases, testPostgres } from './provisioning-call.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

describe('the iwd command', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  let server: ServerProcess;
  const iwd = (...args: string[]) => runProgram('bin/iwd.js', args, { env: { ...server.env, IWD_URL: server.url } });
  const databaseUrl = (name: string) =>
    Object.assign(new URL(process.env.TEST_DATABASE_URL!), { pathname: `/${name}` }).href;

  before(async () => {
    // Without IWD_CLUSTER_APIKEY: the first start makes one, and the command finds it in the data folder.
    server = await startServerProcess();
  });
  after(async () => {
    await server?.stop();
    await databases.drop();
  });

  test('the first start has printed the cluster’s key and keeps it for its owner only', () => {
    const path = join(server.dataDir, 'cluster-apikey');
    const key = readFileSync(path, 'utf8').trim();
    assert.match(key, /^iwd_[\w-]{32}$/);
    assert.ok(server.server.output.includes(key));
    for (const name of ['cluster-apikey', 'master-key']) {
      assert.equal(statSync(join(server.dataDir, name)).mode & 0o777, 0o600, name);
    }
  });

  test('adds a tenant by options, whose keys it prints once, and by the body of the guide', async () => {
    const { host, port, user } = testPostgres();
    const passwordFile = join(server.dataDir, 'password');
    writeFileSync(passwordFile, 'any\n');
    chmodSync(passwordFile, 0o600);
    const where = ['--host', host, '--port', `${port}`, '--user', user, '--password-file', passwordFile];
    const added = await iwd('tenant', 'add', '--ccid', 'acme', '--database', databases.name('acme'), ...where);
    assert.equal(added.code, 0, added.stderr);
    const key = /IWD_APIKEY_TENANT=(\S+)/.exec(added.stdout)![1]!;
    assert.equal((await call(server, key, 'POST', '/workitems', { captureId: 'cli' })).status, 201);

    const file = join(server.dataDir, 'body.json');
    writeFileSync(file, JSON.stringify(registration('umbrella', databases.name('umbrella'))));
    assert.equal((await iwd('tenant', 'add', file)).stdout, 'provisioned\n');
    assert.equal((await call(server, 'tenant-key-of-umbrella', 'GET', '/workitems')).status, 200);
  });

  test('lists tenants and says why it cannot do what it is asked', async () => {
    const listed = await iwd('tenant', 'list');
    assert.match(listed.stdout, /^acme +serving +acme +\S+_acme$/m);
    assert.match(listed.stdout, /^demo +serving +demo +the server's own database$/m);
    const json = (await iwd('tenant', 'list', '--json')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      json.map(({ ccid }) => ccid),
      ['acme', 'demo', 'umbrella'],
    );

    const file = join(server.dataDir, 'wrong.json');
    writeFileSync(file, '{"tenant":{}}');
    const refused = await iwd('tenant', 'add', file);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /refused \(400\).*\n {2}\/tenant\/ccid: tenant\/ccid is required/s);
    assert.match((await iwd('tenant', 'add', '--ccid', 'x')).stderr, /--host too/);
    assert.match((await iwd('tenant', 'list', '--url', 'http://127.0.0.1:1')).stderr, /does not answer/);
  });

  test('migrates the registry and every tenant one after another, with progress', async () => {
    const gone = databaseUrl(databases.name('umbrella'));
    await query(gone, 'DELETE FROM iwd.migration');
    await query(gone, 'ALTER SCHEMA iwd RENAME TO iwd_before');
    const migrated = await iwd('migrate');
    assert.equal(migrated.code, 0, migrated.stderr);
    assert.match(migrated.stdout, /^1 of 3: acme: nothing to do$/m);
    assert.match(migrated.stdout, /^3 of 3: umbrella: 0001_tables\.sql$/m);
    assert.match(migrated.stdout, /all is at the newest schema\n$/);
  });

  test('removes a tenant and leaves its database', async () => {
    assert.match((await iwd('tenant', 'remove', 'umbrella')).stdout, /removed umbrella; its database stays/);
    assert.equal((await call(server, 'tenant-key-of-umbrella', 'GET', '/workitems')).status, 401);
    assert.equal((await query(databaseUrl(databases.name('umbrella')), 'SELECT 1 AS one')).length, 1);
    assert.match((await iwd('tenant', 'remove', 'umbrella')).stderr, /refused \(404\)/);
  });

  test('rotates the master key of the embedded default, and the tenants are there after it', async () => {
    const path = join(server.dataDir, 'master-key');
    const before = readFileSync(path, 'utf8');
    const rotated = await iwd('secrets', 'rotate', '--new');
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.match(rotated.stdout, /2 secrets sealed again/);
    assert.notEqual(readFileSync(path, 'utf8'), before);
    assert.equal(readFileSync(path, 'utf8').split('\n').length, before.split('\n').length, 'the old key is gone');
    // The server that runs has the old key: it serves on, and seals nothing with it.
    const key = readFileSync(join(server.dataDir, 'cluster-apikey'), 'utf8').trim();
    const late = await call(server, key, 'PUT', '/provisioning', registration('late', databases.name('late')));
    assert.equal(late.body.code, 'not-configured', late.text);
    await server.server.stop();
    await server.restart();
    assert.match((await iwd('tenant', 'list')).stdout, /^acme +serving/m);
    assert.equal(
      (await call(server, key, 'PUT', '/provisioning', registration('late', databases.name('late')))).status,
      200,
    );
  });
});
