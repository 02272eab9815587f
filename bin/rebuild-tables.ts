import { randomUUID } from 'node:crypto';
import { takeLease } from '../actors/lease-holder.js';
import type { SnapshotStore } from '../actors/ports.js';
import { systemRuntime } from '../actors/runtime.js';
import { migrate } from '../stores/postgres/migrations.js';
import { resetProjection } from '../stores/postgres/projection-reset.js';
import { openTenantStores } from '../stores/postgres/tenant-database.js';
import { withServerDatabase } from './iwd/server-database.js';
import { isGone, ownPod } from './owner.js';
import { loadSettings } from './settings.js';
import { demoTenant } from './tenants.js';

const usage = `Usage: npm run rebuild-tables

Empties the tables that follow the journal (work_item, its history, remembered keys, settings) and lets the next start
of the server fill them again from the journal, which is never touched. Stop the server before. Settings are the
server's: DATABASE_URL, or IWD_DATA_DIR with its embedded Postgres.`;

/** A server that lives renews its lease three times in this; one that was killed has lost it by then. */
const waitTtls = 2;

const noSnapshots: SnapshotStore = {
  save: async () => {},
  load: async () => undefined,
};

if (process.argv.includes('--help')) {
  console.log(usage);
} else {
  const settings = loadSettings(process.env);
  if ('problems' in settings) {
    console.error(settings.problems.join('\n'));
    process.exitCode = 1;
  } else {
    process.exitCode = await withServerDatabase(settings, async (databaseUrl) => {
      await migrate(databaseUrl);
      return empty(databaseUrl, settings.leaseTtlMs);
    });
  }
}

/** 0 when the tables are empty, 1 when a server owns the tenant. */
async function empty(databaseUrl: string, ttlMs: number): Promise<number> {
  const stores = await openTenantStores({ databaseUrl, tenantId: demoTenant, snapshots: noSnapshots });
  const until = systemRuntime.monotonic() + waitTtls * ttlMs;
  try {
    const lease = await takeLease({
      store: stores.lease,
      runtime: systemRuntime,
      owner: { token: randomUUID(), pod: ownPod, url: '' },
      ttlMs,
      isGone,
      stopped: () => systemRuntime.monotonic() > until,
    });
    if (lease === undefined) {
      console.error('A server owns the tenant: stop it first. Nothing was changed.');
      return 1;
    }
    await resetProjection(databaseUrl, demoTenant, lease);
    await stores.lease.release(lease);
    console.log(`The tables are empty; the next start fills them from ${lease.lastSeq} events of the journal.`);
    return 0;
  } finally {
    await stores.close();
  }
}
