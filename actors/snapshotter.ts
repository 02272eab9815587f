import { SnapshotWriter, snapshotFormat } from '../engine/snapshot.js';
import type { Runtime, SnapshotManifest, SnapshotStore } from './ports.js';
import { checksumOf } from './recovery.js';
import { pause } from './runtime.js';
import type { Term } from './term.js';

const durablePollMs = 5;

export interface SnapshotContext {
  tenantId: string;
  store: SnapshotStore;
  runtime: Runtime;
}

/**
 * Takes a snapshot of a term's state, a slice a turn (2,500 items, well below a millisecond), and saves it once
 * everything that it may show is durable. Undefined when the term ended meanwhile: its memory may be wrong then.
 */
export async function takeSnapshot(term: Term, context: SnapshotContext): Promise<SnapshotManifest | undefined> {
  const { runtime, tenantId, store } = context;
  const at = runtime.now();
  const { seq } = term.state;
  const writer = new SnapshotWriter(term.state);
  while (!writer.slice()) {
    await new Promise<void>((resolve) => runtime.soon(resolve));
    if (term.ended) return undefined;
  }
  const endSeq = term.state.seq;
  while (term.durableSeq < endSeq) {
    await pause(runtime, durablePollMs);
    if (term.ended) return undefined;
  }
  const manifest: SnapshotManifest = {
    tenantId,
    format: snapshotFormat,
    epoch: term.lease.epoch,
    seq,
    endSeq,
    at,
    itemCount: writer.itemCount,
    chunkCount: writer.chunks.length,
    bytes: writer.bytes,
    sha256: checksumOf(writer.chunks),
  };
  await store.save(manifest, writer.chunks);
  return manifest;
}
