import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { missing, testDatabase } from '../../conformance/test-database.js';
import { noLink } from '../../journal-chain.js';
import { clusterMigrations, migrate } from '../migrations.js';
import { auditLink, recordAudit } from './audit.js';

describe('the cluster’s audit log', { skip: missing('TEST_DATABASE_URL') }, () => {
  let client: pg.Client;
  after(() => client.end());
  const database = testDatabase();
  before(async () => {
    await migrate(database.url, () => {}, clusterMigrations);
    client = new pg.Client(database.url);
    await client.connect();
  });

  test('a line is there when the change that it tells of is, and not otherwise', async () => {
    await client.query('BEGIN');
    const lost = await recordAudit(client, { type: 'keyMade', by: 'cluster' });
    await client.query('ROLLBACK');
    const kept = await recordAudit(client, { type: 'keyRevoked', by: 'admin', from: '10.1.2.3', tenantId: 'a' });
    assert.equal(kept, lost);
    const rows = await database.query(database.url, 'SELECT seq, type, by, origin, tenant_id FROM iwd_cluster.audit');
    assert.deepEqual(rows, [{ seq: kept, type: 'keyRevoked', by: 'admin', origin: '10.1.2.3', tenant_id: 'a' }]);
  });

  test('lines written at the same time make one chain', async () => {
    const others = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const other = new pg.Client(database.url);
        await other.connect();
        return other;
      }),
    );
    const write = async (other: pg.Client, count: number) => {
      for (let n = 0; n < count; n++) {
        await recordAudit(other, { type: 'signedIn', by: `p${n}`, details: { odd: 'Straße "\\ 🚧', n } });
      }
    };
    await Promise.all(others.map((other) => write(other, 10)));
    await Promise.all(others.map((other) => other.end()));
    const text = 'SELECT seq, timestamptz_send(at) AS at, entry, link FROM iwd_cluster.audit ORDER BY seq';
    const rows = (await database.query(database.url, text)) as {
      seq: number;
      at: Buffer;
      entry: string;
      link: Buffer;
    }[];
    assert.equal(rows.length, 41);
    let link: Uint8Array = noLink;
    rows.forEach((row, index) => {
      assert.equal(row.seq, index + 1);
      link = auditLink(link, row.seq, row.at, row.entry);
      assert.deepEqual(row.link, Buffer.from(link));
    });
  });

  test('no line can be changed, taken away or given another meaning', async () => {
    for (const attempt of [
      `UPDATE iwd_cluster.audit SET at = now()`,
      `UPDATE iwd_cluster.audit SET by = 'nobody'`,
      'DELETE FROM iwd_cluster.audit',
      'TRUNCATE iwd_cluster.audit',
    ]) {
      await assert.rejects(client.query(attempt), /append-only|can only be updated to DEFAULT/, attempt);
    }
  });
});
