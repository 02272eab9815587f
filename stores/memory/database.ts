import type { HistoryEntry, KeyRecord, SettingsRecord } from '../../actors/ports.js';
import type { WorkItem } from '../../engine/work-item.js';

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
  };
  /** Oldest first. Rows hold packed bytes, so that what is read never shares an object with what was written. */
  readonly journal: { seq: number; epoch: number; eventCount: number; bytes: Uint8Array }[] = [];
  cursor = 0;
  readonly items = new Map<string, WorkItem>();
  readonly history = new Map<string, HistoryEntry[]>();
  readonly keys = new Map<string, KeyRecord>();
  readonly settings: SettingsRecord[] = [];
}
