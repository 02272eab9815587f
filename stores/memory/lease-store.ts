import type { Lease, LeaseStore, LeaseView, Owner } from '../../actors/ports.js';
import type { MemoryDatabase } from './database.js';

/** The lease row's compare-and-set rules, as in `stores/postgres/lease-store.ts`. */
export class MemoryLeaseStore implements LeaseStore {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async view(): Promise<LeaseView> {
    const { epoch, heartbeat, lastSeq, released, ownerPod } = this.#database.lease;
    return { epoch, heartbeat, lastSeq, released, ownerPod };
  }

  async acquire(seen: LeaseView, owner: Owner): Promise<Lease | undefined> {
    const { epoch, heartbeat } = this.#database.lease;
    if (epoch !== seen.epoch || heartbeat !== seen.heartbeat) return undefined;
    return this.#take(epoch + 1, owner);
  }

  async renew(lease: Lease, owner: Owner): Promise<Lease | undefined> {
    const { epoch, ownerToken } = this.#database.lease;
    const mine = epoch === lease.epoch && ownerToken === lease.ownerToken;
    const renewedBefore = epoch === lease.epoch + 1 && ownerToken === owner.token;
    return mine || renewedBefore ? this.#take(lease.epoch + 1, owner) : undefined;
  }

  async heartbeat(lease: Lease): Promise<boolean> {
    if (!holds(this.#database, lease)) return false;
    this.#database.lease.heartbeat++;
    return true;
  }

  async release(lease: Lease): Promise<void> {
    if (!holds(this.#database, lease)) return;
    this.#database.lease.released = true;
    this.#database.lease.heartbeat++;
  }

  #take(epoch: number, owner: Owner): Lease {
    const row = this.#database.lease;
    row.epoch = epoch;
    row.ownerToken = owner.token;
    row.ownerPod = owner.pod;
    row.heartbeat++;
    row.released = false;
    return { epoch, ownerToken: owner.token, lastSeq: row.lastSeq };
  }
}

/** Whether the lease is still the newest one. */
export function holds(database: MemoryDatabase, lease: Lease): boolean {
  return database.lease.epoch === lease.epoch && database.lease.ownerToken === lease.ownerToken;
}
