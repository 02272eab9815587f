import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { missing, query } from '../stores/conformance/test-database.js';
import { runProgram } from './program.js';
import { call, registration, TestDatabases } from './provisioning-call.js';
import { bareEnvironment, freePort, type ServerProcess, startServerProcess } from './server-process.js';

describe('a server with a database of its own', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  const cluster = 'cluster-key-of-this-test';
  const masterKey = randomBytes(32).toString('hex');
  const url = (name: string) =>
    Object.assign(new URL(process.env.TEST_DATABASE_URL!), { pathname: `/${databases.name(name)}` }).href;
  const environment = { DATABASE_URL: url('cluster'), IWD_HOST: '127.0.0.1', IWD_CLUSTER_APIKEY: cluster };
  const servers: ServerProcess[] = [];
  const start = async (extra: NodeJS.ProcessEnv = {}) => {
    const server = await startServerProcess({ ...environment, ...extra });
    servers.push(server);
    return server;
  };
  const body = registration('acme', databases.name('acme'));

  before(() => query(process.env.TEST_DATABASE_URL!, `CREATE DATABASE "${databases.name('cluster')}"`));
  after(async () => {
    for (const server of servers) await server.stop();
    await databases.drop();
  });

  test('starts without a master key, makes none, and says what provisioning lacks', async () => {
    const server = await start();
    const refused = await call(server, cluster, 'POST', '/provisioning', body);
    assert.equal(refused.status, 503);
    assert.equal(refused.body.code, 'not-configured');
    assert.match(refused.body.detail, /set IWD_MASTER_KEY or IWD_MASTER_KEY_FILE/);
    await server.stop();
  });

  test('provisions with one, and migrates a tenant’s database before it serves it', async () => {
    const server = await start({ IWD_MASTER_KEY: masterKey });
    assert.equal((await call(server, cluster, 'POST', '/provisioning', body)).status, 200);
    assert.equal((await call(server, 'tenant-key-of-acme', 'POST', '/workitems', { captureId: 'old' })).status, 201);
    await server.server.stop();
    await query(url('acme'), 'ALTER SCHEMA iwd RENAME TO iwd_before');
    await server.restart();
    const items = await call(server, 'tenant-key-of-acme', 'GET', '/workitems');
    assert.deepEqual([items.status, items.body.items], [200, []]);
    await server.stop();
  });

  test('does not start when it cannot open what the registry holds, and names the key and the setting', async () => {
    const env = { ...bareEnvironment(), ...environment, IWD_PORT: `${await freePort()}`, IWD_LOG_LEVEL: 'fatal' };
    for (const extra of [{}, { IWD_MASTER_KEY: randomBytes(32).toString('base64') }]) {
      const { code, stdout } = await runProgram('bin/server.js', [], { env: { ...env, ...extra } });
      assert.equal(code, 1);
      assert.match(stdout, /sealed with master key [0-9a-f]{16}.*set IWD_MASTER_KEY or IWD_MASTER_KEY_FILE/);
      assert.ok(!stdout.includes(masterKey));
    }
  });
});
