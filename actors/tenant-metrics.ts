import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Event } from '../engine/event.js';
import { statuses } from '../engine/work-item.js';
import type { CommitOutcome } from './ports.js';

/** What a tenant's gauges are read from when somebody scrapes. */
export interface TenantReading {
  mailboxDepth: number;
  mailboxBytes: number;
  /** Open items by status, in the order of `statuses`; empty while the tenant recovers. */
  counts: ArrayLike<number>;
  queueLength: number;
  unprojectedEvents: number;
  unprojectedBytes: number;
  snapshotAt: number | undefined;
  snapshotBytes: number;
  epoch: number;
  serving: boolean;
}

const milliseconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** The metrics that all tenants of one shard write to. Names and meanings: `docs/operations.md`. */
export class ShardMetrics {
  readonly #tenants = new Map<string, () => TenantReading>();
  readonly events: Counter<'type'>;
  readonly commits: Counter<'outcome'>;
  readonly commitSize: Histogram;
  readonly commitSeconds: Histogram;
  readonly recoveries: Counter<'source'>;
  readonly recoverySeconds: Histogram;
  readonly snapshots: Counter<'outcome'>;
  readonly refusals: Counter<'code'>;

  constructor(registry: Registry, now: () => number) {
    const registers = [registry];
    this.events = new Counter({ name: 'iwd_events_total', help: 'Events applied', labelNames: ['type'], registers });
    this.commits = new Counter({
      name: 'iwd_commits_total',
      help: 'Commits of event batches by outcome',
      labelNames: ['outcome'],
      registers,
    });
    // Present before they happen: the first unknown outcome is then a change that an alert sees.
    for (const outcome of ['committed', 'lost', 'refused', 'unknown']) this.commits.inc({ outcome }, 0);
    this.commitSize = new Histogram({
      name: 'iwd_commit_events',
      help: 'Events of one commit',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    });
    this.commitSeconds = new Histogram({
      name: 'iwd_commit_duration_seconds',
      help: 'Duration of a commit',
      buckets: milliseconds,
      registers,
    });
    this.recoveries = new Counter({
      name: 'iwd_recoveries_total',
      help: 'Recoveries of a tenant by source',
      labelNames: ['source'],
      registers,
    });
    this.recoverySeconds = new Histogram({
      name: 'iwd_recovery_duration_seconds',
      help: 'From the lease to serving',
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30],
      registers,
    });
    this.snapshots = new Counter({
      name: 'iwd_snapshots_total',
      help: 'Snapshots taken by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.refusals = new Counter({
      name: 'iwd_rejections_total',
      help: 'Requests answered with a rejection, by code',
      labelNames: ['code'],
      registers,
    });
    this.#gauges(registry, now);
  }

  tenant(tenantId: string, read: () => TenantReading): TenantMetrics {
    this.#tenants.set(tenantId, read);
    return new TenantMetrics(this);
  }

  forget(tenantId: string): void {
    this.#tenants.delete(tenantId);
  }

  #gauges(registry: Registry, now: () => number): void {
    const gauge = (name: string, help: string, value: (reading: TenantReading) => number | undefined) => {
      const readings = this.#tenants;
      new Gauge({
        name,
        help,
        labelNames: ['tenant'],
        registers: [registry],
        collect() {
          this.reset();
          for (const [tenant, read] of readings) {
            const current = value(read());
            if (current !== undefined) this.set({ tenant }, current);
          }
        },
      });
    };
    gauge('iwd_tenant_serving', '1 while the tenant is served', (r) => (r.serving ? 1 : 0));
    gauge('iwd_tenant_epoch', 'Epoch of the lease held', (r) => r.epoch);
    gauge('iwd_mailbox_depth', 'Commands waiting in the mailbox', (r) => r.mailboxDepth);
    gauge('iwd_mailbox_bytes', 'Bytes waiting in the mailbox', (r) => r.mailboxBytes);
    gauge('iwd_queue_length', 'Items in the Universal Queue', (r) => r.queueLength);
    gauge('iwd_follower_lag_events', 'Durable events not yet in the tables', (r) => r.unprojectedEvents);
    gauge('iwd_follower_lag_bytes', 'Bytes of items not yet in the tables', (r) => r.unprojectedBytes);
    gauge('iwd_snapshot_age_seconds', 'Age of the newest snapshot', (r) =>
      r.snapshotAt === undefined ? undefined : (now() - r.snapshotAt) / 1000,
    );
    gauge('iwd_snapshot_bytes', 'Size of the newest snapshot', (r) => r.snapshotBytes);
    const readings = this.#tenants;
    new Gauge({
      name: 'iwd_open_items',
      help: 'Open items by state',
      labelNames: ['tenant', 'status'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [tenant, read] of readings) {
          const { counts } = read();
          for (let i = 0; i < counts.length; i++) this.set({ tenant, status: statuses[i] }, counts[i]);
        }
      },
    });
  }
}

/** One tenant's way to its shard's metrics. */
export class TenantMetrics {
  readonly #shard: ShardMetrics;

  constructor(shard: ShardMetrics) {
    this.#shard = shard;
  }

  events(type: Event['type']): void {
    this.#shard.events.inc({ type });
  }

  commit(outcome: CommitOutcome['kind'], events: number, ms: number): void {
    this.#shard.commits.inc({ outcome });
    this.#shard.commitSize.observe(events);
    this.#shard.commitSeconds.observe(ms / 1000);
  }

  recovery(source: string, ms: number): void {
    this.#shard.recoveries.inc({ source });
    this.#shard.recoverySeconds.observe(ms / 1000);
  }

  snapshot(outcome: 'saved' | 'failed' | 'void'): void {
    this.#shard.snapshots.inc({ outcome });
  }

  refusal(code: string): void {
    this.#shard.refusals.inc({ code });
  }
}
