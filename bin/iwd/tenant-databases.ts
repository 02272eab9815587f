import { demoTenant } from '../tenants.js';

/** The tenants' databases, all or those asked for; throws on a tenant that does not exist. */
export async function tenantDatabases(
  registryUrl: string,
  wanted: readonly string[] | undefined,
): Promise<{ tenantId: string; databaseUrl: string }[]> {
  const all = [{ tenantId: demoTenant, databaseUrl: registryUrl }];
  const unknown = wanted?.find((id) => !all.some(({ tenantId }) => tenantId === id));
  if (unknown !== undefined) throw new Error(`there is no tenant ${unknown}`);
  return all.filter(({ tenantId }) => wanted?.includes(tenantId) ?? true);
}
