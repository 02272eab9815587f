import type { Journal, ProjectionStore } from '../../actors/ports.js';
import { Connection, readTimeouts } from './connection.js';
import { PostgresJournal } from './journal.js';
import { PostgresProjectionStore } from './projection-store.js';
import { Reader } from './reader.js';
import { SessionPool } from './session-pool.js';

/** What of a tenant's database is read by somebody who does not own the tenant. */
export interface TenantReader {
  journal: Pick<Journal, 'read'>;
  projection: Pick<ProjectionStore, 'load' | 'settings' | 'standingAt'>;
  close(): Promise<void>;
}

/** Connects when the first question comes. Nothing that it offers writes. */
export function openTenantReader(databaseUrl: string, tenantId: string): TenantReader {
  const sessions = new SessionPool();
  const reader = new Reader(databaseUrl, sessions);
  const unused = new Connection(databaseUrl, readTimeouts);
  return {
    journal: new PostgresJournal(unused, reader, tenantId),
    projection: new PostgresProjectionStore(unused, reader),
    close: () => sessions.close(),
  };
}
