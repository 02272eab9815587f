import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import { registerCometdMetrics } from './cometd-metrics.js';
import type { Gate } from './gate.js';
import { RequestSeries, type Series } from './request-series.js';

/** The parts of prom-client's `getMetricsAsJSON` that merging touches. */
interface Dump {
  name: string;
  help: string;
  type: string;
  aggregator: string;
  values: { labels: Record<string, string | number>; value: number; metricName?: string }[];
}

/** What a tenant's requests came to; the guide counts each under a name of its own. */
const outcomes: Readonly<Record<string, { help: string; has: (code: number) => boolean }>> = {
  iwd_success_total: { help: 'Requests answered with a status below 400', has: (code) => code < 400 },
  iwd_errors_total: { help: 'Requests answered with a status of 400 or more', has: (code) => code >= 400 },
  iwd_client_error_total: {
    help: 'Requests answered with 4xx: the client’s mistakes, limits',
    has: (code) => code >= 400 && code < 500,
  },
  iwd_server_error_total: { help: 'Requests answered with 5xx', has: (code) => code >= 500 },
};

/**
 * The main thread's metrics, and the merge with those of the shards: the guide's under its names. prom-client's own
 * (`iwd_process_*`, `iwd_nodejs_*`) carry the prefix of all.
 */
export class HttpMetrics {
  readonly registry: Registry;
  private readonly series = new RequestSeries();
  private readonly slowMs: number;
  private closedCount = 0;
  private readonly closed: Counter<'method' | 'path'>;
  private readonly long: Counter;
  private readonly lockedOut: Counter;

  /** `registry`: where others on this thread have put theirs; it gets ours and the default ones. */
  constructor(gate: Gate, slowMs: number, registry = new Registry()) {
    this.registry = registry;
    this.slowMs = slowMs;
    const registers = [registry];
    collectDefaultMetrics({ register: registry, prefix: 'iwd_' });
    this.addSeriesMetrics();
    this.long = new Counter({
      name: 'iwd_api_request_long',
      help: 'Answers that took longer than IWD_SLOW_REQUEST; the log has each',
      registers,
    });
    this.lockedOut = new Counter({
      name: 'iwd_api_blacklist',
      help: 'Requests refused unseen because their account or address must wait after attempts that failed',
      registers,
    });
    this.closed = new Counter({
      name: 'iwd_api_request_closed',
      help: 'Admitted requests whose connection closed before the answer was complete',
      labelNames: ['method', 'path'],
      registers,
    });
    new Gauge({
      name: 'iwd_http_requests_in_flight',
      help: 'Requests that were admitted and not yet answered',
      registers,
      collect() {
        this.set(gate.inFlight);
      },
    });
    registerCometdMetrics(registry);
  }

  /** An answer has gone out. `path` is a template of ours, `ccid` a tenant that we know or empty. */
  observe(method: string, path: string, code: number, ccid: string, ms: number): void {
    this.series.observe(method, path, code, ccid, ms);
    if (ms > this.slowMs) this.long.inc();
  }

  /** The connection of an admitted request has closed before its answer was complete. */
  close(method: string, path: string): void {
    this.closedCount += 1;
    this.closed.inc({ method, path });
  }

  /** Somebody must wait after attempts that failed, and was refused. */
  refuseLockedOut(): void {
    this.lockedOut.inc();
  }

  /** Prometheus text of this thread and of every shard; series that differ in no label are added up. */
  async text(shards: object[][]): Promise<string> {
    const own = (await this.registry.getMetricsAsJSON()) as unknown as Dump[];
    const merged = [own, ...(shards as Dump[][])].map((dump) =>
      dump.map((metric) => ({ ...metric, aggregator: 'sum' })),
    );
    const aggregated = await AggregatorRegistry.aggregate(merged as unknown as object[]).metrics();
    return `${aggregated}\n${this.series.text()}`;
  }

  private addSeriesMetrics(): void {
    this.addMetric('iwd_request_total', 'Requests, answered or cut short', 'counter', () => {
      let value = this.closedCount;
      for (const { count } of this.series) value += count;
      return [{ labels: {}, value }];
    });
    for (const [name, { help, has }] of Object.entries(outcomes))
      this.addMetric(name, `${help}, by tenant`, 'counter', () => countsByTenant(this.series, has));
  }

  /** A metric that reads our own counters when it is scraped: all that a registry asks of one is `get`. */
  private addMetric(name: string, help: string, type: string, values: () => Dump['values']): void {
    const get = async (): Promise<Dump> => ({ name, help, type, aggregator: 'sum', values: values() });
    this.registry.registerMetric({ name, get } as unknown as Metric);
  }
}

/** A tenant that was heard of has each count, also the zeros: the first error is a change that can be seen. */
function countsByTenant(all: Iterable<Series>, has: (code: number) => boolean): Dump['values'] {
  const counts = new Map<string, number>([['', 0]]);
  for (const { labels, count } of all) {
    counts.set(labels.ccid, (counts.get(labels.ccid) ?? 0) + (has(labels.code) ? count : 0));
  }
  return [...counts].map(([ccid, value]) => ({ labels: { ccid }, value }));
}
