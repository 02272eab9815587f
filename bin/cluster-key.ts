import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../api/key-ring.js';
import type { PostgresTenantDirectory } from '../stores/postgres/cluster/tenant-directory.js';

const keyBytes = 24;

/** Where the first cluster key is kept, for the operator and the command line. */
export function clusterKeyPath(dataDir: string): string {
  return join(dataDir, 'cluster-apikey');
}

/**
 * Makes the cluster's first key when the registry has none, and keeps it in `<dataDir>/cluster-apikey`, readable by the
 * owner only; the registry holds its digest. Undefined when there is one already. The file comes first: a crash between
 * the two must not leave a key that nobody knows.
 */
export async function firstClusterKey(
  directory: PostgresTenantDirectory,
  dataDir: string,
): Promise<string | undefined> {
  if ((await directory.keys(null, 1)).length > 0) return undefined;
  const path = clusterKeyPath(dataDir);
  const { key, created } = await keptKey(path);
  if (await directory.addFirstClusterKey(sha256(key))) return key;
  if (created) await rm(path, { force: true });
  return undefined;
}

async function keptKey(path: string): Promise<{ key: string; created: boolean }> {
  const kept = await readFile(path, 'utf8').catch(() => '');
  if (kept.trim() !== '') return { key: kept.trim(), created: false };
  const key = `iwd_${randomBytes(keyBytes).toString('base64url')}`;
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return { key, created: true };
}
