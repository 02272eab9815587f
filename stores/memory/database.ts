import type { BulkAction } from '../../actors/ports/bulk-action-store.js';
import type { FilterRecord, HistoryEntry, KeyRecord, SettingsRecord, TenantEntry } from '../../actors/ports.js';
import type { WorkItem } from '../../engine/work-item.js';
import { noLink } from '../journal-chain.js';

/** One row of the journal as it is stored. */
export interface JournalBytes {
  seq: number;
  epoch: number;
  eventCount: number;
  bytes: Uint8Array;
  digest: Uint8Array;
  link: Uint8Array;
}

/**
 * What a tenant's Postgres holds, in memory: it outlives the stores that are opened on it, so that a simulated crash
 * loses an actor's memory and nothing else. Written by the stores of this folder only.
 */
export class MemoryDatabase {
  lease = {
    epoch: 0,
    ownerToken: '',
    ownerPod: null as string | null,
    heartbeat: 0,
    lastSeq: 0,
    released: true,
    /** The chain's newest link. */
    link: noLink,
  };
  /** Oldest first. Rows hold packed bytes, so that what is read never shares an object with what was written. */
  readonly journal: JournalBytes[] = [];
  cursor = 0;
  readonly items = new Map<string, WorkItem>();
  readonly history = new Map<string, HistoryEntry[]>();
  readonly keys = new Map<string, KeyRecord>();
  readonly settings: SettingsRecord[] = [];
  readonly filters = new Map<string, FilterRecord>();
  readonly bulkActions = new Map<string, { action: BulkAction; ids: string[] }>();
  readonly entries = new Map<number, TenantEntry>();
}
