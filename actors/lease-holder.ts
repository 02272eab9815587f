import type { Lease, LeaseStore, LeaseView, Owner, Runtime } from './ports.js';
import { pause } from './runtime.js';

const pollMs = 200;

export interface LeaseHolderOptions {
  store: LeaseStore;
  runtime: Runtime;
  owner: Owner;
  /** A lease that was ours: taken again under a new epoch, which fences what may still be on its way. */
  previous?: Lease;
  ttlMs: number;
  /** Whether the pod that a lease names is known to be dead, so that nobody has to wait for its time-out. */
  isGone: (pod: string) => boolean;
  /** Whether to give up waiting. */
  stopped: () => boolean;
}

/**
 * Takes the tenant's lease: at once when it is ours, when it was released or when its holder is known to be dead, else
 * when its heartbeat has stood still for the time to live by our own monotonic clock. Whatever this misjudges costs time only: what keeps the
 * journal right is the fence inside each commit. Undefined when told to stop.
 */
export async function takeLease(options: LeaseHolderOptions): Promise<Lease | undefined> {
  const { store, runtime, ttlMs, previous, owner } = options;
  const renewed = previous && (await store.renew(previous, owner));
  if (renewed !== undefined) return renewed;
  let seen: LeaseView | undefined;
  let seenAt = 0;
  while (!options.stopped()) {
    const view = await store.view();
    const now = runtime.monotonic();
    if (seen === undefined || view.epoch !== seen.epoch || view.heartbeat !== seen.heartbeat) {
      seen = view;
      seenAt = now;
    }
    const gone = view.ownerPod !== null && options.isGone(view.ownerPod);
    if (view.released || gone || now - seenAt >= ttlMs) {
      const lease = await store.acquire(view, owner);
      if (lease !== undefined) return lease;
      seen = undefined;
    } else await pause(runtime, Math.min(pollMs, ttlMs));
  }
  return undefined;
}
