import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Gate } from './gate.js';

/** The parts of prom-client's `getMetricsAsJSON` that merging touches. */
interface Dump {
  name: string;
  aggregator: string;
  values: { labels: Record<string, string | number> }[];
}

/** One route's counters with their labels filled in: looking them up by labels costs more than counting. */
interface Series {
  count(): void;
  observe(seconds: number): void;
}

/**
 * The main thread's metrics, and the merge with those of the shards. prom-client's own (`iwd_process_*`,
 * `iwd_nodejs_*`, among them the event loop's lag since the last scrape) carry the prefix of all.
 */
export class HttpMetrics {
  readonly registry: Registry;
  private readonly requests: Counter<'method' | 'route' | 'code'>;
  private readonly duration: Histogram<'method' | 'route'>;
  private readonly series = new Map<string, Series>();

  /** `registry`: where others on this thread have put theirs; it gets ours and the default ones. */
  constructor(gate: Gate, registry = new Registry()) {
    this.registry = registry;
    const registers = [registry];
    collectDefaultMetrics({ register: registry, prefix: 'iwd_' });
    this.requests = new Counter({
      name: 'iwd_http_requests_total',
      help: 'Requests answered, by route template and status code',
      labelNames: ['method', 'route', 'code'],
      registers,
    });
    this.duration = new Histogram({
      name: 'iwd_http_request_duration_seconds',
      help: 'Time from the request’s head to the end of the answer',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
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
  }

  /** `route` is a template of ours, never what the client sent: the number of series is bounded. */
  observe(method: string, route: string, code: number, seconds: number): void {
    const key = `${code}${method}${route}`;
    let series = this.series.get(key);
    if (series === undefined) {
      const requests = this.requests.labels(method, route, String(code));
      const duration = this.duration.labels(method, route);
      series = { count: () => requests.inc(), observe: (value) => duration.observe(value) };
      this.series.set(key, series);
    }
    series.count();
    series.observe(seconds);
  }

  /** Prometheus text of this thread and of every shard, whose values carry the label `shard`. */
  async text(shards: object[][]): Promise<string> {
    const own = (await this.registry.getMetricsAsJSON()) as unknown as Dump[];
    const dumps = (shards as Dump[][]).map((dump, index) => dump.map((metric) => labelled(metric, index)));
    // With the shard's label every series exists once, so that `sum` keeps each as it is.
    const merged = [own, ...dumps].map((dump) => dump.map((metric) => ({ ...metric, aggregator: 'sum' })));
    return AggregatorRegistry.aggregate(merged as unknown as object[]).metrics();
  }
}

function labelled(metric: Dump, shard: number): Dump {
  const values = metric.values.map((value) => ({ ...value, labels: { shard: String(shard), ...value.labels } }));
  return { ...metric, values };
}
