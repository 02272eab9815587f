import { resolve } from 'node:path';
import { Sealer } from '../../stores/postgres/cluster/sealer.js';
import { PostgresTenantDirectory } from '../../stores/postgres/cluster/tenant-directory.js';
import { masterKeys } from '../master-key.js';
import type { Settings } from '../settings.js';
import { demoTenant } from '../tenants.js';

/**
 * The tenants' databases as the registry says them, by id, the server's own among them; all, or those asked for. Throws
 * on a tenant that does not exist, and when a password cannot be opened with the master key.
 */
export async function tenantDatabases(
  settings: Settings,
  registryUrl: string,
  wanted?: readonly string[],
): Promise<{ tenantId: string; databaseUrl: string }[]> {
  const [sealing, ...opening] = await masterKeys(settings, resolve(settings.dataDir));
  const directory = new PostgresTenantDirectory(registryUrl, sealing && new Sealer(sealing, ...opening));
  try {
    const { tenants } = await directory.load();
    // A registry that no server has seen yet has not even its own tenant.
    const ids = new Set([demoTenant, ...tenants.filter(({ services }) => services.iWD).map(({ id }) => id)]);
    const unknown = wanted?.find((id) => !ids.has(id));
    if (unknown !== undefined) throw new Error(`there is no tenant ${unknown}`);
    const found = [];
    for (const tenantId of wanted ?? [...ids].sort()) {
      found.push({ tenantId, databaseUrl: (await directory.databaseUrl(tenantId)) ?? registryUrl });
    }
    return found;
  } finally {
    await directory.close();
  }
}
