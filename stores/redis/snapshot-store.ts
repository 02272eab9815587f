import { once } from 'node:events';
import { type ChainableCommander, Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { SnapshotManifest, SnapshotStore } from '../../actors/ports.js';
import type { RedisMetrics } from './redis-metrics.js';

/** One value; Redis works on one command at a time, so a large one would stall every other client. */
const pieceBytesMax = 256 * 1024;
/** Pieces of one pipeline: a megabyte on its way, whatever the snapshot's size. */
const piecesAtOnce = 4;
/** What a manifest may claim before it is taken for damage. */
const snapshotBytesMax = 1024 ** 3;
const keptSeconds = 7 * 24 * 3600;
const commandTimeoutMs = 1000;
const reconnectMsMax = 2000;

/** Written last, in the manifest's place: which generation is valid, and how its pieces make up the chunks. */
interface Pointer {
  manifest: SnapshotManifest;
  generation: string;
  chunkBytes: number[];
}

/** A snapshot store that holds connections. */
export interface RedisSnapshots extends SnapshotStore {
  close(): Promise<void>;
}

/**
 * Snapshots in Redis: `redis://` or `rediss://` for one server, a comma-separated list of such URLs for a cluster (the
 * first one's scheme and credentials hold for all nodes). Redis being away shows only as a rejected save or load, within
 * 2 seconds; the client goes on trying to reconnect in the background.
 */
export function openRedisSnapshots(url: string, metrics?: RedisMetrics): RedisSnapshots {
  const client = connect(url.split(',').map((node) => node.trim()));
  // Every command in flight fails by itself; without a listener ioredis prints each failed attempt to connect.
  client.on('error', () => {});
  metrics?.watch(client);
  // One save at a time: two that overlap would not see each other's generation and leave one behind.
  let tail: Promise<void> = Promise.resolve();
  return {
    save(manifest, chunks) {
      const saved = tail.then(() => save(client, manifest, chunks));
      tail = saved.catch(() => metrics?.failed());
      return saved;
    },
    load(tenantId) {
      const loaded = load(client, tenantId);
      loaded.catch(() => metrics?.failed());
      return loaded;
    },
    close: async () => client.disconnect(),
  };
}

function connect(nodes: string[]): Redis | Cluster {
  const retry = (attempt: number) => Math.min(attempt * 100, reconnectMsMax);
  const bounds: RedisOptions = {
    commandTimeout: commandTimeoutMs,
    connectTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: retry,
  };
  const [first = '', ...others] = nodes;
  if (others.length === 0) return new Redis(first, bounds);
  const { protocol, username, password } = new URL(withScheme(first));
  const cluster: ClusterOptions = {
    enableOfflineQueue: false,
    clusterRetryStrategy: retry,
    slotsRefreshTimeout: commandTimeoutMs,
    retryDelayOnFailover: 100,
    retryDelayOnClusterDown: 100,
    maxRedirections: 4,
    redisOptions: {
      ...bounds,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  };
  return new Cluster(
    nodes
      .map((node) => new URL(withScheme(node)))
      .map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) })),
    cluster,
  );
}

function withScheme(node: string): string {
  return node.includes('://') ? node : `redis://${node}`;
}

async function save(client: Redis | Cluster, manifest: SnapshotManifest, chunks: readonly Uint8Array[]): Promise<void> {
  await ready(client);
  const { tenantId, epoch, seq, sha256 } = manifest;
  // The same content gives the same name, so that a save that failed half-way is completed by the next attempt.
  const generation = `${epoch}-${seq}-${sha256.slice(0, 16)}`;
  const pieces = chunks.flatMap(split);
  for (let from = 0; from < pieces.length; from += piecesAtOnce) {
    const pipeline = client.pipeline();
    for (const [offset, piece] of pieces.slice(from, from + piecesAtOnce).entries()) {
      pipeline.set(pieceKey(tenantId, generation, from + offset), piece, 'EX', keptSeconds);
    }
    await execute(pipeline);
  }
  const before = await readPointer(client, tenantId);
  const pointer: Pointer = { manifest, generation, chunkBytes: chunks.map((chunk) => chunk.length) };
  await client.set(pointerKey(tenantId), JSON.stringify(pointer), 'EX', keptSeconds);
  if (before && before.generation !== generation) await remove(client, tenantId, before);
}

