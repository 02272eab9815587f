import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { MasterKeyMissing, type Registration } from '../../../actors/ports/tenant-directory.js';
import { missing, testDatabase } from '../../conformance/test-database.js';
import { clusterMigrations, migrate } from '../migrations.js';
import { resealAll } from './reseal.js';
import { SealBroken, Sealer } from './sealer.js';
import { PostgresTenantDirectory } from './tenant-directory.js';

const operator = { name: 'operator' };

function registration(id: string): Registration {
  return {
    ...{ id, shortId: id, name: id, apiKey: `dc-${id}`, iwdEmail: { url: 'N/A' } },
    gws: { config: {}, secrets: { token: `token-${id}` } },
    iwd: {
      url: 'N/A',
      db: { host: 'h', port: 5432, database: id, user: 'u', ssl: true },
      password: `password-${id}`,
    },
    keys: { IWD_APIKEY_TENANT: `key-of-tenant-${id}` },
  };
}

describe('rotation of the master key', { skip: missing('TEST_DATABASE_URL') }, () => {
  const database = testDatabase();
  const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
  const opened: PostgresTenantDirectory[] = [];
  const open = (...keys: [Buffer, ...Buffer[]]) => {
    const directory = new PostgresTenantDirectory(database.url, new Sealer(...keys));
    opened.push(directory);
    return directory;
  };

  before(async () => {
    if (!database.url) return;
    await migrate(database.url, undefined, clusterMigrations);
    for (const id of ['a', 'b', 'c']) await open(oldKey).put(registration(id), operator);
  });
  after(() => Promise.all(opened.map((one) => one.close())));

  test('interrupted after any row it goes on where it was, and both keys together open everything meanwhile', async () => {
    const both = new Sealer(newKey, oldKey);
    const interrupted = (done: number) => {
      if (done === 4) throw new Error('interrupted');
    };
    await assert.rejects(resealAll(database.url, both, interrupted), /interrupted/);
    const ids = [new Sealer(oldKey).keyId, new Sealer(newKey).keyId].sort();
    assert.deepEqual((await open(newKey).masterKeyIds()).sort(), ids);
    for (const id of ['a', 'b', 'c']) assert.match((await open(newKey, oldKey).databaseUrl(id))!, /password-/);
    assert.equal(await resealAll(database.url, both), 5, 'a tenant, its GWS and its iWD have secrets: 9 rows in all');
    assert.equal(await resealAll(database.url, both), 0);
    assert.deepEqual(await open(newKey).masterKeyIds(), [new Sealer(newKey).keyId]);
  });

  test('afterwards the new key alone opens everything and finds nothing changed, the old one opens nothing', async () => {
    assert.equal(await open(newKey).put(registration('a'), operator), 'unchanged');
    await assert.rejects(open(oldKey).databaseUrl('a'), SealBroken);
  });

  test('a server that was not restarted does not seal with the old key any more', async () => {
    await assert.rejects(open(oldKey).put(registration('d'), operator), MasterKeyMissing);
  });

  test('a secret whose key is lost stops the rotation with its place, and provisioning again heals it', async () => {
    const lost = randomBytes(32);
    await assert.rejects(
      resealAll(database.url, new Sealer(lost)),
      /secret tenant of tenant a is sealed with master key/,
    );
    const healer = open(lost);
    for (const id of ['a', 'b', 'c']) assert.equal(await healer.put(registration(id), operator), 'updated');
    assert.equal(await resealAll(database.url, new Sealer(lost)), 0);
  });
});
