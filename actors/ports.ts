import type { AuditPage, AuditQuery } from '../engine/audit-log.js';
import type { Event } from '../engine/event.js';
import type { Filter } from '../engine/filter.js';
import type { SortKey, SortPosition } from '../engine/item-sort.js';
import type { FilterChange } from '../engine/saved-filter.js';
import type { SettingsContent } from '../engine/settings.js';
import type { Instant, Status, WorkItem } from '../engine/work-item.js';
import type { BulkActionStore } from './ports/bulk-action-store.js';
import type { PersonalStore } from './ports/personal-store.js';

/**
 * What actors need of the world. `stores/` implements these; each port has one conformance suite
 * (`stores/conformance/`) that the real and the memory implementation both pass.
 */

/** Time, timers and randomness: the process's own in production, a simulator's in tests. Nothing else reads a clock. */
export interface Runtime {
  /** Wall clock, whole milliseconds since 1970. */
  now(): Instant;
  /** Milliseconds that only ever grow; for durations and time-outs. */
  monotonic(): number;
  /** Calls `fire` once after `ms`; the returned function cancels. Never keeps the process alive. */
  timer(ms: number, fire: () => void): () => void;
  /** Calls `fire` in a later turn of the loop, after I/O had its chance. */
  soon(fire: () => void): void;
  randomBytes(count: number): Uint8Array;
}

/** The right to change one tenant's state: whoever holds the newest epoch and its token. */
export interface Lease {
  epoch: number;
  ownerToken: string;
  /** Number of the last event in the journal; the next batch starts at lastSeq + 1. */
  lastSeq: number;
}

/** What a contender sees of the lease; it may take it only by compare-and-set on (epoch, heartbeat). */
export interface LeaseView {
  epoch: number;
  /** Changes with every commit and idle heartbeat; compared, never read as a time. */
  heartbeat: number;
  lastSeq: number;
  released: boolean;
  /** `host/pid` of the holder, so that a restart on the same machine need not wait for a dead process. */
  ownerPod: string | null;
}

export interface Owner {
  token: string;
  pod: string;
  url: string;
}

export interface LeaseStore {
  /** Creates the row when there is none. */
  view(): Promise<LeaseView>;
  /** Takes the lease if (epoch, heartbeat) are still what `seen` says; undefined when somebody else was faster. */
  acquire(seen: LeaseView, owner: Owner): Promise<Lease | undefined>;
  /** After an unknown outcome: takes the own lease again under a new epoch, which waits for and fences the late write. */
  renew(lease: Lease, owner: Owner): Promise<Lease | undefined>;
  /** True while the lease is still ours; false means lost. */
  heartbeat(lease: Lease): Promise<boolean>;
  /** Gives the lease back so that a successor need not wait. */
  release(lease: Lease): Promise<void>;
}

/**
 * How a commit ended (`docs/decisions/0002-unknown-outcome.md`):
 * - committed: durable.
 * - lost: the lease is somebody else's; nothing was written.
 * - refused: Postgres said no and nothing was written; `transient` may be tried again, otherwise the batch holds a
 *   command that cannot be stored.
 * - unknown: it may or may not be durable. Nothing may be acknowledged, the memory is void.
 */
export type CommitOutcome =
  | { kind: 'committed' }
  | { kind: 'lost' }
  | { kind: 'refused'; transient: boolean; sqlState: string; detail: string }
  | { kind: 'unknown'; cause: string };

export interface JournalRow {
  /** Number of the row's first event. */
  seq: number;
  epoch: number;
  events: Event[];
}

export interface Journal {
  /** Appends events lease.lastSeq + 1 ... + events.length as one row, fenced by the lease. Never throws. */
  commit(lease: Lease, events: readonly Event[]): Promise<CommitOutcome>;
  /** Rows that hold events after `seq`, oldest first, at most `rowsMax`. A row may begin before `seq`. */
  read(afterSeq: number, rowsMax: number): Promise<JournalRow[]>;
}

