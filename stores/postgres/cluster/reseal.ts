import type pg from 'pg';
import { connect, readTimeouts } from '../connection.js';
import { keyIdOfSealed, type Sealer } from './sealer.js';

interface SealedRow {
  tenantId: string;
  /** Null for the tenant's own row. */
  service: string | null;
  sealed: Buffer;
}

const sealedRows = `
  SELECT id AS "tenantId", NULL AS service, sealed FROM iwd_cluster.tenant WHERE sealed IS NOT NULL
  UNION ALL SELECT tenant_id, name, sealed FROM iwd_cluster.service WHERE sealed IS NOT NULL`;

/**
 * Seals every secret of the registry again with the sealer's first master key, a row at a time: it may be interrupted
 * anywhere and run again. Servers that do not have this key refuse to seal from its beginning on, so that no row is
 * sealed with the old key behind its back. Throws when a row opens with none of the sealer's keys.
 * @returns how many rows were sealed again.
 */
export async function resealAll(
  databaseUrl: string,
  sealer: Sealer,
  onRow: (done: number, of: number) => void = () => {},
): Promise<number> {
  const client = await connect(databaseUrl, readTimeouts);
  try {
    await client.query('UPDATE iwd_cluster.revision SET master_key = $1', [sealer.keyId]);
    const { rows } = await client.query<SealedRow>(sealedRows);
    const stale = rows.filter(({ sealed }) => keyIdOfSealed(sealed) !== sealer.keyId);
    let done = 0;
    for (const row of stale) {
      await reseal(client, row, sealer);
      onRow(++done, stale.length);
    }
    return done;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Only while the row is what was read: whoever has changed it meanwhile has sealed it with the new key. */
async function reseal(client: pg.ClientBase, { tenantId, service, sealed }: SealedRow, sealer: Sealer): Promise<void> {
  const place = { tenantId, field: service === null ? 'tenant' : `service/${service}` };
  const renewed = sealer.seal(place, sealer.open(place, sealed));
  if (service === null) {
    const text = 'UPDATE iwd_cluster.tenant SET sealed = $3 WHERE id = $1 AND sealed = $2';
    await client.query(text, [tenantId, sealed, renewed]);
  } else {
    const text = 'UPDATE iwd_cluster.service SET sealed = $4 WHERE tenant_id = $1 AND name = $2 AND sealed = $3';
    await client.query(text, [tenantId, service, sealed, renewed]);
  }
}