async function load(
  client: Redis | Cluster,
  tenantId: string,
): Promise<{ manifest: SnapshotManifest; chunks: Uint8Array[] } | undefined> {
  await ready(client);
  const pointer = await readPointer(client, tenantId);
  if (!pointer) return undefined;
  const pieces = await readPieces(client, tenantId, pointer);
  let next = 0;
  const chunks = pointer.chunkBytes.map((bytes) => {
    const count = pieceCount(bytes);
    const parts = pieces.slice(next, next + count);
    next += count;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  });
  return { manifest: pointer.manifest, chunks };
}

async function readPieces(client: Redis | Cluster, tenantId: string, pointer: Pointer): Promise<Buffer[]> {
  const count = pointer.chunkBytes.reduce((sum, bytes) => sum + pieceCount(bytes), 0);
  const pieces: Buffer[] = [];
  while (pieces.length < count) {
    const pipeline = client.pipeline();
    const end = Math.min(pieces.length + piecesAtOnce, count);
    for (let index = pieces.length; index < end; index++) {
      pipeline.getBuffer(pieceKey(tenantId, pointer.generation, index));
    }
    for (const piece of await execute(pipeline)) {
      if (!Buffer.isBuffer(piece)) throw new Error('the snapshot in Redis lacks a piece: it was evicted or replaced');
      pieces.push(piece);
    }
  }
  return pieces;
}

async function readPointer(client: Redis | Cluster, tenantId: string): Promise<Pointer | undefined> {
  const text = await client.get(pointerKey(tenantId));
  if (text === null) return undefined;
  const pointer = parse(text) as Partial<Pointer> | undefined;
  const sizes = pointer?.chunkBytes;
  const valid =
    typeof pointer?.generation === 'string' &&
    Array.isArray(sizes) &&
    sizes.every((bytes) => Number.isSafeInteger(bytes) && bytes >= 0) &&
    sizes.reduce((sum, bytes) => sum + bytes, 0) <= snapshotBytesMax;
  // A foreign value must not stop the next save from replacing it.
  return valid ? (pointer as Pointer) : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function remove(client: Redis | Cluster, tenantId: string, { generation, chunkBytes }: Pointer): Promise<void> {
  const count = chunkBytes.reduce((sum, bytes) => sum + pieceCount(bytes), 0);
  for (let from = 0; from < count; from += 100) {
    const pipeline = client.pipeline();
    for (let index = from; index < Math.min(from + 100, count); index++) {
      pipeline.unlink(pieceKey(tenantId, generation, index));
    }
    await execute(pipeline);
  }
}

/** The results of a pipeline; ioredis reports the failure of a command as a value. */
async function execute(pipeline: ChainableCommander): Promise<unknown[]> {
  return ((await pipeline.exec()) ?? []).map(([error, result]) => {
    if (error) throw error;
    return result;
  });
}

/** Waits a moment for a connection that is being made; afterwards a command fails at once when there is none. */
async function ready(client: Redis | Cluster): Promise<void> {
  if (client.status === 'ready') return;
  try {
    // events.once also ends at an 'error', which here only says that one attempt failed.
    await once(client, 'ready', { signal: AbortSignal.timeout(commandTimeoutMs) });
  } catch (cause) {
    throw new Error('Redis is not reachable', { cause });
  }
}

function split(chunk: Uint8Array): Buffer[] {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Array.from({ length: pieceCount(bytes.length) }, (_, index) =>
    bytes.subarray(index * pieceBytesMax, (index + 1) * pieceBytesMax),
  );
}

function pieceCount(bytes: number): number {
  return Math.ceil(bytes / pieceBytesMax);
}

/** The braces put all keys of a tenant into one slot of a cluster; a tenant's name cannot bring braces of its own. */
function pointerKey(tenantId: string): string {
  return `iwd:{${encodeURIComponent(tenantId)}}:snapshot`;
}

function pieceKey(tenantId: string, generation: string, index: number): string {
  return `${pointerKey(tenantId)}:${generation}:${index}`;
}
