import type { SnapshotStore, TenantStores } from '../../actors/ports.js';
import { MemoryBulkActionStore } from './bulk-action-store.js';
import { MemoryDatabase } from './database.js';
import { MemoryJournal } from './journal.js';
import { MemoryLeaseStore } from './lease-store.js';
import { MemoryLedger, MemoryPersonalStore } from './personal-store.js';
import { MemoryProjectionStore } from './projection-store.js';
import { MemorySnapshotStore } from './snapshot-store.js';

/**
 * All of a tenant's stores in memory, with the semantics of the real ones and no timing of their own. Give the same
 * `database` and `snapshots` again to model a restart.
 */
export function openMemoryStores(
  database: MemoryDatabase = new MemoryDatabase(),
  snapshots: SnapshotStore = new MemorySnapshotStore(),
  ledger: MemoryLedger = new MemoryLedger(),
): TenantStores {
  return {
    lease: new MemoryLeaseStore(database),
    journal: new MemoryJournal(database),
    bulkActions: new MemoryBulkActionStore(database),
    projection: new MemoryProjectionStore(database),
    snapshots,
    personal: new MemoryPersonalStore(database, ledger),
    close: async () => {},
  };
}
