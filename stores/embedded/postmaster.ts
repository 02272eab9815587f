import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long children of a killed server may take to notice; they do at once, unless the machine is very busy. */
const survivorMsMax = 10_000;

/**
 * Number of the Postgres server process that runs on this data folder, if one does. Removes lock files whose number
 * meanwhile belongs to another program (usual after a container's restart) or to a killed server that nobody collects
 * (no init in the container), because Postgres itself would then refuse to start. A number that no process has is left
 * to Postgres, which also looks for surviving children.
 */
export async function findPostmaster(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !exists(pid)) return undefined;
  if (await servesFrom(pid, dataDir)) return pid;
  await waitForSurvivors(dataDir);
  for (const name of await readdir(dataDir)) {
    if (name === 'postmaster.pid' || /^\.s\.PGSQL\.\d+\.lock$/.test(name))
      await rm(join(dataDir, name), { force: true });
  }
  return undefined;
}

/** Without its lock files a cluster could be started beside children of the old server, and be damaged by them. */
async function waitForSurvivors(dataDir: string): Promise<void> {
  const deadline = Date.now() + survivorMsMax;
  for (;;) {
    const survivor = await findServer(dataDir);
    if (survivor === undefined) return;
    if (Date.now() > deadline) throw new Error(`process ${survivor} of a Postgres that died still uses ${dataDir}`);
    await sleep(50);
  }
}

/** Whether any process has this number, also one that ended and was not collected. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the process runs. One that ended and that nobody collects (no init in the container) does not. */
export function isAlive(pid: number): boolean {
  return exists(pid) && (process.platform !== 'linux' || !hasEnded(pid));
}

function hasEnded(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; the state is the letter behind it.
    return status.charAt(status.lastIndexOf(')') + 2) === 'Z';
  } catch {
    return true;
  }
}

/** A server process always works in its data folder; without /proc its name has to do. */
async function servesFrom(pid: number, dataDir: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    return execFileSync('ps', ['-o', 'comm=', '-p', `${pid}`], { encoding: 'utf8' }).includes('postgres');
  }
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '');
  return directory === (await realpath(dataDir));
}

async function findServer(dataDir: string): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  for (const name of await readdir('/proc')) {
    if (/^\d+$/.test(name) && (await servesFrom(Number(name), dataDir)) && (await isPostgres(name)))
      return Number(name);
  }
  return undefined;
}

async function isPostgres(pid: string): Promise<boolean> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).startsWith('postgres');
}
