import { hash } from 'node:crypto';
import type pg from 'pg';
import {
  DirectoryConflict,
  type Registration,
  type ServiceName,
  type Tenant,
} from '../../../actors/ports/tenant-directory.js';
import { setProvisionedKeys } from './api-key-table.js';
import type { Sealer } from './sealer.js';

const tenantsMax = 10_000;

interface TenantRow extends Omit<Tenant, 'quotas' | 'services'> {
  quotas: string;
  services: string;
}

/** Tenants with their services, by id, none of their secrets. */
export async function readTenants(
  client: pg.ClientBase,
  { afterId = '', limit = tenantsMax }: { afterId?: string; limit?: number } = {},
): Promise<Tenant[]> {
  const { rows } = await client.query<TenantRow>(
    `SELECT t.id, t.short_id AS "shortId", t.name, t.quotas, t.created_at AS "createdAt", t.updated_at AS "updatedAt",
            coalesce((SELECT jsonb_object_agg(s.name, s.config) FROM iwd_cluster.service s WHERE s.tenant_id = t.id),
                     '{}') AS services
       FROM iwd_cluster.tenant t WHERE t.id COLLATE "C" > $1 ORDER BY t.id COLLATE "C" LIMIT $2`,
    [afterId, limit],
  );
  return rows.map((row) => ({ ...row, quotas: JSON.parse(row.quotas), services: JSON.parse(row.services) }));
}

/** What one row of a registration should hold: what everybody may read, and what is sealed. */
interface Part {
  field: string;
  config: Readonly<Record<string, unknown>>;
  secrets: Readonly<Record<string, string>> | undefined;
}

/** Writes what differs from what is stored, within the caller's transaction. Throws `DirectoryConflict`. */
export async function writeRegistration(
  client: pg.ClientBase,
  registration: Registration,
  sealer: Sealer,
): Promise<'created' | 'updated' | 'unchanged'> {
  const stored = await readStored(client, registration.id);
  await checkDatabase(client, registration);
  if (stored === undefined) await checkCount(client);
  const changes = [await writeTenant(client, registration, stored, sealer)];
  for (const part of servicesOf(registration)) {
    changes.push(await writeService(client, registration.id, part, stored, sealer));
  }
  changes.push(await setProvisionedKeys(client, registration.id, keysOf(registration)));
  if (!changes.includes(true)) return 'unchanged';
  await client.query('UPDATE iwd_cluster.revision SET master_key = $1', [sealer.keyId]);
  if (stored === undefined) return 'created';
  await client.query('UPDATE iwd_cluster.tenant SET updated_at = now() WHERE id = $1', [registration.id]);
  return 'updated';
}

/** The registry keeps that a tenant exists when its services go; false when there is no such tenant. */
export async function deleteServices(
  client: pg.ClientBase,
  tenantId: string,
  services: readonly ServiceName[],
): Promise<boolean> {
  const { rowCount } = await client.query('UPDATE iwd_cluster.tenant SET updated_at = now() WHERE id = $1', [tenantId]);
  if (rowCount === 0) return false;
  await client.query('DELETE FROM iwd_cluster.service WHERE tenant_id = $1 AND name = ANY ($2)', [tenantId, services]);
  // The keys of the body are part of the iWD service: they come back with it.
  if (services.includes('iWD'))
    await client.query('DELETE FROM iwd_cluster.api_key WHERE tenant_id = $1 AND provisioned', [tenantId]);
  return true;
}

/** What is stored, by field: configuration as JSON text, secrets in their envelopes. */
type Stored = ReadonlyMap<string, { config: string; sealed: Buffer | null }>;

async function readStored(client: pg.ClientBase, id: string): Promise<Stored | undefined> {
  const { rows } = await client.query<{ config: string; sealed: Buffer | null }>(
    `SELECT jsonb_build_object('shortId', short_id, 'name', name, 'quotas', quotas) AS config, sealed
       FROM iwd_cluster.tenant WHERE id = $1`,
    [id],
  );
  const tenant = rows[0];
  if (tenant === undefined) return undefined;
  if (tenant.sealed === null)
    throw new DirectoryConflict('/tenant/ccid', `${id} is the tenant of the server's own database`);
  const { rows: services } = await client.query<{ name: string; config: string; sealed: Buffer | null }>(
    'SELECT name, config, sealed FROM iwd_cluster.service WHERE tenant_id = $1',
    [id],
  );
  return new Map<string, { config: string; sealed: Buffer | null }>([
    ['tenant', tenant],
    ...services.map((row) => [`service/${row.name}`, row] as const),
  ]);
}

/** The tenant of the server's own database has been given no secrets. */
export async function isOwnTenant(client: pg.ClientBase, id: string): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM iwd_cluster.tenant WHERE id = $1 AND sealed IS NULL', [id]);
  return rows.length > 0;
}

