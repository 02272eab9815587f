import type pg from 'pg';
import { DirectoryConflict, type KeyEntry, type NewKey } from '../../../actors/ports/tenant-directory.js';

/** Keys that one tenant (or the cluster) may have that are not revoked. */
export const keysMax = 100;
/** How long a revoked key is still shown. */
const revokedKept = '90 days';

type KeyRow = KeyEntry & { digest: Buffer };

const columns = `k.id, k.tenant_id AS "tenantId", k.name, k.scope, k.role, k.provisioned, k.created_by AS "createdBy",
  k.created_at AS "createdAt", k.expires_at AS "expiresAt", k.last_used_at AS "lastUsedAt", k.revoked_at AS "revokedAt"`;

/** The keys of one owner, newest first; or, without one, all that may be used now, of tenants that are served. */
export async function findKeys(
  client: pg.ClientBase,
  owner?: { tenantId: string | null; limit: number },
): Promise<KeyRow[]> {
  const { rows } = owner
    ? await client.query<KeyRow>(
        `SELECT ${columns} FROM iwd_cluster.api_key k WHERE k.tenant_id IS NOT DISTINCT FROM $1
          ORDER BY k.created_at DESC, k.id LIMIT $2`,
        [owner.tenantId, owner.limit],
      )
    : await client.query<KeyRow>(
        `SELECT ${columns}, k.digest FROM iwd_cluster.api_key k
          WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND (k.tenant_id IS NULL OR
                EXISTS (SELECT FROM iwd_cluster.service s WHERE s.tenant_id = k.tenant_id AND s.name = 'iWD'))`,
      );
  return rows;
}

const insert = `
  INSERT INTO iwd_cluster.api_key AS k (tenant_id, name, scope, digest, created_by, expires_at, role)
  VALUES ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000), $7) RETURNING ${columns}`;

export async function addKey(client: pg.ClientBase, key: NewKey, createdBy: string): Promise<KeyEntry> {
  await client.query(
    `DELETE FROM iwd_cluster.api_key WHERE tenant_id IS NOT DISTINCT FROM $1 AND revoked_at < now() - interval '${revokedKept}'`,
    [key.tenantId],
  );
  const { rows: counted } = await client.query<{ count: number; named: number }>(
    `SELECT count(*) AS count, count(*) FILTER (WHERE name = $2) AS named FROM iwd_cluster.api_key
      WHERE tenant_id IS NOT DISTINCT FROM $1 AND revoked_at IS NULL`,
    [key.tenantId, key.name],
  );
  const { count, named } = counted[0]!;
  if (named > 0) throw new DirectoryConflict('/name', `there is a key called ${JSON.stringify(key.name)} already`);
  if (count >= keysMax) throw new DirectoryConflict('', `there are ${count} keys already, the most that there may be`);
  const { tenantId, name, scope, role, digest, expiresAt } = key;
  return (await client.query<KeyEntry>(insert, [tenantId, name, scope, digest, createdBy, expiresAt, role])).rows[0]!;
}

export async function revokeKey(client: pg.ClientBase, tenantId: string | null, keyId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE iwd_cluster.api_key SET revoked_at = coalesce(revoked_at, now())
      WHERE id = $2 AND tenant_id IS NOT DISTINCT FROM $1`,
    [tenantId, keyId],
  );
  return rowCount === 1;
}

export async function firstClusterKey(client: pg.ClientBase, digest: Buffer): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO iwd_cluster.api_key (name, scope, digest)
     SELECT 'first', 'cluster', $1 WHERE NOT EXISTS (SELECT FROM iwd_cluster.api_key WHERE scope = 'cluster')`,
    [digest],
  );
  return rowCount === 1;
}

export async function touchKeys(client: pg.ClientBase, uses: ReadonlyMap<string, number>): Promise<void> {
  await client.query(
    `UPDATE iwd_cluster.api_key k SET last_used_at = greatest(k.last_used_at, to_timestamp(u.at / 1000))
       FROM unnest($1::uuid[], $2::float8[]) AS u (id, at) WHERE k.id = u.id`,
    [[...uses.keys()], [...uses.values()]],
  );
}

/** Makes the provisioned keys of a tenant exactly those; says whether anything changed. */
export async function setProvisionedKeys(
  client: pg.ClientBase,
  tenantId: string,
  wanted: readonly { name: string; scope: KeyEntry['scope']; digest: Buffer }[],
): Promise<boolean> {
  const digests = wanted.map(({ digest }) => digest);
  const { rows } = await client.query<{
    tenant_id: string | null;
    name: string;
    digest: Buffer;
    provisioned: boolean;
    active: boolean;
  }>(
    `SELECT tenant_id, name, digest, provisioned, revoked_at IS NULL AND expires_at IS NULL AS active
       FROM iwd_cluster.api_key WHERE (tenant_id = $1 AND provisioned) OR digest = ANY ($2)`,
    [tenantId, digests],
  );
  for (const { name, digest } of wanted) {
    const foreign = rows.find((row) => row.digest.equals(digest) && (row.tenant_id !== tenantId || !row.provisioned));
    if (foreign) throw new DirectoryConflict(`/iwd/apiKeys/${name}`, 'this key is in use already');
  }
  const own = rows.filter((row) => row.provisioned && row.tenant_id === tenantId);
  const isSame = wanted.every(({ name, digest }) =>
    own.some((row) => row.name === name && row.active && row.digest.equals(digest)),
  );
  if (isSame && own.length === wanted.length) return false;
  await client.query('DELETE FROM iwd_cluster.api_key WHERE tenant_id = $1 AND provisioned', [tenantId]);
  for (const { name, scope, digest } of wanted) {
    await client.query(
      `INSERT INTO iwd_cluster.api_key (tenant_id, name, scope, digest, provisioned) VALUES ($1, $2, $3, $4, true)`,
      [tenantId, name, scope, digest],
    );
  }
  return true;
}
