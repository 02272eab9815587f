import { randomBytes } from 'node:crypto';
import { after, before } from 'node:test';
import { connect, readTimeouts } from '../postgres/connection.js';
import { migrate } from '../postgres/migrations.js';

/** Why a test cannot run here; a missing server is a skip on a desk and a failure in CI. */
export function missing(name: 'TEST_DATABASE_URL' | 'TEST_REDIS_URL'): string | false {
  if (process.env[name]) return false;
  if (process.env.CI === 'true') throw new Error(`${name} is not set: CI must run these tests`);
  return `${name} is not set (npm test sets it)`;
}

/** As replica no trigger runs: the journal lets nobody delete a row. */
const empty = `
  SET session_replication_role = replica;
  DELETE FROM iwd.tenant_lease; DELETE FROM iwd.journal; DELETE FROM iwd.work_item; DELETE FROM iwd.work_item_history;
  DELETE FROM iwd.idempotency_key; DELETE FROM iwd.settings; DELETE FROM iwd.saved_filter; DELETE FROM iwd.tenant_history; DELETE FROM iwd.bulk_action;
  UPDATE iwd.follower_cursor SET seq = 0`;

/** The database of one test file: created and migrated before its first test, dropped after its last. */
export function testDatabase(): { readonly url: string; empty(): Promise<void>; query: typeof query } {
  const server = process.env.TEST_DATABASE_URL ?? '';
  const name = `iwd_test_${randomBytes(6).toString('hex')}`;
  const url = server && Object.assign(new URL(server), { pathname: `/${name}` }).href;
  before(async () => {
    if (!server) return;
    await query(server, `CREATE DATABASE ${name} TEMPLATE template0`);
    await migrate(url);
  });
  after(async () => {
    if (server) await query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
  return { url, query, empty: async () => void (await query(url, empty)) };
}

/** Rows of one query on a connection of its own. */
export async function query(url: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = await connect(url, { ...readTimeouts, statementTimeoutMs: 30_000, queryTimeoutMs: 30_000 });
  try {
    return ((await client.query(text, values)).rows ?? []) as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}
