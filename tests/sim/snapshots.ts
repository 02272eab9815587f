import type { SnapshotManifest, SnapshotStore } from '../../actors/ports.js';
import { MemorySnapshotStore } from '../../stores/memory/snapshot-store.js';
import { hopMsMin } from './call.js';
import { type Kernel, pick } from './kernel.js';
import type { Pod } from './pod.js';
import type { Scenario } from './scenario.js';
import { tenantId } from './settings.js';

/** Redis as it is on a bad day: fails, answers with an older snapshot, or with damage. */
export class UnreliableSnapshots implements SnapshotStore {
  isCalm = false;
  readonly #stores: MemorySnapshotStore[] = [];
  readonly #kernel: Kernel;
  readonly #random: () => number;

  readonly #onFault: () => void;

  constructor(kernel: Kernel, scenario: Scenario, onFault: () => void) {
    this.#kernel = kernel;
    this.#random = kernel.random('snapshots');
    this.#onFault = onFault;
    this.isCalm = !scenario.faults.includes('snapshots');
  }

  /** `FLUSHALL`. */
  forget(): void {
    this.#stores.length = 0;
  }

  /** As one pod reaches it. */
  from(pod: Pod): SnapshotStore {
    const enter = <T>(f: () => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        this.#kernel.after(hopMsMin, () => {
          f().then(
            (value) => this.#kernel.after(hopMsMin, () => pod.runtime.enter(() => resolve(value))),
            (error) => pod.runtime.enter(() => reject(error)),
          );
        });
      });
    return {
      save: (manifest, chunks) => enter(() => this.save(manifest, chunks)),
      load: (tenant) => enter(() => this.load(tenant)),
    };
  }

  async save(manifest: SnapshotManifest, chunks: readonly Uint8Array[]): Promise<void> {
    if (!this.isCalm) this.#failAtTimes();
    const store = new MemorySnapshotStore();
    await store.save(manifest, chunks);
    this.#stores.push(store);
    if (this.#stores.length > 8) this.#stores.shift();
  }

  async load(tenant: string): Promise<{ manifest: SnapshotManifest; chunks: Uint8Array[] } | undefined> {
    if (this.isCalm) return this.#stores.at(-1)?.load(tenant);
    this.#failAtTimes();
    if (this.#stores.length === 0) return undefined;
    const loaded = await pick(this.#random, this.#stores).load(tenant);
    return loaded && this.#random() < 0.5 ? this.#damaged(loaded) : loaded;
  }

  #failAtTimes(): void {
    if (this.#random() >= 0.2) return;
    this.#onFault();
    throw new Error('the snapshot store does not answer');
  }

  /** Everything that recovery must notice by itself. */
  #damaged(snapshot: { manifest: SnapshotManifest; chunks: Uint8Array[] }): typeof snapshot {
    this.#onFault();
    const { manifest, chunks } = snapshot;
    const damage: (() => void)[] = [
      () => this.#flip(pick(this.#random, chunks)),
      () => chunks.pop(),
      () => Object.assign(manifest, { tenantId: `${tenantId}2` }),
      () => Object.assign(manifest, { endSeq: manifest.endSeq + 1_000_000 }),
      () => Object.assign(manifest, { epoch: manifest.epoch + 1_000_000 }),
      () => Object.assign(manifest, { format: 99 }),
    ];
    pick(this.#random, damage)();
    return snapshot;
  }

  /** Some bits of some bytes, near each other. */
  #flip(chunk: Uint8Array): void {
    const from = Math.floor(this.#random() * chunk.length);
    for (let n = Math.floor(this.#random() * 100); n >= 0; n--) {
      chunk[(from + n) % chunk.length] ^= Math.floor(this.#random() * 256);
    }
  }
}