/** One line of an item's history, as people read it. */
export interface HistoryEntry {
  itemId: string;
  seq: number;
  at: Instant;
  type: Event['type'];
  by?: string;
  /** The client's address. */
  from?: string;
  version: number;
  status: Status;
  /** What changed, without the attributes: category, rule, agentId, reason, names of updated fields, ... */
  details: Record<string, unknown>;
}

/** One line of what happened to no item: settings, erasures. */
export interface TenantEntry {
  seq: number;
  at: Instant;
  type: Event['type'];
  by?: string;
  from?: string;
  /** What changed, without the documents themselves. */
  details: Record<string, unknown>;
}
export interface KeyRecord {
  key: string;
  fingerprint: string;
  status: number;
  itemId: string | null;
  at: Instant;
}

export type SettingsRecord = { seq: number; version: number; at: Instant; by?: string } & SettingsContent;

/** Where an item was in its life at some event. */
export type ItemStanding = Pick<HistoryEntry, 'itemId' | 'version' | 'status'>;

/** Who published a version of settings, and when. */
export type SettingsVersion = Pick<SettingsRecord, 'version' | 'at' | 'by'>;
/** What has become of a saved filter with the event of this number. */
export interface FilterRecord {
  seq: number;
  change: FilterChange;
}

/** What the journal's events after `fromSeq` up to `toSeq` leave behind: one row an item, whatever its events. */
export interface Projection {
  fromSeq: number;
  toSeq: number;
  items: readonly WorkItem[];
  /** Ids of items whose rows go; none of them is among `items`. What was said of them in their history goes too. */
  deleted: readonly string[];
  history: readonly HistoryEntry[];
  keys: readonly KeyRecord[];
  settings: readonly SettingsRecord[];
  filters: readonly FilterRecord[];
  entries: readonly TenantEntry[];
}

/** Columns of the open items, `count` of them, for rebuilding memory without reading any document. */
export interface OpenItems {
  count: number;
  id: string[];
  status: Status[];
  category: (string | null)[];
  customerSegment: (string | null)[];
  assignedTo: (string | null)[];
  /** Absent times are NaN. */
  created: Float64Array;
  activation: Float64Array;
  due: Float64Array;
  expiration: Float64Array;
  businessValue: Float64Array;
  /** Absent priorities are NaN, and so is the end of one that holds for ever. */
  overridePriority: Float64Array;
  overrideUntil: Float64Array;
  /** NaN for the items whose clock was never stopped. */
  stoppedMs: Float64Array;
  seq: Float64Array;
  version: Float64Array;
}

export interface ItemQuery {
  statuses?: Status[];
  /** A category path: it and everything below it. */
  category?: string;
  limit: number;
  /** Lists go from the newest item to the oldest: items with seq below this. */
  beforeSeq?: number;
}

export interface ItemSearch {
  /** Absent: all items. */
  filter?: Filter;
  /** The moment that the filter's relative times count from. */
  now: Instant;
  sort: readonly SortKey[];
  limit: number;
  /** Only what comes after this in the order. */
  after?: SortPosition;
}

/** A search that was given up because it took too long, or was not begun because too many wait. */
export class SearchRefused extends Error {
  override name = 'SearchRefused';
  readonly code: 'query-too-slow' | 'too-many-requests';

  constructor(code: SearchRefused['code']) {
    super(code);
    this.code = code;
  }
}

