import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import pg from 'pg';
import type { Lease, TenantStores } from '../../actors/ports.js';
import { events, history, item, owner, projection } from '../conformance/sample.js';
import { missing, query } from '../conformance/test-database.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded/postgres.js';
import { MemorySnapshotStore } from '../memory/snapshot-store.js';
import { migrate } from './migrations.js';
import { openTenantStores } from './tenant-database.js';

/** On a Postgres of its own: these tests change its settings, stop its processes and take it away. */
describe('when Postgres is in trouble', { skip: missing('TEST_DATABASE_URL') }, () => {
  let dir: string;
  let server: EmbeddedPostgres;
  let stores: TenantStores;
  let lease: Lease;
  let disconnects: number;
  /** Another session; each test gives back what it holds. */
  let other: pg.Client;

  const startServer = () =>
    startEmbeddedPostgres({ dataDir: join(dir, 'data'), logger: { info() {} }, endWithUs: true });
  const open = (tenantId = 'demo') =>
    openTenantStores({
      databaseUrl: server.url,
      tenantId,
      snapshots: new MemorySnapshotStore(),
      onDisconnect: () => disconnects++,
    });

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'iwd-trouble-'));
    server = await startServer();
  });
  after(async () => {
    await server.stop();
    rmSync(dir, { recursive: true });
  });

  beforeEach(async () => {
    disconnects = 0;
    await query(server.url, 'DROP SCHEMA IF EXISTS iwd CASCADE');
    await migrate(server.url);
    other = new pg.Client(server.url);
    other.on('error', () => {});
    await other.connect();
    stores = await open();
    lease = (await stores.lease.acquire(await stores.lease.view(), owner('a')))!;
  });
  afterEach(async () => {
    await stores.close();
    await other.end();
  });

  /** Number of the session that waits for what `event` names; asks until there is one. */
  async function waiting(event: 'SyncRep' | 'transactionid' | 'relation'): Promise<number> {
    for (;;) {
      const text = 'SELECT pid FROM pg_stat_activity WHERE wait_event = $1 AND datname = current_database()';
      const [row] = (await other.query(text, [event])).rows as { pid: number }[];
      if (row) return row.pid;
    }
  }

  const journalSeqs = async () => (await stores.journal.read(0, 10)).map(({ seq }) => seq);

  test('a session that is ended during the commit leaves it unknown; a renewed lease says what became of it', async () => {
    await other.query('BEGIN');
    await other.query('UPDATE iwd.tenant_lease SET hb = hb');
    const commit = stores.journal.commit(lease, events(1, 2));
    await other.query('SELECT pg_terminate_backend($1)', [await waiting('transactionid')]);
    assert.equal((await commit).kind, 'unknown');
    await other.query('ROLLBACK');
    const renewed = await stores.lease.renew(lease, owner('again'));
    assert.deepEqual(renewed, { epoch: 2, ownerToken: owner('again').token, lastSeq: 0 });
    assert.deepEqual(await stores.journal.commit(renewed!, events(1, 2)), { kind: 'committed' });
    assert.deepEqual(await journalSeqs(), [1]);
  });

  test('a commit that Postgres answers too late is unknown, and cannot land after the lease was renewed', async () => {
    const [backend] = await query(
      server.url,
      "SELECT pid FROM pg_stat_activity WHERE query LIKE 'UPDATE iwd.tenant_lease%' AND pid <> pg_backend_pid()",
    );
    const pid = backend?.pid as number;
    process.kill(pid, 'SIGSTOP');
    assert.equal((await stores.journal.commit(lease, events(1, 1))).kind, 'unknown');
    const renewed = await stores.lease.renew(lease, owner('again'));
    assert.equal(renewed?.epoch, 2);
    process.kill(pid, 'SIGCONT');
    const gone = 'SELECT FROM pg_stat_activity WHERE pid = $1';
    while ((await other.query(gone, [pid])).rowCount !== 0);
    assert.deepEqual(await journalSeqs(), [], 'the late statement met the new epoch');
    assert.deepEqual(await stores.journal.commit(renewed!, events(1, 1)), { kind: 'committed' });
  });

  test('a cancelled wait for the synchronous standby is unknown, and no renewal, although Postgres reports success', async () => {
    const standbys = async (names: string) => {
      await other.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
      await other.query('SELECT pg_reload_conf()');
    };
    await standbys('nobody');
    try {
      // The setting reaches a session when it next reads its configuration: here it has, once the commit waits.
      const commit = stores.journal.commit(lease, events(1, 1));
      await other.query('SELECT pg_cancel_backend($1)', [await waiting('SyncRep')]);
      const outcome = await commit;
      assert.equal(outcome.kind, 'unknown');
      assert.match(outcome.kind === 'unknown' ? outcome.cause : '', /synchronous replication/);
      // The renewal waits for the standby too: taking it for done would let the journal answer for the commit.
      const refused = assert.rejects(stores.lease.renew(lease, owner('again')), /synchronous replication/);
      await other.query('SELECT pg_cancel_backend($1)', [await waiting('SyncRep')]);
      await refused;
    } finally {
      await standbys('');
    }
    const renewed = await stores.lease.renew(lease, owner('again'));
    assert.equal(renewed?.lastSeq, 1, 'it was durable here, and the renewed lease knows');
  });

  test('a frozen transaction on the lease refuses one commit and is ended by it: the next one goes through', async () => {
    await other.query('BEGIN');
    await other.query('UPDATE iwd.tenant_lease SET hb = hb');
    const outcome = await stores.journal.commit(lease, events(1, 1));
    assert.equal(outcome.kind === 'refused' && outcome.transient && outcome.sqlState, '55P03');
    await assert.rejects(other.query('SELECT 1'));
    assert.deepEqual(await stores.journal.commit(lease, events(1, 1)), { kind: 'committed' });
  });

  test('a frozen transaction on the lease is ended when the lease is renewed', async () => {
    await other.query('BEGIN');
    await other.query('UPDATE iwd.tenant_lease SET hb = hb');
    const renewed = await stores.lease.renew(lease, owner('again'));
    assert.equal(renewed?.epoch, 2);
    await assert.rejects(other.query('SELECT 1'));
  });

  test('a read whose session is ended is asked again on a fresh one', async () => {
    await stores.journal.commit(lease, events(1, 1));
    assert.deepEqual(await journalSeqs(), [1]);
    await other.query('BEGIN');
    await other.query('LOCK TABLE iwd.journal');
    const seqs = journalSeqs();
    await other.query('SELECT pg_terminate_backend($1)', [await waiting('relation')]);
    await other.query('ROLLBACK');
    assert.deepEqual(await seqs, [1]);
  });

  test('a connection that is lost while idle is reported once, and the next commit gets a fresh one', async () => {
    const text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'iwd'";
    await other.query(text);
    while (disconnects === 0) await new Promise(setImmediate);
    assert.deepEqual(await stores.journal.commit(lease, events(1, 1)), { kind: 'committed' });
    assert.equal(disconnects, 1);
    assert.deepEqual(await journalSeqs(), [1]);
  });

  test('a projection that holds a value Postgres refuses says so and changes nothing; the next one goes through', async () => {
    const bad = { items: [item(1), item(2, { captureId: 'a\u0000b' })], history: [history(1, 1)] };
    const sqlState = (error: unknown) => error instanceof pg.DatabaseError && /^22/.test(error.code ?? '');
    await assert.rejects(stores.projection.project(projection(0, 2, bad)), sqlState);
    assert.equal(await stores.projection.cursor(), 0);
    assert.equal(await stores.projection.project(projection(0, 2, { items: [item(1)] })), true);
  });

  test('a database that holds another tenant, or no tables, is refused', async () => {
    await assert.rejects(open('stranger'), /belongs to another tenant than stranger/);
    await stores.close();
    await query(server.url, 'DROP SCHEMA iwd CASCADE');
    await assert.rejects(open(), /tenant_lease/);
  });

  test('a server that may lose acknowledged work is refused with what to change', async () => {
    for (const [setting, value, advice] of [
      ['synchronous_commit', 'off', /synchronous_commit = off/],
      ['synchronous_commit', 'local', /synchronous_commit = local/],
    ] as const) {
      await other.query(`ALTER DATABASE iwd SET ${setting} = ${value}`);
      await assert.rejects(open(), advice);
      await other.query(`ALTER DATABASE iwd RESET ${setting}`);
    }
  });

  test('without Postgres a commit is refused for now, never unknown; with it back, work goes on', async () => {
    await server.stop();
    while (disconnects === 0) await new Promise(setImmediate);
    const outcome = await stores.journal.commit(lease, events(1, 1));
    assert.equal(outcome.kind === 'refused' && outcome.transient && outcome.sqlState, '08001');
    await assert.rejects(open());
    server = await startServer();
    // A database that was away is not asked at every turn.
    const backAt = performance.now();
    let again = outcome;
    while (again.kind === 'refused') again = await stores.journal.commit(lease, events(1, 1));
    assert.deepEqual(again, { kind: 'committed' });
    assert.ok(performance.now() - backAt < 1100);
  });
});
