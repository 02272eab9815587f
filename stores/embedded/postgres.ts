import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, open, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Account, type Binaries, findBinaries, isReachable } from './binaries.js';
import { findPostmaster, isAlive } from './postmaster.js';

/** Started by us (and then kept running) or found running: `attached` says which. `stop` ends the server either way, and waits for its end. */
export interface EmbeddedPostgres {
  /** Of the database `iwd`, over a Unix socket that only this account (and root) can reach. */
  url: string;
  attached: boolean;
  /** The server's main process at the time of the start. */
  pid: number;
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** The cluster's folder; created at the first start. Owned by Postgres, mode 0700. */
  dataDir: string;
  logger: { info(fields: object, message: string): void };
  /** Number in the socket's name; there is no TCP. */
  port?: number;
  /** Ends the server when our process ends in any way, also by SIGKILL: for tests. */
  endWithUs?: boolean;
}

/** `nobody`: what Postgres runs as when we are root and the folder is new. */
const nobody = 65534;
/** Longest path of a socket is 107 bytes; the name `/.s.PGSQL.5432` and reserve are part of it. */
const socketDirBytesMax = 90;
const logBytesMax = 10 * 1024 * 1024;
/** Replaying the log after a crash may take as long as the last checkpoints are apart. */
const startMsMax = 120_000;
const stopMsMax = 20_000;
/** What Postgres says when its main process was killed and children of it have not noticed yet; they do, soon. */
const survivingChildren = 'pre-existing shared memory block';
const survivorAttempts = 50;
const restartPauseMsMax = 10_000;
const survivorPollMs = 250;

/**
 * The server's settings. Crash safety is on, whatever a file in the data folder says; memory stays modest because the
 * engine lives on the same machine.
 */
const settings = {
  listen_addresses: '',
  unix_socket_directories: '.',
  unix_socket_permissions: '0700',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  shared_buffers: '128MB',
  max_connections: '100',
  wal_compression: 'on',
  max_wal_size: '1GB',
  log_checkpoints: 'off',
};

/** Starts the Postgres of the data folder, or attaches to the one that survived us; resolves when it takes queries. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { logger, port = 5432 } = options;
  const dataDir = resolve(options.dataDir);
  await mkdir(dirname(dataDir), { recursive: true });
  const link = await shortPath(dataDir);
  const forgetLink = async () => {
    if (link) await rm(dirname(link), { recursive: true, force: true });
  };
  const url = `postgresql://iwd@localhost/iwd?host=${encodeURIComponent(link ?? dataDir)}&port=${port}`;
  try {
    const found = await attach(dataDir, url);
    const attached = found !== undefined;
    const account = await accountOf(dataDir);
    const starts = () => startAndWait({ ...options, dataDir, port }, account, url);
    const first = found ?? (await starts());
    const { pid } = first;
    const stop = keepRunning(first, starts, options);
    logger.info({ pid, dataDir }, `${attached ? 'attached to the running' : 'started the'} embedded Postgres`);
    return { url, attached, pid, stop: onlyOnce(() => stop().then(forgetLink)) };
  } catch (error) {
    await forgetLink();
    throw error;
  }
}

/** A running server process: a child of ours, or one that survived an earlier process of ours. */
interface Postmaster {
  pid: number;
  /** Resolves when it has ended, for whatever reason. */
  ended: Promise<unknown>;
  stop(): Promise<void>;
}

/** The server that survived an earlier process of ours; undefined when there is none, or none any more. */
async function attach(dataDir: string, url: string): Promise<Postmaster | undefined> {
  const pid = await findPostmaster(dataDir);
  if (pid === undefined) return undefined;
  try {
    await waitUntilReady(url, () => isAlive(pid));
    return { pid, ended: endOf(pid), stop: () => stopProcess(pid) };
  } catch (error) {
    // It was shutting down.
    if (!isAlive(pid)) return undefined;
    throw error;
  }
}

/** No signal tells of the end of a process that is not our child. */
function endOf(pid: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (isAlive(pid)) return;
      clearInterval(timer);
      resolve();
    }, survivorPollMs).unref();
  });
}

/**
 * When the server ends without being asked to, starts it again, for as long as it takes. @returns what stops it for good.
 */
function keepRunning(
  first: Postmaster,
  starts: () => Promise<Postmaster>,
  { logger }: EmbeddedPostgresOptions,
): () => Promise<void> {
  const stopping = new AbortController();
  let restarted: Promise<void> = Promise.resolve();
  let server = first;
  const watch = () => {
    void server.ended.then(() => {
      if (!stopping.signal.aborted) restarted = restart();
    });
  };
  const restart = async () => {
    for (let pauseMs = 100; !stopping.signal.aborted; pauseMs = Math.min(pauseMs * 2, restartPauseMsMax)) {
      logger.info({ pid: server.pid }, 'the embedded Postgres ended by itself: starting it again');
      try {
        server = await starts();
        return watch();
      } catch (error) {
        logger.info({ error: String(error) }, 'the embedded Postgres could not be started again');
        await sleep(pauseMs, undefined, { ref: false, signal: stopping.signal }).catch(() => {});
      }
    }
  };
  watch();
  return async () => {
    stopping.abort();
    await restarted;
    await server.stop();
  };
}

/** A server process that takes queries; throws with the end of its log when there is none to be had. */
async function startAndWait(
  options: EmbeddedPostgresOptions & { port: number },
  account: Account | undefined,
  url: string,
): Promise<Postmaster> {
  for (let attempt = 1; ; attempt++) {
    // Takes away what a killed server has left behind.
    await findPostmaster(options.dataDir);
    const child = await start(options, account);
    try {
      await waitUntilReady(url, () => isRunning(child));
      if (options.endWithUs) guard(child);
      return { pid: child.pid!, ended: endOfChild(child), stop: () => stopChild(child) };
    } catch (cause) {
      await stopChild(child);
      const reason = await lastLines(options.dataDir);
      if (!reason.includes(survivingChildren) || attempt === survivorAttempts) {
        throw new Error(`the embedded Postgres did not start: ${reason}`, { cause });
      }
      await sleep(100);
    }
  }
}

