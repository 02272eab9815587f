import type { PersonalStore } from '../../actors/ports/personal-store.js';
import type { CommitOutcome, Journal, Runtime, TenantStores } from '../../actors/ports.js';

/**
 * What goes wrong with one call of a store:
 * - delay: it takes `ms`, then works.
 * - before: it fails and nothing has happened.
 * - after: it is done, but the caller sees a failure (the reply is lost).
 * - late: the caller sees a failure at once, the call arrives `ms` later.
 * - hang: it fails after `ms` and nothing has happened.
 * - refused: commits only; Postgres says no with this SQLSTATE.
 */
export type Fault =
  | { kind: 'delay' | 'late' | 'hang'; ms: number }
  | { kind: 'before' | 'after' }
  | { kind: 'refused'; transient: boolean; sqlState: string };

/** Asked before each call, e.g. `journal.commit`; undefined lets it work. `args` are the call's own. */
export type FaultPlan = (call: string, args: readonly unknown[]) => Fault | undefined;

type Call = (...args: unknown[]) => Promise<unknown>;

/** The stores with faults put in front of their calls, for tests and the simulator. Time is the runtime's. */
export function faultyStores(inner: TenantStores, runtime: Runtime, plan: FaultPlan): TenantStores {
  const wrap = <T extends object>(name: string, port: T): T =>
    new Proxy(port, {
      get(target, method) {
        const call = (Reflect.get(target, method) as Call).bind(target);
        return (...args: unknown[]) => faulty(call, args, runtime, plan(`${name}.${String(method)}`, args));
      },
    });
  return {
    lease: wrap('lease', inner.lease),
    journal: faultyJournal(inner.journal, runtime, plan),
    bulkActions: wrap('bulkActions', inner.bulkActions),
    projection: wrap('projection', inner.projection),
    snapshots: wrap('snapshots', inner.snapshots),
    personal: faultyPersonal(inner.personal, wrap('personal', inner.personal)),
    close: () => inner.close(),
  };
}

/** Packing asks nobody. */
function faultyPersonal(inner: PersonalStore, faulty: PersonalStore): PersonalStore {
  return new Proxy(faulty, {
    get: (target, method) => (method === 'packed' ? inner.packed.bind(inner) : Reflect.get(target, method)),
  });
}

/** A journal never throws: whatever goes wrong with a commit is an outcome. */
function faultyJournal(inner: Journal, runtime: Runtime, plan: FaultPlan): Journal {
  return {
    async commit(lease, events): Promise<CommitOutcome> {
      const fault = plan('journal.commit', [lease, events]);
      if (fault?.kind === 'refused') return { ...fault, detail: 'refused by the test' };
      try {
        return (await faulty(() => inner.commit({ ...lease }, events), [], runtime, fault)) as CommitOutcome;
      } catch (error) {
        return { kind: 'unknown', cause: (error as Error).message };
      }
    },
    read: (afterSeq, rowsMax) =>
      faulty(() => inner.read(afterSeq, rowsMax), [], runtime, plan('journal.read', [afterSeq, rowsMax])) as ReturnType<
        Journal['read']
      >,
  };
}

async function faulty(call: Call, args: unknown[], runtime: Runtime, fault: Fault | undefined): Promise<unknown> {
  if (fault === undefined) return call(...args);
  switch (fault.kind) {
    case 'delay':
      await pause(runtime, fault.ms);
      return call(...args);
    case 'late':
      runtime.timer(fault.ms, () => void call(...args));
      throw new Error('the connection broke; the call is still on its way');
    case 'after':
      await call(...args);
      throw new Error('the connection broke after the call');
    case 'hang':
      await pause(runtime, fault.ms);
      throw new Error(`no answer in ${fault.ms} ms`);
    default:
      throw new Error('the connection broke before the call');
  }
}

function pause(runtime: Runtime, ms: number): Promise<void> {
  return new Promise((resolve) => {
    runtime.timer(ms, resolve);
  });
}

/** Numbers from 0 up to 1 that depend on the seed only (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Faults at random, `rate` of all calls (0 to 1), the same for the same seed. */
export function randomFaults(seed: number, rate: number): FaultPlan {
  const random = seeded(seed);
  return (call) => {
    if (random() >= rate) return undefined;
    const ms = Math.floor(random() * 400);
    const isCommit = call === 'journal.commit';
    const choices: Fault[] = [{ kind: 'before' }, { kind: 'after' }, { kind: 'delay', ms }, { kind: 'hang', ms }];
    if (isCommit) {
      choices.push({ kind: 'late', ms }, { kind: 'refused', transient: true, sqlState: '53100' });
      choices.push({ kind: 'refused', transient: false, sqlState: '22021' });
    }
    return choices[Math.floor(random() * choices.length)];
  };
}
