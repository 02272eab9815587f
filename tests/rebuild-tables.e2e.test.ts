import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { query } from '../stores/conformance/test-database.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const program = fileURLToPath(new URL('../bin/rebuild-tables.js', import.meta.url));
const rowsInOrder = 'SELECT to_jsonb(w) AS row FROM iwd.work_item w ORDER BY id';
const historyInOrder = 'SELECT to_jsonb(h) AS row FROM iwd.work_item_history h ORDER BY item_id, seq';

function rebuild(server: ServerProcess): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { env: server.env, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

async function call(server: ServerProcess, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: { 'x-api-key': server.apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

test('the tables rebuilt from the journal are what they were, and a running server is left alone', async (t) => {
  const url = process.env.TEST_DATABASE_URL;
  if (!url) return t.skip('TEST_DATABASE_URL is not set (npm test sets it)');
  const name = `iwd_rebuild_${process.pid}`;
  await query(url, `CREATE DATABASE ${name} TEMPLATE template0`);
  const databaseUrl = Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const server = await startServerProcess({ DATABASE_URL: databaseUrl, IWD_LEASE_TTL: 'PT1S' });
  try {
    const items = Array.from({ length: 50 }, (_, n) => ({ captureId: `c${n}`, businessValue: n, attributes: { n } }));
    await call(server, 'POST', '/workitems/bulk', items);
    for (let n = 0; n < 10; n++) {
      const item = (await (await call(server, 'POST', '/workitems/next', { agentId: 'a' })).json()) as { id: string };
      if (n % 2 === 0) await call(server, 'POST', `/workitems/${item.id}/complete`, { resultCode: 'done' });
    }
    const refused = rebuild(server);
    assert.deepEqual([refused.status, /stop it first/.test(refused.output)], [1, true], refused.output);
    assert.equal(await server.server.stop(), 0);
    const before = [await query(databaseUrl, rowsInOrder), await query(databaseUrl, historyInOrder)];
    assert.deepEqual([before[0].length, before[1].length], [50, 65]);

    const { status, output } = rebuild(server);
    assert.deepEqual([status, /65 events/.test(output)], [0, true], output);
    assert.equal((await query(databaseUrl, rowsInOrder)).length, 0);
    await server.restart();
    // A list waits for the follower.
    const page = (await (await call(server, 'GET', '/workitems?limit=100')).json()) as { items: unknown[] };
    assert.equal(page.items.length, 50);
    assert.deepEqual([await query(databaseUrl, rowsInOrder), await query(databaseUrl, historyInOrder)], before);
  } finally {
    await server.stop();
    await query(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
});
