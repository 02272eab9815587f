import { createHash } from 'node:crypto';
import type { Event } from '../engine/event.js';
import { type Settings, settingsNames } from '../engine/settings.js';
import { SnapshotReader, snapshotFormat } from '../engine/snapshot.js';
import { type Scheduling, type StateOptions, TenantState } from '../engine/state.js';
import type { Instant, Override } from '../engine/work-item.js';
import { Batch } from './batch.js';
import type {
  Journal,
  JournalRow,
  Lease,
  OpenItems,
  ProjectionStore,
  Runtime,
  SnapshotManifest,
  TenantStores,
} from './ports.js';
import { rowsOf } from './projector.js';

const rowsARead = 64;
const itemsASlice = 10_000;
/** Rebuilding the order of an actor that serves nobody yet needs no slices, only turns for the thread's other tenants. */
const rebuildOps = 50_000;

export interface RecoveryContext {
  tenantId: string;
  lease: Lease;
  stores: TenantStores;
  runtime: Runtime;
  stateOptions: StateOptions;
  unprojectedBytesMax: number;
  onNote: (message: string) => void;
}

export interface Recovered {
  state: TenantState;
  cursor: number;
  /** Durable batches that the follower has yet to write. */
  unprojected: Batch[];
  /** Where the memory came from. */
  source: 'snapshot' | 'tables';
  /** The snapshot that it began with. */
  snapshot: SnapshotManifest | undefined;
}

/**
 * Rebuilds a tenant's memory as of the lease's last event: the newest snapshot that can be trusted, or the tables'
 * columns at the follower's cursor; then the journal after that. Both start points are behind the journal, and `apply`
 * skips what an item has already seen.
 */
export async function recover(context: RecoveryContext): Promise<Recovered> {
  const cursor = await context.stores.projection.cursor();
  const fromSnapshot = await fromSnapshotStore(context);
  const state = fromSnapshot?.state ?? (await fromTables(context));
  const unprojected = await replay(context, state, Math.min(fromSnapshot?.manifest.seq ?? cursor, cursor), cursor);
  while (!state.stepRebuild(rebuildOps, context.runtime.now())) await turn(context.runtime);
  if (state.seq !== context.lease.lastSeq) {
    throw new Error(`the journal ends at ${state.seq}, the lease says ${context.lease.lastSeq}`);
  }
  const source = fromSnapshot === undefined ? 'tables' : 'snapshot';
  return { state, ...unprojected, source, snapshot: fromSnapshot?.manifest };
}

async function fromSnapshotStore(
  context: RecoveryContext,
): Promise<{ state: TenantState; manifest: SnapshotManifest } | undefined> {
  const { stores, tenantId, runtime, onNote } = context;
  try {
    const stored = await stores.snapshots.load(tenantId);
    if (stored === undefined) return undefined;
    const fault =
      faultOf(stored.manifest, stored.chunks, context) ?? (await divergence(stored.manifest, stores.journal));
    if (fault !== undefined) {
      onNote(`snapshot refused: ${fault}`);
      return undefined;
    }
    const state = new TenantState(context.stateOptions);
    state.table.reserve(stored.manifest.itemCount);
    const reader = new SnapshotReader(state);
    for (const chunk of stored.chunks) {
      reader.read(chunk);
      await prepareCalendars(state, runtime);
      await turn(runtime);
    }
    reader.end(runtime.now());
    return { state, manifest: stored.manifest };
  } catch (error) {
    onNote(`snapshot not usable: ${(error as Error).message}`);
    return undefined;
  }
}

/** Why a snapshot cannot be trusted, undefined when it can. */
function faultOf(
  manifest: SnapshotManifest,
  chunks: readonly Uint8Array[],
  context: RecoveryContext,
): string | undefined {
  if (manifest.format !== snapshotFormat) return `format ${manifest.format} is not ${snapshotFormat}`;
  if (manifest.tenantId !== context.tenantId) return 'it is another tenant’s';
  if (!(manifest.seq >= 0 && manifest.seq <= manifest.endSeq)) return 'its numbers make no sense';
  if (manifest.endSeq > context.lease.lastSeq) return `it is ahead of the journal (${manifest.endSeq})`;
  if (manifest.epoch > context.lease.epoch) return `its epoch ${manifest.epoch} lies in the future`;
  if (manifest.chunkCount !== chunks.length) return 'chunks are missing';
  return checksumOf(chunks) === manifest.sha256 ? undefined : 'the checksum is wrong';
}

/**
 * A database that was set back and went on under new epochs has other events under the same numbers: the snapshot's last
 * event is its own only if the journal has it from the snapshot's epoch or before.
 */
async function divergence({ epoch, endSeq }: SnapshotManifest, journal: Journal): Promise<string | undefined> {
  if (endSeq === 0) return undefined;
  const [row] = await journal.read(endSeq - 1, 1);
  if (row !== undefined && row.seq <= endSeq && row.epoch <= epoch) return undefined;
  return `it is of another history: event ${endSeq} was not written in its epoch ${epoch} or before`;
}

