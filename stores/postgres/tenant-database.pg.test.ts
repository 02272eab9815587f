import { after, describe } from 'node:test';
import type { TenantStores } from '../../actors/ports.js';
import { leaseAndJournalConformance } from '../conformance/lease-and-journal.js';
import { projectionConformance } from '../conformance/projection.js';
import { missing, testDatabases } from '../conformance/test-database.js';
import { MemorySnapshotStore } from '../memory/snapshot-store.js';
import { openTenantStores } from './tenant-database.js';

describe('postgres', { skip: missing('TEST_DATABASE_URL') }, () => {
  const opened: TenantStores[] = [];
  const databases = testDatabases();

  async function fresh() {
    const databaseUrl = await databases.create();
    const open = async () => {
      const stores = await openTenantStores({ databaseUrl, tenantId: 'demo', snapshots: new MemorySnapshotStore() });
      opened.push(stores);
      return stores;
    };
    return { stores: await open(), open };
  }

  describe('lease and journal', () => leaseAndJournalConformance(fresh));
  describe('projection', () => projectionConformance(fresh));
  after(() => Promise.all(opened.map((stores) => stores.close())));
});
