import type { Lease } from '../../actors/ports.js';
import { batchTimeouts, connect } from './connection.js';

/**
 * Empties the follower's tables and puts its cursor to the journal's beginning, all or nothing; the tenant's next owner
 * fills them again from the journal. Throws when the lease is not (any more) the caller's: nobody may serve the tenant
 * meanwhile, and whoever starts to would have taken the lease.
 */
export async function resetProjection(databaseUrl: string, tenantId: string, lease: Lease): Promise<void> {
  const client = await connect(databaseUrl, { ...batchTimeouts, statementTimeoutMs: 0, queryTimeoutMs: 0 });
  try {
    await client.query('BEGIN');
    const fence = await client.query(
      'UPDATE iwd.tenant_lease SET hb = hb + 1 WHERE tenant_id = $1 AND epoch = $2 AND owner_token = $3',
      [tenantId, lease.epoch, lease.ownerToken],
    );
    if (fence.rowCount !== 1) throw new Error('the lease was taken by another owner; nothing was changed');
    await client.query(
      'TRUNCATE iwd.work_item, iwd.work_item_history, iwd.idempotency_key, iwd.settings, iwd.saved_filter, iwd.tenant_history',
    );
    await client.query(`UPDATE iwd.follower_cursor SET seq = 0 WHERE name = 'work_item'`);
    await client.query('COMMIT');
  } finally {
    // An open transaction ends with its connection.
    await client.end();
  }
}
