import { idempotencyKeptMs } from '../engine/limits.js';
import type { Runtime, SnapshotManifest, TenantStores } from './ports.js';
import { takeSnapshot } from './snapshotter.js';
import type { TenantMetrics } from './tenant-metrics.js';
import type { Term } from './term.js';

/** Keys forgotten with each snapshot: with one a minute, 166 keyed requests a second are forgotten as fast as they come. */
const keysForgottenMax = 10_000;

export interface SnapshotKeeperContext {
  tenantId: string;
  runtime: Runtime;
  intervalMs: number;
  metrics: TenantMetrics;
  log: (level: 'warn', message: string, error?: unknown) => void;
}

/** Saves a snapshot of the running term now and then, and with each some of what time has made superfluous goes. */
export class SnapshotKeeper {
  readonly #c: SnapshotKeeperContext;
  #newest: SnapshotManifest | undefined;
  #cancel: (() => void) | undefined;
  #saving: Promise<void> | undefined;

  constructor(context: SnapshotKeeperContext) {
    this.#c = context;
  }

  /** The newest one that this process has saved or found. */
  get newest(): SnapshotManifest | undefined {
    return this.#newest;
  }

  /** A recovery has begun with this one, or found none that it could use. */
  found(manifest: SnapshotManifest | undefined): void {
    this.#newest = manifest;
  }

  /** Until `stop`, every interval. */
  begin(term: Term, stores: TenantStores): void {
    this.stop();
    const cancel = this.#c.runtime.timer(this.#c.intervalMs, () => {
      const saving = Promise.all([this.#save(term, stores), this.#forgetKeys(stores)]).then(() => {
        this.#saving = undefined;
        if (this.#cancel === cancel) this.begin(term, stores);
      });
      this.#saving = saving;
    });
    this.#cancel = cancel;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Saves one now, after the one that is being saved, unless nothing has changed since. */
  async save(term: Term, stores: TenantStores): Promise<void> {
    await this.#saving;
    await this.#save(term, stores);
  }

  /** Nothing of an earlier snapshot is left when this resolves. */
  async replace(term: Term, stores: TenantStores): Promise<void> {
    const { seq } = term.state;
    await this.save(term, stores);
    if ((this.#newest?.seq ?? -1) < seq) throw new Error('an earlier snapshot could not be replaced');
  }

  /** A snapshot that fails costs nothing but the next recovery's time. */
  async #save(term: Term, stores: TenantStores): Promise<void> {
    if (this.#newest?.endSeq === term.state.seq) return;
    const { tenantId, runtime, metrics, log } = this.#c;
    try {
      const manifest = await takeSnapshot(term, { tenantId, runtime, store: stores.snapshots });
      metrics.snapshot(manifest === undefined ? 'void' : 'saved');
      this.#newest = manifest ?? this.#newest;
    } catch (error) {
      metrics.snapshot('failed');
      log('warn', 'saving a snapshot failed', error);
    }
  }

  /** Idempotency-Keys past their time leave the table; some at a time, so that it never takes long. */
  async #forgetKeys(stores: TenantStores): Promise<void> {
    const { runtime, log } = this.#c;
    try {
      await stores.projection.forgetKeys(runtime.now() - idempotencyKeptMs, keysForgottenMax);
    } catch (error) {
      log('warn', 'forgetting old Idempotency-Keys failed', error);
    }
  }
}
