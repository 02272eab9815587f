import { afterEach, describe } from 'node:test';
import type { TenantStores } from '../../actors/ports.js';
import { bulkActionConformance } from '../conformance/bulk-action.js';
import { leaseAndJournalConformance } from '../conformance/lease-and-journal.js';
import { personalConformance } from '../conformance/personal.js';
import { projectionConformance } from '../conformance/projection.js';
import { missing, testDatabase } from '../conformance/test-database.js';
import { MemorySnapshotStore } from '../memory/snapshot-store.js';
import { openTenantStores } from './tenant-database.js';

describe('postgres', { skip: missing('TEST_DATABASE_URL') }, () => {
  let opened: TenantStores[] = [];
  const database = testDatabase();

  async function fresh() {
    await closeAll();
    await database.empty();
    const open = async () => {
      const snapshots = new MemorySnapshotStore();
      const stores = await openTenantStores({ databaseUrl: database.url, tenantId: 'demo', snapshots });
      opened.push(stores);
      return stores;
    };
    return { stores: await open(), open };
  }

  async function closeAll() {
    await Promise.all(opened.map((stores) => stores.close()));
    opened = [];
  }

  describe('lease and journal', () => leaseAndJournalConformance(fresh));
  describe('projection', () => projectionConformance(fresh));
  describe('bulk actions', () => bulkActionConformance(fresh));
  describe('personal data', () => personalConformance(fresh));
  afterEach(closeAll);
});
