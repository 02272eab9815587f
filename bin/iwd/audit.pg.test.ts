import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Lease, TenantStores } from '../../actors/ports.js';
import { events, owner } from '../../stores/conformance/sample.js';
import { missing, testDatabase } from '../../stores/conformance/test-database.js';
import { packEvents } from '../../stores/event-batch.js';
import { seeded } from '../../stores/memory/faulty.js';
import { MemorySnapshotStore } from '../../stores/memory/snapshot-store.js';
import { recordAudit } from '../../stores/postgres/cluster/audit.js';
import { PostgresTenantDirectory } from '../../stores/postgres/cluster/tenant-directory.js';
import { connect, readTimeouts } from '../../stores/postgres/connection.js';
import { verifyJournal } from '../../stores/postgres/journal-verification.js';
import { clusterMigrations, migrate } from '../../stores/postgres/migrations.js';
import { openTenantStores } from '../../stores/postgres/tenant-database.js';

const program = fileURLToPath(new URL('../iwd.js', import.meta.url));
const rows = 24;
const tampersTried = 60;
/** What somebody with all rights in the database may do; :seq and :other are rows. */
const tampers: Record<string, string> = {
  changed: 'UPDATE iwd.journal SET events = set_byte(events, 3, (get_byte(events, 3) + 1) % 256) WHERE seq = :seq',
  'changed with its digest':
    "UPDATE iwd.journal SET events = events || 'x', digest = sha256(events || 'x') WHERE seq = :seq",
  'changed in time': "UPDATE iwd.journal SET at = at - interval '1 us' WHERE seq = :seq",
  'given to another owner': 'UPDATE iwd.journal SET epoch = epoch + 1 WHERE seq = :seq',
  'taken out': 'DELETE FROM iwd.journal WHERE seq = :seq',
  'put in': `INSERT INTO iwd.journal (seq, epoch, event_count, at, events, digest, link)
    SELECT 1 + (SELECT last_seq FROM iwd.tenant_lease), epoch, event_count, at, events, digest, link
      FROM iwd.journal WHERE seq = :seq`,
  exchanged: `UPDATE iwd.journal j SET events = o.events, digest = o.digest, link = o.link
    FROM iwd.journal o WHERE j.seq IN (:seq, :other) AND o.seq IN (:seq, :other) AND o.seq <> j.seq`,
  'made unknown to the chain': 'UPDATE iwd.journal SET digest = NULL, link = NULL WHERE seq = :seq',
  'cut off behind it': 'DELETE FROM iwd.journal WHERE seq >= :seq',
};

