import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { missing, query, testDatabase } from '../stores/conformance/test-database.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const itemCount = 6000;

interface Action {
  id: string;
  state: string;
  matched: number;
  done: number;
  failed: number;
}

test('a bulk action that was answered with 202 is finished after a kill: nothing is left out, nothing is done twice', {
  skip: missing('TEST_DATABASE_URL'),
}, async (t) => {
  const database = testDatabase();
  let server: ServerProcess;
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const headers = { 'x-api-key': server.apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) };
    const response = await fetch(`${server.url}/iwd/v3${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    assert.ok(response.ok, text);
    return JSON.parse(text) as T;
  };
  before(async () => {
    server = await startServerProcess({ DATABASE_URL: database.url });
  });
  after(() => server.stop());

  await t.test('killed while it runs, twice', async () => {
    const items = Array.from({ length: itemCount }, (_, n) => ({ captureId: `c${n}`, businessValue: n }));
    await ask('POST', '/workitems/bulk', items);
    const filter = { field: 'businessValue', op: 'ge', value: 0 };
    const begun = await ask<Action>('POST', '/bulk-actions', {
      action: 'hold',
      filter,
      arguments: { reason: 'storm' },
    });
    assert.deepEqual([begun.state, begun.matched], ['running', itemCount]);
    let seen = 0;
    for (let kills = 0; kills < 2; kills++) {
      let action = begun;
      while (action.state === 'running' && action.done <= seen) action = await ask('GET', `/bulk-actions/${begun.id}`);
      assert.equal(action.state, 'running', 'it is killed under way');
      seen = action.done;
      await server.server.kill();
      await server.restart();
    }
    let action = begun;
    while (action.state === 'running') action = await ask('GET', `/bulk-actions/${begun.id}`);
    assert.deepEqual([action.state, action.done, action.failed], ['done', itemCount, 0]);
    const { items: queue } = await ask<{ items: unknown[] }>('GET', '/queue?limit=10');
    assert.deepEqual(queue, []);
    await ask('GET', '/workitems?status=held&limit=1');
    const [held] = await query(
      database.url,
      "SELECT count(*) AS held, count(DISTINCT item_id) AS items FROM iwd.work_item_history WHERE type = 'held'",
    );
    assert.deepEqual(held, { held: itemCount, items: itemCount });
  });
});
