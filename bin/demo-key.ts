import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const keyBytes = 24;

/**
 * The demo tenant's API key: the given one, else the one made at the first start and kept in `<dataDir>/demo-apikey`,
 * readable by the owner only. `made` says that this is the first start.
 */
export async function demoKey(dataDir: string, given: string | undefined): Promise<{ key: string; made: boolean }> {
  if (given !== undefined) return { key: given, made: false };
  const file = join(dataDir, 'demo-apikey');
  try {
    return { key: (await readFile(file, 'utf8')).trim(), made: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const key = `iwd_${randomBytes(keyBytes).toString('base64url')}`;
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return { key, made: true };
}