/** The follower's tables: work items, their history, remembered keys, settings. Derived; rebuilt from the journal. */
export interface ProjectionStore {
  /** Number of the last event projected. */
  cursor(): Promise<number>;
  /** Applies all of it and moves the cursor from `fromSeq` to `toSeq`, or nothing; false when the cursor was elsewhere. */
  project(projection: Projection): Promise<boolean>;
  load(ids: readonly string[]): Promise<WorkItem[]>;
  loadByCapture(captureIds: readonly string[]): Promise<WorkItem[]>;
  findKeys(keys: readonly string[]): Promise<KeyRecord[]>;
  list(query: ItemQuery): Promise<WorkItem[]>;
  /**
   * One page of what the filter matches, and how many it matches in all, counted to `countMax` at most. This and
   * `matchingIds` throw `SearchRefused` instead of taking long.
   */
  search(search: ItemSearch, countMax: number): Promise<{ items: WorkItem[]; count: number }>;
  /** Ids of what the filter matches at `now`, oldest first, at most `limit`. */
  matchingIds(filter: Filter, now: Instant, limit: number): Promise<string[]>;
  /** Oldest first, after `afterSeq`, at most `limit`. */
  history(itemId: string, afterSeq: number, limit: number): Promise<HistoryEntry[]>;
  /** Lines about items and about the tenant itself, as the audit log shows them. */
  audit(query: AuditQuery): Promise<AuditPage>;
  /** The newest record of each kind, or the given version. */
  settings(kind: SettingsRecord['kind'], version?: number): Promise<SettingsRecord | undefined>;
  /** The versions of a kind below `beforeVersion`, newest first, at most `limit`, without their documents. */
  settingsVersions(kind: SettingsRecord['kind'], beforeVersion: number, limit: number): Promise<SettingsVersion[]>;
  /** What has become of each saved filter that was ever changed. */
  filters(): Promise<FilterChange[]>;
  /** How items stood after event `seq`: those of the ids that had come in by then, in no order. */
  standingAt(ids: readonly string[], seq: number): Promise<ItemStanding[]>;
  /** Calls back with slices of at most `sliceItems` open items. */
  scanOpen(sliceItems: number, each: (slice: OpenItems) => void): Promise<void>;
  /** Calls back with the captureIds and Idempotency-Keys ever seen, for the filter of known keys. */
  scanKnown(each: (slice: { captureIds: string[]; keys: string[] }) => void): Promise<void>;
  /** Forgets Idempotency-Keys older than `before`, at most `limit` a call; returns how many. */
  forgetKeys(before: Instant, limit: number): Promise<number>;
}

/** Says whose and how old a snapshot is, and how to tell that it arrived whole. */
export interface SnapshotManifest {
  tenantId: string;
  format: number;
  epoch: number;
  /** The snapshot holds at least everything up to `seq`, and for some items effects up to `endSeq`. */
  seq: number;
  endSeq: number;
  at: Instant;
  itemCount: number;
  chunkCount: number;
  bytes: number;
  /** SHA-256 over all chunks in order, hex. */
  sha256: string;
}

/** A cache of the memory: losing it only costs time. */
export interface SnapshotStore {
  save(manifest: SnapshotManifest, chunks: readonly Uint8Array[]): Promise<void>;
  /** What is stored, unverified: the reader checks the manifest and the checksum. */
  load(tenantId: string): Promise<{ manifest: SnapshotManifest; chunks: Uint8Array[] } | undefined>;
}

/** One tenant's stores, opened by the shard that owns it. */
export interface TenantStores {
  bulkActions: BulkActionStore;
  lease: LeaseStore;
  journal: Journal;
  projection: ProjectionStore;
  snapshots: SnapshotStore;
  personal: PersonalStore;
  close(): Promise<void>;
}
/** What one tenant may use of the process. Absent: the process's default. 0: no bound of its own. */
export interface TenantQuotas {
  /** Requests a second, beyond it 429. */
  requestsPerSecond?: number;
  /** Bytes of request bodies a second, beyond it 429. */
  payloadBytes?: number;
  /** Items that are not in a final state; one more is refused with `quota-exceeded`. */
  openItems?: number;
  /** Commands that wait in the tenant's mailbox, beyond it 429. */
  queueDepth?: number;
}

/** What runs a tenant: plain data, for it crosses to a shard's thread. The URL holds a password and is never logged. */
export interface TenantConfig {
  id: string;
  databaseUrl: string;
  quotas?: TenantQuotas;
}
