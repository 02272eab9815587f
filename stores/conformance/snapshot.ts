import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { SnapshotManifest, SnapshotStore } from '../../actors/ports.js';

/** The contract of `SnapshotStore`; the stores may hold snapshots of other tests. */
export function snapshotConformance(open: () => Promise<SnapshotStore>): void {
  test('a tenant without a snapshot has none', async () => {
    assert.equal(await (await open()).load('nobody'), undefined);
  });

  test('chunks of any size come back as they were, also from another opening of the store', async () => {
    const chunks = [0, 1, 262_144, 262_145, 3_000_000, 7].map(pattern);
    const manifest = manifestOf('sizes', 1, chunks);
    await (await open()).save(manifest, chunks);
    const loaded = await (await open()).load('sizes');
    assert.deepEqual(loaded?.manifest, manifest);
    assert.equal(loaded.chunks.length, chunks.length);
    for (const [index, chunk] of loaded.chunks.entries()) assert.ok(Buffer.from(chunk).equals(chunks[index]!));
  });

  test('a later snapshot replaces the earlier one, and saving the same one again is harmless', async () => {
    const store = await open();
    await store.save(manifestOf('again', 1, [pattern(9), pattern(9)]), [pattern(9), pattern(9)]);
    const manifest = manifestOf('again', 2, [pattern(5)]);
    await store.save(manifest, [pattern(5)]);
    await store.save(manifest, [pattern(5)]);
    const loaded = await store.load('again');
    assert.equal(loaded?.manifest.seq, 2);
    assert.deepEqual(loaded.chunks.map(Buffer.from), [pattern(5)]);
  });

  test('saves that overlap leave one of them whole', async () => {
    const store = await open();
    const chunksOf = (seq: number) => [pattern(seq * 100_000), pattern(seq)];
    await Promise.all([1, 2, 3].map((seq) => store.save(manifestOf('overlap', seq, chunksOf(seq)), chunksOf(seq))));
    const loaded = await store.load('overlap');
    assert.ok(loaded);
    assert.equal(sha256(loaded.chunks), loaded.manifest.sha256);
  });

  test('tenants do not see each other’s snapshots, whatever their names', async () => {
    const store = await open();
    const names = ['a', 'a}b', '../a', 'a:snapshot', 'ä/ö'];
    for (const [index, name] of names.entries()) {
      await store.save(manifestOf(name, index, [pattern(index)]), [pattern(index)]);
    }
    for (const [index, name] of names.entries()) {
      const loaded = await store.load(name);
      assert.equal(loaded?.manifest.tenantId, name);
      assert.deepEqual(loaded.chunks.map(Buffer.from), [pattern(index)]);
    }
  });
}

export function pattern(bytes: number): Buffer {
  const chunk = Buffer.alloc(bytes);
  for (let index = 0; index < bytes; index++) chunk[index] = (index * 31 + (index >> 8)) & 255;
  return chunk;
}

export function manifestOf(tenantId: string, seq: number, chunks: readonly Uint8Array[]): SnapshotManifest {
  return {
    tenantId,
    format: 1,
    epoch: 1,
    seq,
    endSeq: seq,
    at: 1_700_000_000_000,
    itemCount: 0,
    chunkCount: chunks.length,
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    sha256: sha256(chunks),
  };
}

function sha256(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
