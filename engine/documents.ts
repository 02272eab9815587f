import type { WorkItem } from './work-item.js';

/** Rough heap cost of an item beside its attributes text: the object and its short strings. */
const itemOverheadBytes = 600;

/**
 * The work items whose full text is in memory. The actor's rule is: **an item may change only while its document is
 * here**; one that is not here is exactly what the `work_item` table says.
 *
 * - `pending`: changed and not yet projected. Never evicted; its size is what ingest is throttled by.
 * - `recent`: projected; the least recently used go when `bytesMax` is passed. Eviction happens only in `evict()`, which
 *   the actor calls when no load is under way: a load that arrives late can then never bring back an older version.
 */
export class Documents {
  readonly #pending = new Map<string, WorkItem>();
  readonly #pendingByCapture = new Map<string, string>();
  readonly #recent = new Map<string, WorkItem>();
  readonly #recentByCapture = new Map<string, string>();
  readonly #bytesMax: number;
  #pendingBytes = 0;
  #evictions = 0;
  #recentBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get recentBytes(): number {
    return this.#recentBytes;
  }

  /** Grows with every document let go: knowledge that something is not in the table holds while this stands still. */
  get evictions(): number {
    return this.#evictions;
  }

  has(id: string): boolean {
    return this.#pending.has(id) || this.#recent.has(id);
  }

  get(id: string): WorkItem | undefined {
    const pending = this.#pending.get(id);
    if (pending !== undefined) return pending;
    const recent = this.#recent.get(id);
    if (recent !== undefined) {
      this.#recent.delete(id);
      this.#recent.set(id, recent);
    }
    return recent;
  }

  /** The unprojected item with this captureId, open or closed. */
  pendingByCapture(captureId: string): WorkItem | undefined {
    const id = this.#pendingByCapture.get(captureId);
    return id === undefined ? undefined : this.#pending.get(id);
  }

  /** A projected item with this captureId that is at hand; closed items are found by it, open ones by their column. */
  recentByCapture(captureId: string): WorkItem | undefined {
    const id = this.#recentByCapture.get(captureId);
    return id === undefined ? undefined : this.#recent.get(id);
  }

  /** The item has changed: it stays until `settle` hears that this version is projected. */
  put(item: WorkItem): void {
    const before = this.#pending.get(item.id);
    if (before !== undefined) this.#pendingBytes -= bytesOf(before);
    else this.#forget(item.id);
    this.#pending.set(item.id, item);
    this.#pendingBytes += bytesOf(item);
    if (item.captureId !== undefined) this.#pendingByCapture.set(item.captureId, item.id);
  }

  /** The table holds this version now. */
  settle(projected: WorkItem): void {
    const item = this.#pending.get(projected.id);
    if (item === undefined || item.version > projected.version) return;
    this.#pending.delete(item.id);
    this.#pendingBytes -= bytesOf(item);
    if (item.captureId !== undefined) this.#pendingByCapture.delete(item.captureId);
    this.offer(item);
  }

  /** An item as the table has it; ignored when a document is here already, which is as new or newer. */
  offer(item: WorkItem): void {
    if (this.has(item.id)) return;
    this.#recent.set(item.id, item);
    this.#recentBytes += bytesOf(item);
    if (item.captureId !== undefined) this.#recentByCapture.set(item.captureId, item.id);
  }

  /** Lets the least recently used go until the cache is within its bound. */
  evict(): void {
    for (const id of this.#recent.keys()) {
      if (this.#recentBytes <= this.#bytesMax) return;
      this.#forget(id);
      this.#evictions++;
    }
  }

  #forget(id: string): void {
    const item = this.#recent.get(id);
    if (item === undefined) return;
    this.#recent.delete(id);
    this.#recentBytes -= bytesOf(item);
    if (item.captureId !== undefined) this.#recentByCapture.delete(item.captureId);
  }
}

function bytesOf(item: WorkItem): number {
  return item.attributes.length + itemOverheadBytes;
}
