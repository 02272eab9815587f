import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { DirectoryConflict, MasterKeyMissing, type Registration } from '../../../actors/ports/tenant-directory.js';
import { missing, query, testDatabase } from '../../conformance/test-database.js';
import { clusterMigrations, migrate } from '../migrations.js';
import { SealBroken, Sealer } from './sealer.js';
import { PostgresTenantDirectory } from './tenant-directory.js';

const anna = { name: 'anna', from: '10.1.2.3' };
const digest = (key: string) => hash('sha256', key, 'buffer');

function registration(id: string, change: Partial<Registration> = {}): Registration {
  return {
    id,
    shortId: '100',
    name: 't100',
    apiKey: `canary-dc-${id}`,
    gws: {
      config: { gwsUrl: 'http://gws' },
      secrets: { clientId: 'iwd', clientSecret: `canary-client-${id}`, token: `canary-token-${id}` },
    },
    iwd: {
      url: 'http://iwd:4024',
      db: { host: 'db.example', port: 5432, database: `iwd-${id}`, user: 'iwd', ssl: false },
      password: `canary-password-${id}`,
    },
    iwdEmail: { url: 'N/A' },
    keys: { IWD_APIKEY_TENANT: `canary-key-${id}`, IWD_APIKEY_IWDDM: `canary-mart-${id}` },
    ...change,
  };
}

