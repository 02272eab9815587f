import type { WorkItem } from './work-item.js';

/** Rough heap cost of an item beside its attributes text: the object and its short strings. */
const itemOverheadBytes = 600;
const tombstoneBytes = 100;

interface Held {
  item: WorkItem;
  pending: boolean;
}

/**
 * The work items whose full text is in memory. The actor's rule is: **an item may change only while its document is
 * here**; one that is not here is exactly what the `work_item` table says.
 *
 * - `pending`: changed and not yet projected. Never evicted; its size is what ingest is throttled by.
 * - `recent`: projected; the least recently used go when `bytesMax` is passed. Eviction happens only in `evict()`, which
 *   the actor calls when no load is under way: a load that arrives late can then never bring back an older version.
 */
export class Documents {
  /** Those that were used least recently stand first; a pending one that has come to the front goes back to the end. */
  readonly #held = new Map<string, Held>();
  readonly #idByCapture = new Map<string, string>();
  /** Deleted items whose rows the table may still have. */
  readonly #deleted = new Set<string>();
  /** Deleted items that only a read under way may still bring. */
  readonly #gone = new Set<string>();
  readonly #bytesMax: number;
  #pendingCount = 0;
  #pendingBytes = 0;
  #recentBytes = 0;
  #evictions = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get pendingCount(): number {
    return this.#pendingCount;
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

  /** Whether all that there is to know of the item is here: its document, or that it is deleted. */
  has(id: string): boolean {
    return this.#held.has(id) || this.#deleted.has(id) || this.#gone.has(id);
  }

  get(id: string): WorkItem | undefined {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    if (!held.pending) this.#toEnd(id, held);
    return held.item;
  }

  /** The item with this captureId, open or closed, if it is here. */
  byCapture(captureId: string): WorkItem | undefined {
    const id = this.#idByCapture.get(captureId);
    return id === undefined ? undefined : this.get(id);
  }

  /** The item has changed: it stays until `settle` hears that this version is projected. */
  put(item: WorkItem): void {
    const held = this.#held.get(item.id);
    if (held === undefined) this.#add({ item, pending: true });
    else {
      this.#uncount(held);
      // Only an erasure takes a captureId away.
      if (held.item.captureId !== item.captureId) this.#forgetCapture(held.item);
      held.item = item;
      held.pending = true;
      this.#toEnd(item.id, held);
      this.#count(held);
    }
  }

  /** The item is no more; with `isPending` the table may have its row until `settleDeleted` hears that it has not. */
  delete(id: string, isPending: boolean): void {
    const held = this.#held.get(id);
    if (held !== undefined) this.#forget(id, held);
    if (isPending && !this.#deleted.has(id)) {
      this.#deleted.add(id);
      this.#pendingBytes += tombstoneBytes;
    } else if (!isPending) this.#gone.add(id);
  }

  /** The table has no row of it any more. A read under way may still bring one, so the mark stays until `evict`. */
  settleDeleted(id: string): void {
    if (!this.#deleted.delete(id)) return;
    this.#pendingBytes -= tombstoneBytes;
    this.#gone.add(id);
  }

  /** The table holds this version now. */
  settle(projected: WorkItem): void {
    const held = this.#held.get(projected.id);
    if (held === undefined || !held.pending || held.item.version > projected.version) return;
    this.#uncount(held);
    held.pending = false;
    this.#count(held);
  }

  /** An item as the table has it; ignored when a document is here already, which is as new or newer. */
  offer(item: WorkItem): void {
    if (!this.has(item.id)) this.#add({ item, pending: false });
  }

  /** Lets the least recently used go until the cache is within its bound. */
  evict(): void {
    this.#gone.clear();
    for (const [id, held] of this.#held) {
      if (this.#recentBytes <= this.#bytesMax) return;
      if (held.pending) this.#toEnd(id, held);
      else {
        this.#forget(id, held);
        this.#evictions++;
      }
    }
  }

  #add(held: Held): void {
    const { id, captureId } = held.item;
    this.#held.set(id, held);
    if (captureId !== undefined) this.#idByCapture.set(captureId, id);
    this.#count(held);
  }

  #forget(id: string, held: Held): void {
    this.#held.delete(id);
    this.#forgetCapture(held.item);
    this.#uncount(held);
  }

  #forgetCapture({ captureId }: WorkItem): void {
    if (captureId !== undefined) this.#idByCapture.delete(captureId);
  }

  #toEnd(id: string, held: Held): void {
    this.#held.delete(id);
    this.#held.set(id, held);
  }

  #count(held: Held): void {
    if (held.pending) {
      this.#pendingCount++;
      this.#pendingBytes += bytesOf(held.item);
    } else this.#recentBytes += bytesOf(held.item);
  }

  #uncount(held: Held): void {
    if (held.pending) {
      this.#pendingCount--;
      this.#pendingBytes -= bytesOf(held.item);
    } else this.#recentBytes -= bytesOf(held.item);
  }
}

function bytesOf(item: WorkItem): number {
  return item.attributes.length + itemOverheadBytes;
}
