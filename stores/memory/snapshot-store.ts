import type { SnapshotManifest, SnapshotStore } from '../../actors/ports.js';

/** Snapshots in memory, one a tenant: for tests and the simulator. */
export class MemorySnapshotStore implements SnapshotStore {
  readonly #stored = new Map<string, { manifest: SnapshotManifest; chunks: Uint8Array[] }>();

  async save(manifest: SnapshotManifest, chunks: readonly Uint8Array[]): Promise<void> {
    this.#stored.set(manifest.tenantId, {
      manifest: { ...manifest },
      chunks: chunks.map((chunk) => new Uint8Array(chunk)),
    });
  }

  async load(tenantId: string): Promise<{ manifest: SnapshotManifest; chunks: Uint8Array[] } | undefined> {
    const found = this.#stored.get(tenantId);
    return found && { manifest: { ...found.manifest }, chunks: found.chunks.map((chunk) => new Uint8Array(chunk)) };
  }
}