describe('tenant directory', { skip: missing('TEST_DATABASE_URL') }, () => {
  const database = testDatabase();
  const masterKey = randomBytes(32);
  let directory: PostgresTenantDirectory;
  const opened: PostgresTenantDirectory[] = [];
  const open = (sealer: Sealer | undefined) => {
    const one = new PostgresTenantDirectory(database.url, sealer);
    opened.push(one);
    return one;
  };

  before(async () => {
    if (!database.url) return;
    await migrate(database.url, undefined, clusterMigrations);
    directory = open(new Sealer(masterKey));
  });
  after(() => Promise.all(opened.map((one) => one.close())));

  test('what was put is there without its secrets, its keys work by their digests, and its database is known', async () => {
    assert.equal(await directory.put(registration('a'), anna), 'created');
    const { tenants, keys } = await directory.load();
    const tenant = tenants.find(({ id }) => id === 'a')!;
    assert.deepEqual(
      { ...tenant, createdAt: 0, updatedAt: 0 },
      {
        ...{ id: 'a', shortId: '100', name: 't100', quotas: {}, createdAt: 0, updatedAt: 0 },
        services: {
          GAPI: { gwsUrl: 'http://gws' },
          iWD: { url: 'http://iwd:4024', db: registration('a').iwd.db },
          iWDEmail: { url: 'N/A' },
        },
      },
    );
    assert.ok(Math.abs(tenant.createdAt - Date.now()) < 60_000);
    const found = keys.find((key) => key.digest.equals(digest('canary-key-a')))!;
    assert.equal(found.tenantId, 'a');
    assert.equal(found.scope, 'tenant');
    assert.equal(keys.find((key) => key.digest.equals(digest('canary-mart-a')))!.scope, 'datamart');
    assert.equal(
      await directory.databaseUrl('a'),
      'postgresql://iwd:canary-password-a@db.example:5432/iwd-a?sslmode=disable',
    );
  });

  test('the same again changes nothing, another value only its part, and the revision tells others', async () => {
    const before = await directory.revision();
    assert.equal(await directory.put(registration('a'), anna), 'unchanged');
    assert.equal(await directory.revision(), before);
    const changed = registration('a', { iwd: { ...registration('a').iwd, password: 'canary-other' } });
    assert.equal(await directory.put(changed, anna), 'updated');
    assert.ok((await directory.revision()) > before);
    assert.match((await directory.databaseUrl('a'))!, /canary-other@/);
    assert.equal(await directory.put(changed, anna), 'unchanged');
  });

  test('quotas that are left out stay, and those that are given replace', async () => {
    const quotasOf = async () => (await directory.load()).tenants.find(({ id }) => id === 'a')!.quotas;
    assert.equal(await directory.put(registration('a', { quotas: { requestsPerSecond: 5 } }), anna), 'updated');
    await directory.put(registration('a'), anna);
    assert.deepEqual(await quotasOf(), { requestsPerSecond: 5 });
    await directory.put(registration('a', { quotas: {} }), anna);
    assert.deepEqual(await quotasOf(), {});
  });

  test('a key that the body no longer names is dead, and the one that replaces it works', async () => {
    await directory.put(registration('a', { keys: { IWD_APIKEY_TENANT: 'canary-key-a2' } }), anna);
    const digests = (await directory.load()).keys.map((key) => key.digest.toString('hex'));
    assert.ok(digests.includes(digest('canary-key-a2').toString('hex')));
    for (const old of ['canary-key-a', 'canary-mart-a']) assert.ok(!digests.includes(digest(old).toString('hex')), old);
  });

  test('a key or a database of another tenant is refused by its pointer, and nothing of the call stays', async () => {
    await directory.put(registration('a'), anna);
    const content = JSON.stringify(await directory.load());
    const conflict = (pointer: string) => (error: unknown) =>
      error instanceof DirectoryConflict && error.pointer === pointer;
    await assert.rejects(
      directory.put(registration('b', { keys: { IWD_APIKEY_TENANT: 'canary-key-a' } }), anna),
      conflict('/iwd/apiKeys/IWD_APIKEY_TENANT'),
    );
    await assert.rejects(
      directory.put(registration('b', { iwd: registration('a').iwd }), anna),
      conflict('/iwd/db/database'),
    );
    assert.equal(JSON.stringify(await directory.load()), content);
  });

  test('services and tenants go, and with the iWD service its keys', async () => {
    await directory.put(registration('gone'), anna);
    assert.equal(await directory.removeServices('gone', ['iWD', 'iWDEmail'], anna), true);
    let content = await directory.load();
    assert.deepEqual(Object.keys(content.tenants.find(({ id }) => id === 'gone')!.services), ['GAPI']);
    assert.ok(content.keys.every(({ tenantId }) => tenantId !== 'gone'));
    assert.equal(await directory.databaseUrl('gone'), undefined);
    assert.equal(await directory.put(registration('gone'), anna), 'updated');
    assert.equal(await directory.remove('gone', anna), true);
    assert.equal(await directory.remove('gone', anna), false);
    assert.equal(await directory.removeServices('gone', ['iWD'], anna), false);
    content = await directory.load();
    assert.ok(content.tenants.every(({ id }) => id !== 'gone'));
  });

  test('the tenant of the own database has no address here and cannot be provisioned over', async () => {
    await directory.ensureOwnTenant('demo');
    const before = await directory.revision();
    await directory.ensureOwnTenant('demo');
    assert.equal(await directory.revision(), before);
    assert.equal(await directory.databaseUrl('demo'), undefined);
    await assert.rejects(directory.put(registration('demo'), anna), DirectoryConflict);
  });

  test('keys are made, listed without themselves, used, and revoked for good', async () => {
    const made = await directory.addKey(
      {
        ...{
          tenantId: 'a',
          name: 'crm',
          scope: 'tenant',
          role: 'Agent',
          digest: digest('canary-made'),
          createdBy: 'anna',
        },
        ...{ expiresAt: Date.now() + 60_000 },
      },
      anna,
    );
    const usable = async () => (await directory.load()).keys.some((key) => key.id === made.id);
    assert.ok(await usable());
    const listed = (await directory.keys('a', 10)).find(({ id }) => id === made.id)!;
    assert.deepEqual(listed, made);
    assert.equal(listed.lastUsedAt, null);
    await directory.touchKeys(new Map([[made.id, 5000]]));
    await directory.touchKeys(new Map([[made.id, 4000]]));
    assert.equal((await directory.keys('a', 10)).find(({ id }) => id === made.id)!.lastUsedAt, 5000);
    assert.equal(await directory.revokeKey('b', made.id, anna), false, 'not another tenant’s');
    assert.ok(await usable());
    assert.equal(await directory.revokeKey('a', made.id, anna), true);
    assert.ok(!(await usable()));
    assert.ok((await directory.keys('a', 10)).find(({ id }) => id === made.id)!.revokedAt !== null);
  });

  test('a name twice is refused, a key of another tenant too, and an expired key is not usable', async () => {
    const key = { tenantId: 'a', scope: 'tenant', role: null } as const;
    await directory.addKey({ ...key, name: 'erp', digest: digest('canary-1'), expiresAt: null }, anna);
    await assert.rejects(
      directory.addKey({ ...key, name: 'erp', digest: digest('canary-2'), expiresAt: null }, anna),
      DirectoryConflict,
    );
    const old = await directory.addKey(
      { ...key, name: 'old', digest: digest('canary-3'), expiresAt: Date.now() - 1 },
      anna,
    );
    assert.ok((await directory.load()).keys.every(({ id }) => id !== old.id));
  });

  test('two servers that start at once make one first key of the cluster', async () => {
    const others = [open(undefined), open(undefined)];
    const made = await Promise.all(others.map((one, n) => one.addFirstClusterKey(digest(`cluster-${n}`))));
    assert.deepEqual(made.sort(), [false, true]);
  });

  test('without a master key the registry is read, and nothing that needs one is done', async () => {
    const blind = open(undefined);
    assert.equal((await blind.load()).tenants.length, (await directory.load()).tenants.length);
    await assert.rejects(blind.databaseUrl('a'), MasterKeyMissing);
    assert.throws(() => blind.put(registration('c'), anna), MasterKeyMissing);
  });

  test('with another master key nothing opens, and a server with the old one does not seal after a rotation', async () => {
    const other = open(new Sealer(randomBytes(32)));
    await assert.rejects(other.databaseUrl('a'), SealBroken);
    await assert.rejects(other.put(registration('c'), anna), MasterKeyMissing);
    assert.deepEqual(await directory.masterKeyIds(), [new Sealer(masterKey).keyId]);
  });

  test('no secret stands in any column of the registry in the clear', async () => {
    const tables = await query(database.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'iwd_cluster'");
    const dumps = await Promise.all(
      tables.map(({ tablename }) => query(database.url, `SELECT t::text AS row FROM iwd_cluster.${tablename} t`)),
    );
    const text = dumps
      .flat()
      .map(({ row }) => String(row))
      .join('\n');
    assert.ok(text.includes('db.example'), 'the dump is not empty');
    assert.ok(!text.includes('canary'));
    assert.ok(!text.includes(Buffer.from('canary').toString('hex')));
  });
});
