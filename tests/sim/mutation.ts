import type { CommitOutcome, Journal, Lease, LeaseStore, Runtime, TenantStores } from '../../actors/ports.js';
import type { Event } from '../../engine/event.js';
import type { MemoryDatabase } from '../../stores/memory/database.js';
import { appendRow } from '../../stores/memory/journal.js';
import { holds } from '../../stores/memory/lease-store.js';
import type { Mutation } from './scenario.js';

/** The database with a weaker commit statement or lease, as somebody might have written it. */
export function weakDatabase(
  stores: TenantStores,
  database: MemoryDatabase,
  mutation: Mutation | undefined,
): TenantStores {
  const journal = (commit: Journal['commit']): Journal => ({
    commit,
    read: (afterSeq, rowsMax) => stores.journal.read(afterSeq, rowsMax),
  });
  switch (mutation) {
    case 'no-fence':
    case 'check-then-write':
      return { ...stores, journal: journal(async (lease, events) => append(database, lease, events)) };
    case 'no-seq-check':
      return { ...stores, journal: journal(async (lease, events) => withoutSeqCheck(database, lease, events)) };
    case 'no-new-epoch':
      return { ...stores, lease: withoutNewEpoch(stores.lease, database) };
    case 'no-new-epoch-no-seq-check':
      return {
        ...stores,
        lease: withoutNewEpoch(stores.lease, database),
        journal: journal(async (lease, events) => withoutSeqCheck(database, lease, events)),
      };
    default:
      return stores;
  }
}

/** The stores as an owner uses them that is careless with its commits. */
export function carelessStores(stores: TenantStores, runtime: Runtime, mutation: Mutation | undefined): TenantStores {
  const { journal, lease } = stores;
  switch (mutation) {
    case 'ack-before-commit':
      return { ...stores, journal: ackBeforeCommit(journal, runtime) };
    case 'keep-memory':
      return { ...stores, journal: keepMemory(journal) };
    case 'check-then-write':
      return { ...stores, journal: checkThenWrite(journal, lease) };
    default:
      return stores;
  }
}

/** Whoever comes writes, at whatever the end of the journal is. */
function append(database: MemoryDatabase, lease: Lease, events: readonly Event[]): CommitOutcome {
  appendRow(database, lease.epoch, events);
  return { kind: 'committed' };
}

/** Asks for the lease first, then writes without a fence: between the two the tenant may have got another owner. */
function checkThenWrite(journal: Journal, lease: LeaseStore): Journal {
  return {
    commit: async (held, events) => {
      const isOurs = await lease.heartbeat(held).catch((error: Error) => error);
      if (isOurs instanceof Error) return { kind: 'unknown', cause: isOurs.message };
      return isOurs ? journal.commit(held, events) : { kind: 'lost' };
    },
    read: (afterSeq, rowsMax) => journal.read(afterSeq, rowsMax),
  };
}

function withoutSeqCheck(database: MemoryDatabase, lease: Lease, events: readonly Event[]): CommitOutcome {
  return holds(database, lease) ? append(database, lease, events) : { kind: 'lost' };
}

/** After an unknown outcome the owner goes on under its old epoch. */
function withoutNewEpoch(store: LeaseStore, database: MemoryDatabase): LeaseStore {
  return {
    view: () => store.view(),
    acquire: (seen, owner) => store.acquire(seen, owner),
    renew: async (lease) => (holds(database, lease) ? { ...lease, lastSeq: database.lease.lastSeq } : undefined),
    heartbeat: (lease) => store.heartbeat(lease),
    release: (lease) => store.release(lease),
  };
}

/** Says committed at once, and commits one after the other behind everybody's back. */
function ackBeforeCommit(journal: Journal, runtime: Runtime): Journal {
  let last: Promise<unknown> = Promise.resolve();
  return {
    commit: async (lease, events) => {
      const sent = { ...lease };
      last = last.then(() => journal.commit(sent, events));
      await new Promise<void>((resolve) => runtime.soon(resolve));
      return { kind: 'committed' };
    },
    read: (afterSeq, rowsMax) => journal.read(afterSeq, rowsMax),
  };
}

/** Takes an unknown outcome for a success, and goes on from where the database then stands. */
function keepMemory(journal: Journal): Journal {
  let missing = 0;
  let epoch = 0;
  return {
    commit: async (lease, events) => {
      if (lease.epoch !== epoch) missing = 0;
      epoch = lease.epoch;
      const outcome = await journal.commit({ ...lease, lastSeq: lease.lastSeq - missing }, events);
      if (outcome.kind !== 'unknown') return outcome;
      missing += events.length;
      return { kind: 'committed' };
    },
    read: (afterSeq, rowsMax) => journal.read(afterSeq, rowsMax),
  };
}
