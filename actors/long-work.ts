import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import { BulkActions } from './bulk-actions.js';
import { BulkRunner } from './bulk-runner.js';
import type { Lease, Runtime, TenantStores } from './ports.js';
import type { Projector } from './projector.js';
import type { Reply, Request } from './request.js';
import { Retention, type SweepPlan } from './retention.js';
import { Subjects } from './subjects.js';

type LongOp =
  | 'eraseSubject'
  | 'exportSubject'
  | 'startBulkAction'
  | 'getBulkAction'
  | 'listBulkActions'
  | 'cancelBulkAction';
type Asked<Op extends Request['op']> = Extract<Request, { op: Op }>;

export interface LongWorkContext {
  state: TenantState;
  lease: Lease;
  stores: TenantStores;
  runtime: Runtime;
  projector: Projector;
  newId: () => string;
  sweepPlan: SweepPlan;
  now: () => Instant;
  /** Whether the tables have come to hold everything that is durable now. */
  caughtUp: () => Promise<boolean>;
  /** Hands a request of the engine's own in, before those of clients. */
  ask: (request: Request) => Promise<Reply>;
  /** Hands one in that waits its turn among those of clients. */
  askInTurn: (request: Request) => Promise<Reply>;
  saveSnapshot: () => Promise<void>;
  onError: (message: string, error: unknown) => void;
}

/**
 * What takes a term many turns and many requests of its own: bulk actions, the sweeps of the retention, and what is
 * done for the persons whom items are about.
 */
export class LongWork {
  readonly #runner: BulkRunner;
  readonly #bulkActions: BulkActions;
  readonly #retention: Retention;
  readonly #subjects: Subjects;

  constructor(context: LongWorkContext) {
    const { state, lease, stores, runtime, projector, askInTurn: submit, onError } = context;
    const { ask, saveSnapshot, now, newId, caughtUp, sweepPlan: plan } = context;
    const { projection, bulkActions: store } = stores;
    const runner = new BulkRunner({ store, runtime, submit, onError });
    const durableSeq = () => lease.lastSeq;
    this.#runner = runner;
    this.#bulkActions = new BulkActions({ state, lease, store, projection, runner, now, newId, caughtUp });
    this.#retention = new Retention({ state, projection, runtime, plan, submit, onError });
    this.#subjects = new Subjects({
      ...{ state, stores, projector, runtime, bulkRunner: runner, durableSeq, ask, saveSnapshot },
    });
  }

  /** Whether something is under way that nobody waits for. */
  get isBusy(): boolean {
    return this.#runner.isBusy || this.#retention.isBusy;
  }

  /** When the tenant must be in memory for it; a bulk action goes on as soon as there is a place. */
  get wakeAt(): Instant {
    return this.#runner.isBusy ? 0 : this.#retention.wakeAt;
  }

  start(): void {
    void this.#runner.resume();
    this.#retention.start();
  }

  close(): void {
    this.#runner.close();
    this.#retention.close();
  }

  /** How the request is answered. */
  run(request: Asked<LongOp>): () => Promise<Reply> {
    if (request.op === 'eraseSubject' || request.op === 'exportSubject') return () => this.#subjects.run(request);
    return this.#bulkActions.run(request);
  }

  /** Erases again whom the ledger names, when the database is a restored backup. */
  eraseAgain(onNote: (message: string) => void): Promise<void> {
    return this.#subjects.replay(onNote);
  }
}
