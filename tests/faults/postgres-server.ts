import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../stores/conformance/redis-server.js';
import { type Account, type Binaries, findBinaries } from '../../stores/embedded/binaries.js';

const nobody = 65534;
const pollMs = 20;
const startMsMax = 60_000;
/** The postmaster was killed and its children have not noticed yet, or it is being collected: they go, soon. */
const survivors = /pre-existing shared memory block|lock file "postmaster.pid" already exists/;

/** A cluster that nothing runs on: made once, copied for every server. */
let template: Promise<string> | undefined;

const account: Account | undefined = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : undefined;

interface Place {
  binaries: Binaries;
  dir: string;
  port: number;
}

/**
 * A Postgres that listens on TCP, so that a proxy can stand before it, and that nobody but a test starts, kills, fills
 * and sets up. The binaries are those of the embedded one.
 */
export class PostgresServer {
  readonly dir: string;
  readonly port: number;
  readonly #binaries: Binaries;
  readonly #settings: Record<string, string>;
  #child: ChildProcess | undefined;
  #log = '';
  /** How often it has ended itself. */
  panics = 0;

  private constructor({ binaries, dir, port }: Place, settings: Record<string, string>) {
    this.#binaries = binaries;
    this.dir = dir;
    this.port = port;
    this.#settings = settings;
  }

  /** @param dir its data folder, which must not exist, or be empty. Resolves when it takes queries. */
  static async create(dir: string, settings: Record<string, string> = {}): Promise<PostgresServer> {
    template ??= makeTemplate();
    execFileSync('cp', ['-a', `${await template}/.`, `${dir}/`]);
    return PostgresServer.#open(dir, settings);
  }

  /** A standby of `primary`, which must be stopped for the copy and is started again; it streams under `name`. */
  static async standbyOf(primary: PostgresServer, dir: string, name: string): Promise<PostgresServer> {
    await primary.stop();
    execFileSync('cp', ['-a', `${primary.dir}/.`, dir]);
    await primary.start();
    const source = `host=127.0.0.1 port=${primary.port} user=iwd application_name=${name}`;
    appendFileSync(join(dir, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
    appendFileSync(join(dir, 'standby.signal'), '');
    return PostgresServer.#open(dir, {});
  }

  static async #open(dir: string, settings: Record<string, string>): Promise<PostgresServer> {
    const binaries = await findBinaries(tmpdir(), account);
    const server = new PostgresServer({ binaries, dir, port: await freePort() }, settings);
    await server.start();
    return server;
  }

  get url(): string {
    return this.#urlOf('iwd');
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** The end of what it has logged. */
  get log(): string {
    return this.#log;
  }

  /** Resolves when it takes queries; throws the end of its log when it does not come up. */
  async start(): Promise<void> {
    const until = Date.now() + startMsMax;
    while (!(await this.#tryStart())) {
      if (!survivors.test(this.#log) || Date.now() > until) throw new Error(`Postgres does not start: ${this.#log}`);
      await sleep(pollMs);
    }
    await this.#makeDatabase();
  }

  /** SIGKILL of its main process, as the kernel would for want of memory. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** A fast shutdown: sessions are ended, a checkpoint is written. */
  async stop(): Promise<void> {
    await this.#end('SIGINT');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** To all of its processes: stopped, it neither answers nor confirms anything. */
  signalAll(signal: NodeJS.Signals): void {
    if (this.isDown) return;
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim().split(' ');
    for (const pid of [...children.filter((text) => text !== '').map(Number), this.pid]) process.kill(pid, signal);
  }

  /** Ended by itself, e.g. by a PANIC. */
  get isDown(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.isDown) return;
    const exited = once(this.#child!, 'exit');
    this.#child!.kill(signal);
    await exited;
  }

  async #tryStart(): Promise<boolean> {
    this.#log = '';
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      shared_buffers: '64MB',
      max_connections: '100',
      hot_standby: 'on',
      wal_level: 'replica',
      ...this.#settings,
      port: `${this.port}`,
    };
    const values = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(this.#binaries.postgres, ['-D', this.dir, ...values], {
      ...account,
      cwd: this.dir,
      env: this.#binaries.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-4096);
      if (text.includes('PANIC:')) this.panics++;
    });
    this.#child = child;
    while (!this.isDown) {
      if (await answers(this.#urlOf('postgres'))) return true;
      await sleep(pollMs);
    }
    // What it said last is still on its way.
    if (!child.stderr.readableEnded) await Promise.race([once(child.stderr, 'close'), sleep(1000)]);
    return false;
  }

  async #makeDatabase(): Promise<void> {
    const client = await session(this.#urlOf('postgres'));
    try {
      const { rows } = await client.query('SELECT pg_is_in_recovery() AS standby FROM pg_database WHERE datname = $1', [
        'iwd',
      ]);
      if (rows.length === 0) await client.query('CREATE DATABASE iwd');
    } finally {
      await client.end();
    }
  }

  #urlOf(database: string): string {
    return `postgresql://iwd@127.0.0.1:${this.port}/${database}`;
  }
}

/** A session of the test's own. The caller ends it; a server that goes away ends it too, silently. */
export async function session(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000, application_name: 'test' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Whether it takes queries now. */
export async function answers(url: string): Promise<boolean> {
  try {
    const client = await session(url);
    await client.query('SELECT 1');
    await client.end();
    return true;
  } catch {
    // Not there yet, or on its way up or down: that is the answer.
    return false;
  }
}

async function makeTemplate(): Promise<string> {
  const binaries = await findBinaries(tmpdir(), account);
  const parent = mkdtempSync(join(tmpdir(), 'iwd-template-'));
  process.once('exit', () => rmSync(parent, { recursive: true, force: true }));
  chmodSync(parent, 0o755);
  const dir = join(parent, 'data');
  mkdirSync(dir, { mode: 0o700 });
  if (account) chownSync(dir, account.uid, account.gid);
  const args = [
    '-D',
    dir,
    '-U',
    'iwd',
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--wal-segsize=1',
    '--no-sync',
  ];
  const child = spawn(binaries.initdb, args, { ...account, cwd: dir, env: binaries.env, stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`initdb failed: ${output}`);
  readFileSync(join(dir, 'PG_VERSION'));
  return dir;
}
