import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Registry } from 'prom-client';
import { freePort } from '../conformance/redis-server.js';
import { missing, testDatabase } from '../conformance/test-database.js';
import { readTimeouts } from './connection.js';
import { DatabaseMetrics } from './database-metrics.js';
import { Reader } from './reader.js';
import { scanKnown } from './scan.js';
import { SessionPool } from './session-pool.js';

describe("what is counted of tenants' databases", { skip: missing('TEST_DATABASE_URL') }, () => {
  const database = testDatabase();
  const nameOf = (url: string) => new URL(url).pathname.slice(1);

  /** A pool of its own, and how its metrics' values differ from what they were when it was asked before. */
  function measured() {
    const registry = new Registry();
    const sessions = new SessionPool({}, new DatabaseMetrics(registry));
    let last = new Map<string, number>();
    const changes = async () => {
      const text = await registry.metrics();
      const all = [...text.matchAll(/^(iwdTenantDB_\S+) (\S+)$/gm)].map(([, series = '', value]) => {
        return [series.replace('iwdTenantDB_db_', ''), Number(value)] as const;
      });
      const changed = all.filter(([series, value]) => value !== (last.get(series) ?? 0));
      const difference = changed.map(([series, value]) => [series, value - (last.get(series) ?? 0)] as const);
      last = new Map(all);
      return Object.fromEntries(difference.filter(([series]) => !/_bucket|_sum/.test(series)));
    };
    return { registry, sessions, changes };
  }

  test('connecting, a statement, one that fails and the end of a session change what they should and nothing else', async () => {
    const { sessions, changes } = measured();
    const { url } = database;
    const db = nameOf(url);
    await sessions.run(url, (client) => client.query('SELECT 1'));
    assert.deepEqual(await changes(), {
      [`connect_total{db="${db}"}`]: 1,
      [`request_total{db="${db}"}`]: 1,
      [`success_total{db="${db}",command="SELECT"}`]: 1,
      [`request_duration_milliseconds_count{db="${db}",method="connect"}`]: 1,
      [`request_duration_milliseconds_count{db="${db}",method="query"}`]: 1,
    });
    await sessions.run(url, (client) => client.query({ text: 'UPDATE iwd.follower_cursor SET seq = $1', values: [0] }));
    await assert.rejects(sessions.run(url, (client) => client.query('SELECT * FROM nowhere')));
    assert.deepEqual(await changes(), {
      [`request_total{db="${db}"}`]: 2,
      [`success_total{db="${db}",command="UPDATE"}`]: 1,
      [`errors_total{db="${db}",code="42P01"}`]: 1,
      [`request_duration_milliseconds_count{db="${db}",method="query"}`]: 2,
    });
    await sessions.close();
    assert.deepEqual(await changes(), { [`disconnect_total{db="${db}"}`]: 1 });
  });

  test('a session that the server ends is an error, and a session less', async () => {
    const { sessions, changes } = measured();
    const db = nameOf(database.url);
    const end = 'SELECT pg_terminate_backend(pg_backend_pid())';
    await assert.rejects(sessions.run(database.url, (client) => client.query(end)));
    assert.equal((await changes())[`errors_total{db="${db}",code="57P01"}`], 1);
    // The socket says that it has closed a moment later.
    while ((await changes())[`disconnect_total{db="${db}"}`] !== 1)
      await new Promise((resolve) => setImmediate(resolve));
    await sessions.close();
    assert.deepEqual(await changes(), {});
  });

  test('a COPY is a request of its own kind, timed until its last byte', async () => {
    const { sessions, changes } = measured();
    const db = nameOf(database.url);
    await scanKnown(new Reader(database.url, sessions), () => {});
    const changed = await changes();
    assert.equal(changed[`success_total{db="${db}",command="COPY"}`], 2);
    assert.equal(changed[`request_duration_milliseconds_count{db="${db}",method="copy"}`], 2);
    await sessions.close();
  });

  test('a server that is not there and a database that does not exist are errors by their codes', async () => {
    const { sessions, changes } = measured();
    const nobody = `postgres://u@127.0.0.1:${await freePort()}/away`;
    await assert.rejects(sessions.run(nobody, (client) => client.query('SELECT 1')));
    const unknown = Object.assign(new URL(database.url), { pathname: '/never_made' }).href;
    await assert.rejects(sessions.run(unknown, (client) => client.query('SELECT 1')));
    assert.deepEqual(await changes(), {
      'errors_total{db="away",code="ECONNREFUSED"}': 1,
      'errors_total{db="never_made",code="3D000"}': 1,
    });
    // No attempt, no error: the dialer waits.
    await assert.rejects(sessions.run(unknown, (client) => client.query('SELECT 1')));
    assert.deepEqual(await changes(), {});
    await sessions.close();
  });

  test("the guide's names and types are there before anything happens", async () => {
    const { registry, sessions } = measured();
    const text = await registry.metrics();
    for (const name of ['connect', 'disconnect', 'request', 'success', 'errors'])
      assert.match(text, new RegExp(`^# TYPE iwdTenantDB_db_${name}_total counter$`, 'm'));
    assert.match(text, /^# TYPE iwdTenantDB_db_request_duration_milliseconds histogram$/m);
    await sessions.close();
  });

  test('a time-out of ours, which has no code, is called other', async () => {
    const { sessions, changes } = measured();
    const db = nameOf(database.url);
    const timeouts = { ...readTimeouts, queryTimeoutMs: 100 };
    await assert.rejects(sessions.runAlone(database.url, timeouts, (client) => client.query('SELECT pg_sleep(5)')));
    assert.equal((await changes())[`errors_total{db="${db}",code="other"}`], 1);
    await sessions.close();
  });
});
