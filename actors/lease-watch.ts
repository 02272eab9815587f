import type { Lease, LeaseStore, Runtime } from './ports.js';

export interface LeaseWatchContext {
  lease: Lease;
  store: LeaseStore;
  runtime: Runtime;
  ttlMs: number;
  /** A commit is in flight: it is a heartbeat itself. */
  isCommitting: () => boolean;
  onTrusted: () => void;
  onLost: () => void;
  onError: (error: unknown) => void;
}

/**
 * Knows how long memory may answer reads: until `0.8 ttl` after the beginning of the last commit or heartbeat that
 * succeeded, no other owner can have begun. It beats while nothing is committed. Writes need none of this: the fence
 * inside their commit guards them.
 */
export class LeaseWatch {
  readonly #c: LeaseWatchContext;
  #trustedUntil: number;
  #beating = false;
  #cancel: (() => void) | undefined;

  constructor(context: LeaseWatchContext) {
    this.#c = context;
    this.#trustedUntil = 0;
    this.trust(context.runtime.monotonic());
    this.#arm();
  }

  get isTrusted(): boolean {
    return this.#c.runtime.monotonic() <= this.#trustedUntil;
  }

  /** Something that began at `since` (monotonic) has proved that the lease was ours then. */
  trust(since: number): void {
    this.#trustedUntil = since + this.#c.ttlMs * 0.8;
  }

  /** Asks the database whether the lease is still ours. */
  async beat(): Promise<void> {
    const { store, lease, runtime, isCommitting, onTrusted, onLost, onError } = this.#c;
    if (this.#beating || isCommitting()) return;
    this.#beating = true;
    const begunAt = runtime.monotonic();
    try {
      const isOurs = await store.heartbeat(lease);
      if (this.#cancel === undefined) return;
      if (!isOurs) return onLost();
      this.trust(begunAt);
      onTrusted();
    } catch (error) {
      onError(error);
    } finally {
      this.#beating = false;
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    this.#cancel = this.#c.runtime.timer(this.#c.ttlMs / 3, () => {
      this.#arm();
      void this.beat();
    });
  }
}