describe('iwd audit verify', { skip: missing('TEST_DATABASE_URL') }, () => {
  let stores: TenantStores;
  let lease: Lease;
  after(() => stores?.close());
  const database = testDatabase();
  const sql = (text: string) =>
    database.query(database.url, `SET session_replication_role = replica; ${text}`).then(() => {});
  const iwd = (...args: string[]) => {
    const env = { ...process.env, DATABASE_URL: database.url };
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'audit', 'verify', ...args], {
      env,
      encoding: 'utf8',
    });
    return { status, said: stdout + stderr };
  };
  const write = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const batch = events(lease.lastSeq + 1, 1 + (n % 3));
      assert.deepEqual(await stores.journal.commit(lease, batch), { kind: 'committed' });
      lease.lastSeq += batch.length;
    }
  };
  before(async () => {
    await migrate(database.url, () => {}, clusterMigrations);
    const directory = new PostgresTenantDirectory(database.url, undefined);
    await directory.ensureOwnTenant('demo');
    await directory.close();
    await sql('DELETE FROM iwd_cluster.audit; UPDATE iwd_cluster.audit_head SET seq = 0, link = $$$$');
    stores = await openTenantStores({
      databaseUrl: database.url,
      tenantId: 'demo',
      snapshots: new MemorySnapshotStore(),
    });
    lease = (await stores.lease.acquire(await stores.lease.view(), owner('a')))!;
    await write(rows);
    const client = await connect(database.url, readTimeouts);
    for (let n = 0; n < 5; n++) await recordAudit(client, { type: 'keyMade', by: 'cluster', details: { n } });
    await client.end();
  });

  test('a journal that nobody touched is whole, through commits that are repeated and owners that change', async () => {
    assert.deepEqual(
      await stores.journal.commit({ ...lease, lastSeq: lease.lastSeq - 3 }, events(lease.lastSeq - 2, 3)),
      {
        kind: 'committed',
      },
    );
    lease = (await stores.lease.acquire(await stores.lease.view(), owner('b')))!;
    await write(3);
    lease = (await stores.lease.renew(lease, owner('c')))!;
    await write(3);
    const report = await verifyJournal(database.url, []);
    assert.deepEqual([report.firstBreak, report.events], [undefined, lease.lastSeq]);
  });

  test('rows that the release before writes during a rolling update are linked too', async () => {
    const before = `
      WITH fence AS (
        UPDATE iwd.tenant_lease SET last_seq = last_seq + $5::integer, hb = hb + 1
         WHERE tenant_id = $1 AND epoch = $2 AND owner_token = $3 AND last_seq = $4
        RETURNING epoch)
      INSERT INTO iwd.journal (seq, epoch, event_count, events)
      SELECT $4::bigint + 1, epoch, $5::integer, $6::bytea FROM fence RETURNING seq`;
    for (let n = 0; n < 2; n++) {
      const values = [
        'demo',
        lease.epoch,
        lease.ownerToken,
        lease.lastSeq,
        1,
        packEvents(events(lease.lastSeq + 1, 1)),
      ];
      assert.equal((await database.query(database.url, before, values)).length, 1);
      lease.lastSeq++;
      await write(1);
    }
    const report = await verifyJournal(database.url, []);
    assert.deepEqual([report.firstBreak, report.events, report.erasedRows], [undefined, lease.lastSeq, 0]);
  });

  test('the trigger lets nobody change or delete a row by accident', async () => {
    for (const attempt of ['UPDATE iwd.journal SET epoch = 9', 'DELETE FROM iwd.journal', 'TRUNCATE iwd.journal']) {
      await assert.rejects(database.query(database.url, attempt), /append-only/);
    }
  });

  test('every way to tamper with a random row is found, at that row or before', async () => {
    const random = seeded(7);
    const seqs = (await database.query(database.url, 'SELECT seq FROM iwd.journal ORDER BY seq')).map(
      (row) => row.seq as number,
    );
    await sql('CREATE TABLE journal_kept AS TABLE iwd.journal');
    const names = Object.keys(tampers);
    for (let n = 0; n < tampersTried; n++) {
      const name = names[n % names.length]!;
      const at = Math.floor(random() * seqs.length);
      const other = (at + 1 + Math.floor(random() * (seqs.length - 1))) % seqs.length;
      await sql(tampers[name]!.replaceAll(':seq', String(seqs[at])).replaceAll(':other', String(seqs[other])));
      const { firstBreak } = await verifyJournal(database.url, []);
      const isOutside = name === 'put in';
      if (isOutside) {
        // Behind the lease's last event: not part of the journal until the lease says so too.
        await sql('UPDATE iwd.tenant_lease SET last_seq = (SELECT max(seq + event_count - 1) FROM iwd.journal)');
        assert.ok((await verifyJournal(database.url, [])).firstBreak, name);
        await sql(`UPDATE iwd.tenant_lease SET last_seq = ${lease.lastSeq}`);
      } else {
        assert.ok(firstBreak, `${name} ${seqs[at]}`);
        assert.ok(
          firstBreak.seq <= Math.max(seqs[at]!, name === 'exchanged' ? seqs[other]! : 0),
          `${name} ${seqs[at]}`,
        );
      }
      await sql('DELETE FROM iwd.journal; INSERT INTO iwd.journal SELECT * FROM journal_kept');
    }
    assert.equal((await verifyJournal(database.url, [])).firstBreak, undefined, 'back as it was');
  });

  test('the command says that all is whole, notes the heads, and finds an end that was cut off later', async () => {
    const whole = iwd();
    assert.equal(whole.status, 0, whole.said);
    assert.match(whole.said, /the cluster: whole; 5 lines;/);
    const head = /head (demo=\d+:[0-9a-f]{64})/.exec(whole.said)![1]!;
    await sql(`
      DELETE FROM iwd.journal WHERE seq = (SELECT max(seq) FROM iwd.journal);
      UPDATE iwd.tenant_lease SET (last_seq, link) = (SELECT seq + event_count - 1, link FROM iwd.journal ORDER BY seq DESC LIMIT 1)`);
    const cut = iwd('--tenant', 'demo');
    assert.equal(cut.status, 1, cut.said);
    assert.match(cut.said, /demo: BROKEN at \d+: the journal ends at \d+; it had \d+ events before/);
    await sql('DELETE FROM iwd_cluster.audit_anchor');
    assert.equal(iwd('--tenant', 'demo').status, 0, 'without a head nothing tells');
    const expected = iwd('--tenant', 'demo', '--expect', head);
    assert.equal(expected.status, 1, 'a head that was kept elsewhere does');
  });

  test('a line of the cluster’s log that was changed, taken away or cut off is found', async () => {
    assert.equal(iwd().status, 0);
    await sql('CREATE TABLE audit_kept AS SELECT seq, at, entry, link FROM iwd_cluster.audit');
    for (const tamper of [
      `UPDATE iwd_cluster.audit SET entry = '{"type":"keyMade","by":"somebody"}' WHERE seq = 3`,
      'DELETE FROM iwd_cluster.audit WHERE seq = 2',
      'DELETE FROM iwd_cluster.audit WHERE seq = 5',
      `DELETE FROM iwd_cluster.audit WHERE seq = 5;
       UPDATE iwd_cluster.audit_head SET (seq, link) = (SELECT seq, link FROM iwd_cluster.audit WHERE seq = 4)`,
    ]) {
      await sql(tamper);
      const { status, said } = iwd();
      assert.equal(status, 1, `${tamper} ${said}`);
      assert.match(said, /the cluster: BROKEN at/);
      await sql(`
        DELETE FROM iwd_cluster.audit; INSERT INTO iwd_cluster.audit (seq, at, entry, link) SELECT * FROM audit_kept;
        UPDATE iwd_cluster.audit_head SET (seq, link) = (SELECT seq, link FROM iwd_cluster.audit WHERE seq = 5)`);
    }
  });
});
