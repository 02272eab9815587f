import type { SnapshotStore, TenantStores } from '../../actors/ports.js';
import { PostgresBulkActionStore } from './bulk-action-store.js';
import { batchTimeouts, Connection, commitTimeouts } from './connection.js';
import { PostgresJournal } from './journal.js';
import { PostgresLeaseStore } from './lease-store.js';
import { PostgresPersonalStore } from './personal-store.js';
import { PostgresProjectionStore } from './projection-store.js';
import { Reader } from './reader.js';
import { SessionPool } from './session-pool.js';

/** How a tenant's stores are opened on its database, which `migrate` has brought up to date. */
export interface TenantDatabaseOptions {
  databaseUrl: string;
  tenantId: string;
  snapshots: SnapshotStore;
  /** What the tenants of one thread share; without it the tenant gets sessions of its own, which end with its stores. */
  sessions?: SessionPool;
  /** Of the database with the ledger of erasures; tools that erase nothing have none. */
  registry?: Reader;
  /** The commit connection broke while nothing ran on it; the next commit gets a fresh one. */
  onDisconnect?: (error: Error) => void;
}

/**
 * Opens a tenant's stores: one connection for commits and the lease, one for the follower's writes; reads go
 * over the sessions that it shares with others. Throws when the server cannot be reached, may lose acknowledged work, or holds another tenant.
 */
export async function openTenantStores(options: TenantDatabaseOptions): Promise<TenantStores> {
  const { databaseUrl, tenantId, snapshots, registry, onDisconnect } = options;
  const sessions = options.sessions ?? new SessionPool();
  const commits = new Connection(databaseUrl, commitTimeouts, onDisconnect, sessions.dialer);
  const writer = new Connection(databaseUrl, batchTimeouts, undefined, sessions.dialer);
  const reader = new Reader(databaseUrl, sessions);
  const lease = new PostgresLeaseStore(commits, tenantId);
  const close = async () => {
    await Promise.all([
      commits.close(),
      writer.close(),
      options.sessions === undefined ? sessions.close() : reader.close(),
    ]);
  };
  try {
    await lease.view();
  } catch (error) {
    await close();
    throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
  }
  return {
    lease,
    journal: new PostgresJournal(commits, reader, tenantId),
    bulkActions: new PostgresBulkActionStore(writer, reader),
    projection: new PostgresProjectionStore(writer, reader),
    snapshots,
    personal: new PostgresPersonalStore({ tenantId, writer, reader, registry }),
    close,
  };
}
