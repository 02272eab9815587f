import type { CommitOutcome, Journal, Lease, TenantStores } from '../../actors/ports.js';
import type { Event } from '../../engine/event.js';
import { Call, NotSent } from './call.js';
import { sharedCaptureIds } from './client.js';
import type { Kernel } from './kernel.js';
import type { Pod } from './pod.js';
import type { FaultKind, Scenario } from './scenario.js';

export const fencedWrite = 'fenced write';

/**
 * The network between pods and the tenant's database. Every call travels on its own: it may arrive late, after its
 * caller gave it up and after others that were sent later, also from a pod that is dead by then. What arrives is done at
 * once and whole, as a statement that holds the row's lock is.
 */
export class Network {
  /** No more faults of single calls. */
  isCalm = false;
  isStoreDown = false;
  /** Nothing can be written to the follower's tables. */
  isFollowerDown = false;
  readonly #kernel: Kernel;
  readonly #scenario: Scenario;
  readonly #random: () => number;
  readonly #faults: FaultKind[];
  /** Told of every fault and of every write that the fence refused, to be counted. */
  readonly #onEvent: (kind: FaultKind | typeof fencedWrite) => void;

  constructor(kernel: Kernel, scenario: Scenario, onEvent: (kind: FaultKind | typeof fencedWrite) => void) {
    this.#kernel = kernel;
    this.#scenario = scenario;
    this.#onEvent = onEvent;
    this.#random = kernel.random('network');
    const ofCalls: FaultKind[] = ['requestDelay', 'replyDelay', 'replyLost', 'errorBefore', 'errorAfter', 'late'];
    this.#faults = ofCalls.filter((kind) => scenario.faults.includes(kind));
  }

  /** The stores as one pod reaches them. */
  stores(pod: Pod, inner: TenantStores): TenantStores {
    return {
      lease: this.#port(pod, 'lease', inner.lease),
      journal: this.#journal(pod, inner.journal),
      bulkActions: this.#port(pod, 'bulkActions', inner.bulkActions),
      projection: this.#port(pod, 'projection', inner.projection),
      snapshots: inner.snapshots,
      personal: this.#port(pod, 'personal', inner.personal),
      close: async () => {},
    };
  }

  /** Resolves when the pod has a connection. */
  async connect(pod: Pod): Promise<void> {
    await this.#call(pod, 'connect', async () => {});
  }

  #port<T extends object>(pod: Pod, name: string, port: T): T {
    return new Proxy(port, {
      get: (target, method) => {
        const call = (Reflect.get(target, method) as (...args: unknown[]) => Promise<unknown>).bind(target);
        const sent = `${name}.${String(method)}`;
        if (sent.startsWith('projection.scan')) return (...args: unknown[]) => this.#scan(pod, sent, call, args);
        return (...args: unknown[]) => {
          const copy = args.map(copyOf);
          return this.#call(pod, sent, () => {
            const isRefused = this.isFollowerDown && sent === 'projection.project';
            return isRefused ? Promise.reject(new Error('the tables are locked')) : call(...copy);
          });
        };
      },
    });
  }

  /** What a scan reads arrives with its reply: nothing of the pod may run while it is dead or paused. */
  async #scan(pod: Pod, name: string, call: (...args: unknown[]) => Promise<unknown>, args: unknown[]): Promise<void> {
    const slices: unknown[] = [];
    await this.#call(pod, name, () => call(...args.slice(0, -1), (slice: unknown) => slices.push(slice)));
    if (name === 'projection.scanKnown' && this.#scenario.knowsTooMuch) {
      slices.push({ captureIds: sharedCaptureIds, keys: [] });
    }
    for (const slice of slices) (args[args.length - 1] as (slice: unknown) => void)(slice);
  }

  #journal(pod: Pod, inner: Journal): Journal {
    return {
      commit: (lease, events) => this.#commit(pod, inner, { ...lease }, events),
      read: (afterSeq, rowsMax) => this.#call(pod, 'journal.read', () => inner.read(afterSeq, rowsMax)),
    };
  }

  /** Never throws: what goes wrong with a commit is an outcome. */
  async #commit(pod: Pod, inner: Journal, lease: Lease, events: readonly Event[]): Promise<CommitOutcome> {
    const name = `commit epoch ${lease.epoch} seq ${lease.lastSeq + 1}+${events.length}`;
    let outcome: CommitOutcome;
    try {
      outcome = await this.#call(pod, name, () => this.#write(inner, lease, events));
    } catch (error) {
      const cause = (error as Error).message;
      outcome =
        error instanceof NotSent
          ? { kind: 'refused', transient: true, sqlState: '08001', detail: cause }
          : { kind: 'unknown', cause };
    }
    this.#kernel.trace(`${pod.name} ${name} -> ${outcome.kind}`);
    return outcome;
  }

  async #write(inner: Journal, lease: Lease, events: readonly Event[]): Promise<CommitOutcome> {
    if (events.some(isPoison)) {
      this.#onEvent('poison');
      return { kind: 'refused', transient: false, sqlState: '22021', detail: 'poison' };
    }
    if (this.#hits('refusedForNow')) {
      return { kind: 'refused', transient: true, sqlState: '53100', detail: 'the disk is full' };
    }
    const outcome = await inner.commit(lease, events);
    if (outcome.kind === 'lost') this.#onEvent(fencedWrite);
    return outcome;
  }

  #call<T>(pod: Pod, name: string, execute: () => Promise<T>): Promise<T> {
    // What still runs of a dead process reaches nobody.
    if (pod.runtime.isDead) return new Promise(() => {});
    const fault = this.#faults.find((kind) => this.#hits(kind));
    if (fault !== undefined) this.#kernel.trace(`${pod.name} ${name}: ${fault}`);
    return new Promise<T>((resolve, reject) => {
      new Call({
        kernel: this.#kernel,
        random: this.#random,
        pod,
        name,
        fault,
        isStoreDown: () => this.isStoreDown,
        execute,
        resolve: (value) => resolve(value as T),
        reject,
      }).send();
    });
  }

  #hits(kind: FaultKind): boolean {
    const { faults, faultRate } = this.#scenario;
    const isHit = faults.includes(kind) && this.#random() < faultRate && !this.isCalm;
    if (isHit) this.#onEvent(kind);
    return isHit;
  }
}

function isPoison(event: Event): boolean {
  return 'item' in event && event.item.captureId?.startsWith('poison') === true;
}

/** As on a wire: what the caller changes later does not change what was sent. Stores copy what they keep. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? [...value] : { ...value };
}
