import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotManifest, SnapshotStore } from '../../actors/ports.js';

/** First bytes of a file: name and version of its layout. */
const magic = Buffer.from('iwd-snapshot-1\n');
const leftover = /\.snapshot\.\d+\.tmp$/;

interface Header {
  manifest: SnapshotManifest;
  chunkBytes: number[];
}

/**
 * Snapshots as files `<tenant>.snapshot` in `dir` (created, mode 0700; files 0600): the magic line, the header's length
 * as 32 bits, the header as JSON, then the chunks. A file is written beside, forced to the disk and renamed, so that
 * under its name there is always a whole one; what a crash left beside is removed here.
 */
export async function openFileSnapshots(dir: string): Promise<SnapshotStore> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(dir)) if (leftover.test(name)) await rm(join(dir, name), { force: true });
  // One save at a time: two of the same tenant would write to the same file beside.
  let tail: Promise<void> = Promise.resolve();
  return {
    save(manifest, chunks) {
      const saved = tail.then(() => save(dir, manifest, chunks));
      tail = saved.catch(() => {});
      return saved;
    },
    load: (tenantId) => load(pathOf(dir, tenantId)),
  };
}

async function save(dir: string, manifest: SnapshotManifest, chunks: readonly Uint8Array[]): Promise<void> {
  const path = pathOf(dir, manifest.tenantId);
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeWhole(beside, manifest, chunks);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  const directory = await open(dir, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeWhole(path: string, manifest: SnapshotManifest, chunks: readonly Uint8Array[]): Promise<void> {
  const header: Header = { manifest, chunkBytes: chunks.map((chunk) => chunk.length) };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  const file = await open(path, 'w', 0o600);
  try {
    for (const part of [Buffer.concat([magic, length, json]), ...chunks]) await writeAll(file, part);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

async function load(path: string): Promise<{ manifest: SnapshotManifest; chunks: Uint8Array[] } | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!bytes) return undefined;
  const start = magic.length + 4;
  if (bytes.length < start || !bytes.subarray(0, magic.length).equals(magic)) {
    throw new Error(`${path} is not a snapshot of a format known here`);
  }
  const bodyStart = start + bytes.readUInt32BE(magic.length);
  const { manifest, chunkBytes } = JSON.parse(bytes.toString('utf8', start, bodyStart)) as Header;
  const expected = chunkBytes.reduce((sum, length) => sum + length, bodyStart);
  if (expected !== bytes.length) throw new Error(`${path} is cut: ${bytes.length} of ${expected} bytes`);
  const chunks: Uint8Array[] = [];
  let position = bodyStart;
  for (const length of chunkBytes) {
    chunks.push(bytes.subarray(position, position + length));
    position += length;
  }
  return { manifest, chunks };
}

function pathOf(dir: string, tenantId: string): string {
  return join(dir, `${encodeURIComponent(tenantId)}.snapshot`);
}
