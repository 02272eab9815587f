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

/** Databases of one test file: each is created when asked for, migrated, and dropped when the file ends. */
export function testDatabases(): { create(): Promise<string> } {
  const names: string[] = [];
  const server = process.env.TEST_DATABASE_URL ?? '';
  const run = async (statements: string[]) => {
    const client = await connect(server, { ...readTimeouts, statementTimeoutMs: 30_000, queryTimeoutMs: 30_000 });
    for (const statement of statements) await client.query(statement);
    await client.end();
  };
  const template = `iwd_test_${randomBytes(6).toString('hex')}`;
  const urlOf = (name: string) => Object.assign(new URL(server), { pathname: `/${name}` }).href;
  before(async () => {
    if (!server) return;
    await run([`CREATE DATABASE ${template} TEMPLATE template0`]);
    await migrate(urlOf(template));
  });
  after(async () => {
    if (!server) return;
    await run([...names, template].map((name) => `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  });
  return {
    async create() {
      const name = `${template}_${names.length}`;
      names.push(name);
      await run([`CREATE DATABASE ${name} TEMPLATE ${template}`]);
      return urlOf(name);
    },
  };
}
