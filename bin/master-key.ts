import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseMasterKey } from '../stores/postgres/cluster/sealer.js';
import type { Settings } from './settings.js';

const keyBytes = 32;

/** Where the embedded default keeps its master keys: one a line, the one that seals first. */
export function masterKeyPath(dataDir: string): string {
  return join(dataDir, 'master-key');
}

/**
 * The master keys, the one that seals first: of IWD_MASTER_KEY, else of IWD_MASTER_KEY_FILE, else, with the embedded
 * Postgres, of a file beside it that is made at the first start. None with a database of one's own: a key that a
 * container makes and forgets would make every secret unreadable, so there an operator gives it.
 */
export async function masterKeys(
  { masterKey, masterKeyFile, databaseUrl }: Pick<Settings, 'masterKey' | 'masterKeyFile' | 'databaseUrl'>,
  dataDir: string,
): Promise<Buffer[]> {
  if (masterKey !== undefined) return masterKey;
  if (masterKeyFile !== undefined) return parseKeys(await readFile(masterKeyFile, 'utf8'), masterKeyFile);
  if (databaseUrl !== undefined) return [];
  const path = masterKeyPath(dataDir);
  try {
    return parseKeys(await readFile(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const key = randomBytes(keyBytes);
  await writeKeys(path, [key]);
  return [key];
}

/** All of it or nothing, readable by the owner only, and on the disk before anything is sealed with it. */
export async function writeKeys(path: string, keys: readonly Buffer[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.tmp`;
  await writeFile(beside, keys.map((key) => `${key.toString('base64')}\n`).join(''), { mode: 0o600, flush: true });
  await rename(beside, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

function parseKeys(text: string, path: string): Buffer[] {
  const keys = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(parseMasterKey);
  if (keys.length === 0 || keys.includes(undefined)) {
    throw new Error(`${path} must hold master keys, one a line: ${keyBytes} bytes each, in base64 or hex`);
  }
  return keys as Buffer[];
}
