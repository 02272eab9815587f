import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SearchRefused } from '../../actors/ports.js';
import { missing, testDatabase } from '../conformance/test-database.js';
import { Reader } from './reader.js';
import { Searches } from './searches.js';
import { SessionPool } from './session-pool.js';

const skip = missing('TEST_DATABASE_URL');
const database = testDatabase();

async function withReader(work: (reader: Reader) => Promise<void>): Promise<void> {
  const sessions = new SessionPool();
  const reader = new Reader(database.url, sessions);
  try {
    await work(reader);
  } finally {
    await sessions.close();
  }
}

const refused = (code: string) => (error: unknown) => error instanceof SearchRefused && error.code === code;

test('a search that takes too long is given up, and the next one is served', { skip }, () =>
  withReader(async (reader) => {
    const searches = new Searches(reader, 100);
    const slow = searches.run((client) => client.query('SELECT pg_sleep(60)'));
    const quick = searches.run((client) => client.query('SELECT 1 AS one'));
    await assert.rejects(slow, refused('query-too-slow'));
    assert.deepEqual((await quick).rows, [{ one: 1 }]);
  }),
);

test('a search writes nothing, and leaves the session as it was', { skip }, () =>
  withReader(async (reader) => {
    const searches = new Searches(reader);
    const write = searches.run((client) => client.query('UPDATE iwd.follower_cursor SET seq = 1'));
    await assert.rejects(write, /read-only transaction/);
    const [row] = await reader.query<{ statement_timeout: string }>(undefined, 'SHOW statement_timeout', []);
    assert.equal(row!.statement_timeout, '10s');
  }),
);

test('one search runs, a few wait, and more are refused at once', { skip }, () =>
  withReader(async (reader) => {
    const searches = new Searches(reader, 1000);
    let [running, most] = [0, 0];
    const ask = () =>
      searches.run(async (client) => {
        most = Math.max(most, ++running);
        await client.query('SELECT 1');
        running--;
      });
    const asked = await Promise.allSettled(Array.from({ length: 12 }, ask));
    assert.equal(most, 1);
    assert.deepEqual(
      asked.map(({ status }) => status),
      [...Array(9).fill('fulfilled'), ...Array(3).fill('rejected')],
    );
    assert.ok(asked.every((one) => one.status === 'fulfilled' || refused('too-many-requests')(one.reason)));
    await ask();
  }),
);
