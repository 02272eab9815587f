import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { missing, query, testDatabase } from '../conformance/test-database.js';
import { NotSent } from './connection.js';
import { SessionPool } from './session-pool.js';

describe('sessions that the databases of a server share', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = Array.from({ length: 4 }, () => testDatabase());

  const names = () => databases.map(({ url }) => new URL(url).pathname.slice(1));
  const openSessions = async () => {
    const rows = await query(
      process.env.TEST_DATABASE_URL!,
      `SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'iwd' AND datname = ANY ($1)`,
      [names()],
    );
    return Number(rows[0]!.n);
  };

  test('200 reads of four databases at once never open more than four sessions, and each reads its own', async () => {
    const sessions = new SessionPool({ perServer: 4, perDatabase: 2 });
    let most = 0;
    const read = async (i: number) => {
      const { url } = databases[i % 4]!;
      const { rows } = await sessions.run(url, (client) => client.query('SELECT current_database() AS name'));
      assert.equal((rows[0] as { name: string }).name, names()[i % 4]);
      if (i % 20 === 0) most = Math.max(most, await openSessions());
    };
    await Promise.all(Array.from({ length: 200 }, (_, i) => read(i)));
    assert.ok(most > 0 && most <= 4, `${most} sessions at most`);
    await sessions.close();
    while ((await openSessions()) > 0);
  });

  test('a database whose queries hang leaves the other databases their sessions', async () => {
    const sessions = new SessionPool({ perServer: 3, perDatabase: 2 });
    let end: () => void = () => {};
    const hangs = new Promise<void>((resolve) => {
      end = resolve;
    });
    const stuck = Array.from({ length: 5 }, () => sessions.run(databases[0]!.url, () => hangs));
    for (let i = 1; i < 20; i++) await sessions.run(databases[(i % 3) + 1]!.url, (client) => client.query('SELECT'));
    end();
    await Promise.all(stuck);
    await sessions.close();
  });

  test('a session that broke is replaced, and one that is alone has a place among the others', async () => {
    const sessions = new SessionPool({ perServer: 1, perDatabase: 1 });
    const { url } = databases[0]!;
    await sessions.run(url, (client) => client.query('SELECT'));
    await assert.rejects(sessions.run(url, (client) => client.query('SELECT pg_terminate_backend(pg_backend_pid())')));
    await sessions.run(url, (client) => client.query('SELECT'));
    const timeouts = { statementTimeoutMs: 1234, queryTimeoutMs: 0, lockTimeoutMs: 0 };
    const { rows } = await sessions.runAlone(url, timeouts, (client) => client.query('SHOW statement_timeout'));
    assert.deepEqual(rows, [{ statement_timeout: '1234ms' }]);
    await assert.rejects(
      sessions.runAlone(url, timeouts, () => Promise.reject(new Error('a fault'))),
      /a fault/,
    );
    const after = await sessions.run(url, (client) => client.query('SHOW statement_timeout'));
    assert.deepEqual(after.rows, [{ statement_timeout: '10s' }]);
    await sessions.forget(url);
    while ((await openSessions()) > 0);
    await sessions.close();
    await assert.rejects(
      sessions.run(url, () => Promise.resolve()),
      NotSent,
    );
  });
});