function endOfChild(child: ChildProcess): Promise<unknown> {
  return isRunning(child) ? once(child, 'exit') : Promise.resolve();
}

/** As root: the folder's owner, `nobody` for a new one. Otherwise we are the account ourselves. */
async function accountOf(dataDir: string): Promise<Account | undefined> {
  const owner = await stat(dataDir).catch(() => undefined);
  const uid = process.getuid?.() ?? -1;
  if (uid === 0) return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : { uid: nobody, gid: nobody };
  if (owner && owner.uid !== uid) {
    throw new Error(`${dataDir} belongs to user ${owner.uid}, we are ${uid}: start as that user or as root`);
  }
  return undefined;
}

async function start(
  { dataDir, port, logger }: EmbeddedPostgresOptions,
  account: Account | undefined,
): Promise<ChildProcess> {
  const binaries = await findBinaries(dirname(dataDir), account);
  const version = await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version === undefined) {
    logger.info({ dataDir }, 'creating the embedded Postgres database');
    await initialize(binaries, dataDir, account);
  }
  const log = await openLog(dataDir, account);
  try {
    const values = Object.entries({ ...settings, port: `${port}` }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    // A session of its own: Ctrl-C in our terminal must end us first, and Postgres after our last commit.
    const child = spawn(binaries.postgres, ['-D', await pathFor(dataDir, account), ...values], {
      ...account,
      cwd: dataDir,
      env: binaries.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn');
    // The postmaster must not keep us alive: whoever started it stops it.
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

/** A whole cluster or none: it gets its name when initdb, which also forces it to the disk, is through. */
async function initialize(binaries: Binaries, dataDir: string, account: Account | undefined): Promise<void> {
  const beside = `${dataDir}.new`;
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside, { mode: 0o700 });
  if (account) await chown(beside, account.uid, account.gid);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const args = ['-D', await pathFor(beside, account), '-U', 'iwd', '--auth=trust', ...locale];
  const child = spawn(binaries.initdb, args, {
    ...account,
    cwd: beside,
    env: binaries.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => (output = `${output}${text}`.slice(-2000)));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`initdb failed: ${output}`);
  // An empty folder may be there already, made by whoever prepared the volume.
  await rename(beside, dataDir);
}

/**
 * The folder's path for the account. Where it cannot pass the folders above (a clone below /root, a private ./data), the
 * kernel's link to the working directory leads there: libuv enters `cwd` before it gives up root.
 */
async function pathFor(dir: string, account: Account | undefined): Promise<string> {
  return account === undefined || (await isReachable(dir)) ? dir : '/proc/self/cwd';
}

/** A link to a folder whose path is too long for a socket, in a folder that is ours alone; undefined when not needed. */
async function shortPath(dataDir: string): Promise<string | undefined> {
  if (Buffer.byteLength(dataDir) <= socketDirBytesMax) return undefined;
  const link = join(await mkdtemp(join(tmpdir(), 'iwd-pg-')), 's');
  await symlink(dataDir, link);
  return link;
}

const logName = 'postgres.log';

/** One earlier log is kept; each is bounded at the start that follows. */
async function openLog(dataDir: string, account: Account | undefined) {
  const path = join(dataDir, logName);
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > logBytesMax) await rename(path, `${path}.1`);
  const log = await open(path, 'a', 0o600);
  if (account) await log.chown(account.uid, account.gid);
  await chmod(path, 0o600);
  return log;
}

async function lastLines(dataDir: string): Promise<string> {
  return (await readFile(join(dataDir, logName), 'utf8').catch(() => 'no log'))
    .trimEnd()
    .split('\n')
    .slice(-5)
    .join(' | ');
}

/** Waits until the server takes queries, and makes the database `iwd` if the first start did not get that far. */
async function waitUntilReady(url: string, running: () => boolean): Promise<void> {
  const deadline = Date.now() + startMsMax;
  const maintenance = url.replace('/iwd?', '/postgres?');
  for (;;) {
    const client = new pg.Client({ connectionString: maintenance, connectionTimeoutMillis: 5000 });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'iwd'");
      if (rowCount === 0) await client.query('CREATE DATABASE iwd');
      return;
    } catch (error) {
      if (!running() || Date.now() > deadline) throw error;
      await sleep(25);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** SIGINT is Postgres' fast shutdown: sessions are ended, a checkpoint is written. */
async function stopChild(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  child.ref();
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGQUIT'), stopMsMax);
  await ended;
  clearTimeout(timer);
}

async function stopProcess(pid: number): Promise<void> {
  const started = Date.now();
  if (isAlive(pid)) process.kill(pid, 'SIGINT');
  while (isAlive(pid) && Date.now() < started + stopMsMax) await sleep(25);
  if (isAlive(pid)) process.kill(pid, 'SIGQUIT');
}

/** A shell that waits for the end of its input, which is our end, and then stops the server; it goes with the server. */
function guard(server: ChildProcess): void {
  const script = 'read -r _; kill -INT "$0"';
  const shell = spawn('/bin/sh', ['-c', script, `${server.pid}`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  (shell.stdin as unknown as { unref(): void }).unref();
  server.once('exit', () => shell.kill());
}

/** Later calls wait for the first. */
function onlyOnce(stop: () => Promise<void>): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= stop());
}
