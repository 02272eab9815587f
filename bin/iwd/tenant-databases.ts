import { resolve } from 'node:path';
import { Sealer } from '../../stores/postgres/cluster/sealer.js';
import { PostgresTenantDirectory } from '../../stores/postgres/cluster/tenant-directory.js';
import { masterKeys } from '../master-key.js';
import type { Settings } from '../settings.js';

/** The tenants' databases, all or those asked for; throws on a tenant that does not exist. */
export async function tenantDatabases(
  settings: Settings,
  registryUrl: string,
  wanted: readonly string[] | undefined,
): Promise<{ tenantId: string; databaseUrl: string }[]> {
  const [sealing, ...opening] = await masterKeys(settings, resolve(settings.dataDir));
  const directory = new PostgresTenantDirectory(registryUrl, sealing && new Sealer(sealing, ...opening));
  try {
    const ids = (await directory.load()).tenants.map(({ id }) => id);
    const unknown = wanted?.find((id) => !ids.includes(id));
    if (unknown !== undefined) throw new Error(`there is no tenant ${unknown}`);
    const databases = [];
    for (const tenantId of ids.filter((id) => wanted?.includes(id) ?? true)) {
      databases.push({ tenantId, databaseUrl: (await directory.databaseUrl(tenantId)) ?? registryUrl });
    }
    return databases;
  } finally {
    await directory.close();
  }
}
