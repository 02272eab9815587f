import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { query } from '../stores/conformance/test-database.js';
import { findBinaries } from '../stores/embedded/binaries.js';
import { startEmbeddedPostgres } from '../stores/embedded/postgres.js';
import { migrate } from '../stores/postgres/migrations.js';
import { familyCpuSeconds } from './system.js';

/** Five connections of each of 100 tenants, and some of ours. */
const connectionsMax = 600;
const readyMsMax = 20_000;
/** The settings of the embedded Postgres beside the number of connections. */
const settings = {
  listen_addresses: '',
  unix_socket_directories: '.',
  max_connections: String(connectionsMax),
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '128MB',
  wal_compression: 'on',
  max_wal_size: '1GB',
};

/** A Postgres in a temporary folder that has room for the databases of 100 tenants; the product's embedded one has not. */
export interface ManyDatabases {
  /** An empty, migrated database; its URL. */
  create(name: string): Promise<string>;
  cpuSeconds(): number | undefined;
  stop(): Promise<void>;
}

/** Creates the cluster with the embedded Postgres, then runs it with more connections. It ends when we do. */
export async function startManyDatabases(): Promise<ManyDatabases> {
  const dir = await mkdtemp(join(tmpdir(), 'iwd-bench-'));
  // As root, Postgres runs as another account that must be able to pass.
  await chmod(dir, 0o711);
  const dataDir = join(dir, 'postgres');
  const first = await startEmbeddedPostgres({ dataDir, logger: { info() {} }, endWithUs: true });
  const { url } = first;
  await first.stop();
  const child = await start(dataDir);
  const kill = () => child.kill('SIGQUIT');
  process.once('exit', kill);
  await ready(url, child);
  return {
    async create(name) {
      await query(url, `CREATE DATABASE ${name} TEMPLATE template0`);
      const created = Object.assign(new URL(url), { pathname: `/${name}` }).href;
      await migrate(created);
      return created;
    },
    cpuSeconds: () => familyCpuSeconds(child.pid!),
    async stop() {
      process.off('exit', kill);
      const exited = once(child, 'exit');
      child.kill('SIGINT');
      await exited;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function start(dataDir: string): Promise<ChildProcess> {
  const { uid, gid } = await stat(dataDir);
  const account = process.getuid?.() === 0 ? { uid, gid } : undefined;
  const binaries = await findBinaries(join(dataDir, '..'), account);
  const values = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['-D', dataDir, ...values];
  return spawn(binaries.postgres, args, { ...account, cwd: dataDir, env: binaries.env, stdio: 'ignore' });
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  for (const until = performance.now() + readyMsMax; ; await sleep(50)) {
    try {
      await query(url, 'SELECT 1');
      return;
    } catch (error) {
      if (child.exitCode !== null || performance.now() > until) throw error;
    }
  }
}