/** One database, one tenant; the lease in the database itself says so too, whatever names its server has. */
async function checkDatabase(client: pg.ClientBase, { id, iwd: { db } }: Registration): Promise<void> {
  const { rows } = await client.query<{ tenant_id: string }>(
    `SELECT tenant_id FROM iwd_cluster.service WHERE name = 'iWD' AND tenant_id <> $1
        AND config -> 'db' @> jsonb_build_object('host', $2::text, 'port', $3::int, 'database', $4::text)`,
    [id, db.host, db.port, db.database],
  );
  if (rows[0]) throw new DirectoryConflict('/iwd/db/database', `this database belongs to tenant ${rows[0].tenant_id}`);
}

async function checkCount(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ count: number }>('SELECT count(*) AS count FROM iwd_cluster.tenant');
  if (rows[0]!.count >= tenantsMax) throw new DirectoryConflict('', `there are ${tenantsMax} tenants already`);
}

async function writeTenant(
  client: pg.ClientBase,
  { id, shortId, name, apiKey, quotas }: Registration,
  stored: Stored | undefined,
  sealer: Sealer,
): Promise<boolean> {
  const kept = stored && (JSON.parse(stored.get('tenant')!.config) as { quotas: object }).quotas;
  const wanted = quotas ?? kept ?? {};
  const part: Part = { field: 'tenant', config: { shortId, name, quotas: wanted }, secrets: { apiKey } };
  if (isSame(part, id, stored, sealer)) return false;
  await client.query(
    `INSERT INTO iwd_cluster.tenant (id, short_id, name, sealed, quotas) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET short_id = $2, name = $3, sealed = $4, quotas = $5`,
    [id, shortId, name, sealer.seal({ tenantId: id, field: 'tenant' }, { apiKey }), JSON.stringify(wanted)],
  );
  return true;
}

async function writeService(
  client: pg.ClientBase,
  tenantId: string,
  part: Part & { name: ServiceName; wanted: boolean },
  stored: Stored | undefined,
  sealer: Sealer,
): Promise<boolean> {
  const { name, field, config, secrets, wanted } = part;
  if (!wanted) {
    const { rowCount } = await client.query('DELETE FROM iwd_cluster.service WHERE tenant_id = $1 AND name = $2', [
      tenantId,
      name,
    ]);
    return rowCount === 1;
  }
  if (isSame(part, tenantId, stored, sealer)) return false;
  await client.query(
    `INSERT INTO iwd_cluster.service (tenant_id, name, config, sealed) VALUES ($1, $2, $3, $4)
     ON CONFLICT (tenant_id, name) DO UPDATE SET config = $3, sealed = $4`,
    [tenantId, name, JSON.stringify(config), secrets === undefined ? null : sealer.seal({ tenantId, field }, secrets)],
  );
  return true;
}

function servicesOf({ gws, iwd, iwdEmail }: Registration): (Part & { name: ServiceName; wanted: boolean })[] {
  const service = (name: ServiceName, config: Part['config'], secrets: Part['secrets'], wanted = true) => ({
    ...{ name, field: `service/${name}`, config, secrets, wanted },
  });
  return [
    service('GAPI', gws?.config ?? {}, gws?.secrets ?? {}, gws !== undefined),
    service('iWD', { url: iwd.url, db: iwd.db }, { password: iwd.password }),
    service('iWDEmail', iwdEmail, undefined),
  ];
}

function keysOf({ keys }: Registration) {
  const entry = (name: string, scope: 'tenant' | 'datamart', key: string) => ({
    ...{ name, scope, digest: hash('sha256', key, 'buffer') },
  });
  return [
    entry('IWD_APIKEY_TENANT', 'tenant', keys.IWD_APIKEY_TENANT),
    ...(keys.IWD_APIKEY_IWDDM === undefined ? [] : [entry('IWD_APIKEY_IWDDM', 'datamart', keys.IWD_APIKEY_IWDDM)]),
  ];
}

/** What cannot be opened (its master key is lost) counts as different: provisioning again heals it. */
function isSame(
  { field, config, secrets }: Part,
  tenantId: string,
  stored: Stored | undefined,
  sealer: Sealer,
): boolean {
  const row = stored?.get(field);
  if (row === undefined || canonical(JSON.parse(row.config)) !== canonical(config)) return false;
  if (row.sealed === null || secrets === undefined) return row.sealed === null && secrets === undefined;
  try {
    return canonical(sealer.open({ tenantId, field }, row.sealed)) === canonical(secrets);
  } catch {
    return false;
  }
}

/** JSON with its keys in order, for comparing: jsonb keeps its own order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, node) =>
    typeof node === 'object' && node !== null && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
      : node,
  );
}
