import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Registration, RegistryBusy } from '../actors/ports/tenant-directory.js';
import type { TenantConfig } from '../actors/ports.js';
import { KeyRing } from '../api/key-ring.js';
import { missing, query, testDatabase } from '../stores/conformance/test-database.js';
import { Sealer } from '../stores/postgres/cluster/sealer.js';
import { PostgresTenantDirectory } from '../stores/postgres/cluster/tenant-directory.js';
import { clusterMigrations, migrate } from '../stores/postgres/migrations.js';
import { prepareDatabase } from '../stores/postgres/prepared-database.js';
import { LiveRegistry } from './live-registry.js';

const operator = { name: 'operator' };
const masterKey = randomBytes(32);
const prefix = `iwd_live_${randomBytes(4).toString('hex')}`;

/** One server's share of a cluster: its own connection, ring of keys, and a list of what it would serve. */
class Process {
  readonly served = new Map<string, TenantConfig>();
  readonly keys: KeyRing;
  readonly directory: PostgresTenantDirectory;
  readonly registry: LiveRegistry;

  constructor(databaseUrl: string) {
    this.directory = new PostgresTenantDirectory(databaseUrl, new Sealer(masterKey));
    this.keys = new KeyRing(() => this.registry.refresh());
    this.registry = new LiveRegistry({
      directory: this.directory,
      host: {
        addTenant: (tenant) => void this.served.set(tenant.id, tenant),
        removeTenant: async (id) => this.served.delete(id),
      },
      ownDatabaseUrl: databaseUrl,
      prepare: ({ id, iwd }) => prepareDatabase(id, { ...iwd.db, password: iwd.password }, 10_000),
      onKeys: (keys) => this.keys.replace(keys),
      takeUses: () => this.keys.takeUses(),
      log: () => {},
    });
  }
}

function registration(id: string): Registration {
  const url = new URL(process.env.TEST_DATABASE_URL!);
  const host = url.searchParams.get('host') ?? url.hostname;
  const port = Number(url.searchParams.get('port') ?? (url.port || 5432));
  const database = `${prefix}_${id}`;
  return {
    ...{ id, shortId: id, name: id, apiKey: 'none', iwdEmail: { url: 'N/A' } },
    iwd: {
      url: 'N/A',
      db: { host, port, database, user: decodeURIComponent(url.username), ssl: false },
      password: decodeURIComponent(url.password) || 'any',
    },
    keys: { IWD_APIKEY_TENANT: `key-of-tenant-${id}` },
  };
}

describe('the registry as several servers live it', { skip: missing('TEST_DATABASE_URL') }, () => {
  const database = testDatabase();
  const server = process.env.TEST_DATABASE_URL!;
  let [one, two]: Process[] = [];

  before(async () => {
    if (!database.url) return;
    await migrate(database.url, undefined, clusterMigrations);
    [one, two] = [new Process(database.url), new Process(database.url)];
    await Promise.all([one.registry.start(60_000), two.registry.start(60_000)]);
  });
  after(async () => {
    for (const each of [one, two]) await each?.registry.stop().then(() => each.directory.close());
    const rows = await query(server, 'SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [prefix]);
    for (const { datname } of rows) await query(server, `DROP DATABASE "${datname}" WITH (FORCE)`);
  });

  test('what one server provisions is in force there at its answer, and at another when its key first comes', async () => {
    assert.equal(await one!.registry.put(registration('a'), operator), 'created');
    assert.equal(one!.keys.findByKey('key-of-tenant-a')?.tenantId, 'a');
    assert.match(one!.served.get('a')!.databaseUrl, new RegExp(`/${prefix}_a\\?`));
    assert.equal(two!.keys.findByKey('key-of-tenant-a'), undefined);
    assert.equal((await two!.keys.findMissing('key-of-tenant-a'))?.tenantId, 'a');
    assert.deepEqual(two!.served.get('a'), one!.served.get('a'));
  });

  test('a key that one server revokes is dead there at once and elsewhere with the next look', async () => {
    const [key] = await one!.directory.keys('a', 1);
    assert.equal(await one!.registry.revokeKey('a', key!.id, operator), true);
    assert.equal(one!.keys.findByKey('key-of-tenant-a'), undefined);
    await two!.registry.refresh();
    assert.equal(two!.keys.findByKey('key-of-tenant-a'), undefined);
  });

  test('both servers provision the same tenant at the same time, and it is there once', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, n) => (n % 2 ? one : two)!.registry.put(registration('b'), operator)),
    );
    assert.deepEqual(
      results.filter((result) => result !== 'unchanged'),
      ['created'],
    );
    assert.ok(one!.served.has('b'));
    await two!.registry.refresh();
    assert.ok(two!.served.has('b'));
  });

  test('more changes at once than may wait are refused, and those that wait are done', async () => {
    const all = await Promise.allSettled(
      Array.from({ length: 40 }, () => one!.registry.put(registration('b'), operator)),
    );
    const refused = all.filter((one) => one.status === 'rejected');
    assert.equal(refused.length, 24);
    for (const { reason } of refused) assert.ok(reason instanceof RegistryBusy);
  });

  test('a provisioning whose registration fails after the database was made takes the database back', async () => {
    const other = new Process(database.url);
    other.directory.put = () => Promise.reject(new Error('the registry went away'));
    await assert.rejects(other.registry.put(registration('c'), operator), /went away/);
    const rows = await query(server, 'SELECT FROM pg_database WHERE datname = $1', [`${prefix}_c`]);
    assert.equal(rows.length, 0);
    await other.directory.close();
    assert.equal(await one!.registry.put(registration('c'), operator), 'created', 'and may be repeated');
  });

  test('a tenant that is removed leaves every server, its keys first', async () => {
    await one!.registry.remove('b', operator);
    assert.ok(!one!.served.has('b'));
    await two!.registry.refresh();
    assert.ok(!two!.served.has('b'));
    assert.equal(two!.keys.findByKey('key-of-tenant-b'), undefined);
  });

  test('uses of keys reach the registry when a server stops at the latest', async () => {
    one!.keys.findByKey('key-of-tenant-c');
    await one!.registry.stop();
    const [key] = await one!.directory.keys('c', 1);
    assert.ok(Math.abs(key!.lastUsedAt! - Date.now()) < 60_000);
  });

  test('each change is a line of the cluster’s audit log, in the same transaction', async () => {
    const rows = await query(database.url, 'SELECT type, tenant_id FROM iwd_cluster.audit ORDER BY seq');
    const lines = rows.map(({ type, tenant_id }) => `${type} ${tenant_id}`);
    assert.deepEqual(lines, [
      ...['tenantProvisioned a', 'keyRevoked a', 'tenantProvisioned b', 'tenantProvisioned c', 'tenantRemoved b'],
    ]);
  });
});