/** SHA-256 over all chunks, in order. */
export function checksumOf(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

async function fromTables(context: RecoveryContext): Promise<TenantState> {
  const { projection } = context.stores;
  const state = new TenantState(context.stateOptions);
  state.restoreSettings(await storedSettings(projection));
  await prepareCalendars(state, context.runtime);
  state.filters.restore(await projection.filters());
  await projection.scanKnown(({ captureIds, keys }) => {
    for (const captureId of captureIds) state.known.add(`c:${captureId}`);
    for (const key of keys) state.known.add(`k:${key}`);
  });
  await projection.scanOpen(itemsASlice, (slice) => restoreSlice(state, slice, context.runtime.now()));
  return state;
}

async function storedSettings(projection: ProjectionStore): Promise<Partial<Settings>> {
  const records = await Promise.all(settingsNames.map((kind) => projection.settings(kind)));
  const stored = records.flatMap((record) => record ?? []);
  return Object.fromEntries(stored.map(({ kind, version, at, document }) => [kind, { version, at, document }]));
}

function restoreSlice(state: TenantState, slice: OpenItems, now: Instant): void {
  for (let i = 0; i < slice.count; i++) state.restore(schedulingOf(slice, i), now);
}

function schedulingOf(slice: OpenItems, i: number): Scheduling {
  return {
    id: slice.id[i],
    seq: slice.seq[i],
    version: slice.version[i],
    status: slice.status[i],
    category: slice.category[i] ?? undefined,
    customerSegment: slice.customerSegment[i] ?? undefined,
    assignedTo: slice.assignedTo[i] ?? undefined,
    businessValue: optional(slice.businessValue[i]),
    override: overrideOf(slice.overridePriority[i], slice.overrideUntil[i]),
    stoppedMs: optional(slice.stoppedMs[i]),
    createdDateTime: slice.created[i],
    activationDateTime: optional(slice.activation[i]),
    dueDateTime: optional(slice.due[i]),
    expirationDateTime: optional(slice.expiration[i]),
  };
}

function overrideOf(priority: number, until: number): Override | undefined {
  return Number.isNaN(priority) ? undefined : { priority, until: optional(until) };
}

function optional(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}

/** Applies the journal after `fromSeq`. What the follower has not written yet comes back as batches, bounded in bytes. */
async function replay(
  context: RecoveryContext,
  state: TenantState,
  fromSeq: number,
  projectedSeq: number,
): Promise<{ cursor: number; unprojected: Batch[] }> {
  const { journal, projection } = context.stores;
  let cursor = projectedSeq;
  let unprojected: Batch[] = [];
  state.seq = fromSeq;
  while (state.seq < context.lease.lastSeq) {
    const rows = await journal.read(state.seq, rowsARead);
    if (rows.length === 0) break;
    for (const row of rows) {
      await hydrate(context, state, row, cursor);
      const batch = applyRow(state, row, cursor, context.runtime.now());
      if (batch.events.length > 0) unprojected.push(batch);
      await prepareCalendars(state, context.runtime);
    }
    if (state.documents.pendingBytes > context.unprojectedBytesMax) {
      cursor = await projectNow(projection, state, cursor, unprojected);
      unprojected = [];
    }
    await turn(context.runtime);
  }
  return { cursor, unprojected };
}

/** Reads the documents that the row's events change and that are not in memory, nor made by the row itself. */
async function hydrate(
  { stores }: RecoveryContext,
  state: TenantState,
  row: JournalRow,
  projectedSeq: number,
): Promise<void> {
  state.documents.evict();
  const made = new Set<string>();
  const cold = new Set<string>();
  row.events.forEach((event, index) => {
    if ('item' in event && row.seq + index > projectedSeq) made.add(event.item.id);
    if ('id' in event && !made.has(event.id) && !state.documents.has(event.id)) cold.add(event.id);
  });
  if (cold.size === 0) return;
  for (const item of await stores.projection.load([...cold])) state.documents.offer(item);
}

function applyRow(state: TenantState, row: JournalRow, projectedSeq: number, now: Instant): Batch {
  const batch = new Batch(Math.max(projectedSeq, row.seq - 1));
  row.events.forEach((event: Event, index) => {
    const seq = row.seq + index;
    if (seq <= state.seq) return;
    state.apply(event, projectedSeq, Math.min(event.at, now));
    if (seq > projectedSeq) batch.add(event, state);
  });
  return batch;
}

/** The follower is far behind: writes what has piled up before more is read. */
async function projectNow(
  projection: TenantStores['projection'],
  state: TenantState,
  cursor: number,
  batches: readonly Batch[],
): Promise<number> {
  for (const batch of batches) {
    const { keys, settings, filters, entries, toSeq } = batch;
    const rows = rowsOf([batch]);
    if (!(await projection.project({ fromSeq: cursor, toSeq, ...rows, keys, settings, filters, entries }))) {
      throw new Error('the follower is moved by another owner');
    }
    cursor = toSeq;
    for (const item of rows.items) state.documents.settle(item);
    for (const id of rows.deleted) state.documents.settleDeleted(id);
    for (const { key } of keys) state.keys.delete(key);
  }
  state.documents.evict();
  return cursor;
}

/** Before items need them: measuring a zone's two centuries takes many turns. */
async function prepareCalendars(state: TenantState, runtime: Runtime): Promise<void> {
  while (!state.calendars.prepareStep(runtime.now())) await turn(runtime);
}

function turn(runtime: Runtime): Promise<void> {
  return new Promise((resolve) => {
    runtime.soon(resolve);
  });
}
