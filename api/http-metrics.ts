import { AggregatorRegistry, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { Gate } from './gate.js';

/** The parts of prom-client's `getMetricsAsJSON` that merging touches. */
interface Dump {
  name: string;
  help: string;
  type: string;
  aggregator: string;
  values: { labels: Record<string, string | number>; value: number; metricName?: string }[];
}

/** Upper ends of the duration's buckets, seconds. */
const bucketEnds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** What is counted of one route; `prom-client` hashes the labels of every observation, which cost as much as routing. */
interface Series {
  labels: { method: string; route: string };
  countByCode: Map<number, number>;
  /** Not cumulative; the last one is for what took longer than every end. */
  countByBucket: number[];
  sumSeconds: number;
}

/**
 * The main thread's metrics, and the merge with those of the shards. prom-client's own (`iwd_process_*`,
 * `iwd_nodejs_*`, among them the event loop's lag since the last scrape) carry the prefix of all.
 */
export class HttpMetrics {
  readonly registry: Registry;
  private readonly series = new Map<string, Map<string, Series>>();

  /** `registry`: where others on this thread have put theirs; it gets ours and the default ones. */
  constructor(gate: Gate, registry = new Registry()) {
    this.registry = registry;
    collectDefaultMetrics({ register: registry, prefix: 'iwd_' });
    this.addMetric(
      'iwd_http_requests_total',
      'Requests answered, by route template and status code',
      'counter',
      requestValues,
    );
    this.addMetric(
      'iwd_http_request_duration_seconds',
      'From the request’s head to the end of the answer',
      'histogram',
      durationValues,
    );
    new Gauge({
      name: 'iwd_http_requests_in_flight',
      help: 'Requests that were admitted and not yet answered',
      registers: [registry],
      collect() {
        this.set(gate.inFlight);
      },
    });
  }

  /** `route` is a template of ours, never what the client sent: the number of series is bounded. */
  observe(method: string, route: string, code: number, seconds: number): void {
    const series = this.series.get(route)?.get(method) ?? this.addSeries(method, route);
    series.countByCode.set(code, (series.countByCode.get(code) ?? 0) + 1);
    let bucket = 0;
    while (bucket < bucketEnds.length && seconds > bucketEnds[bucket]!) bucket += 1;
    series.countByBucket[bucket]! += 1;
    series.sumSeconds += seconds;
  }

  /** Prometheus text of this thread and of every shard, whose values carry the label `shard`. */
  async text(shards: object[][]): Promise<string> {
    const own = (await this.registry.getMetricsAsJSON()) as unknown as Dump[];
    const dumps = (shards as Dump[][]).map((dump, index) => dump.map((metric) => labelled(metric, index)));
    // With the shard's label every series exists once, so that `sum` keeps each as it is.
    const merged = [own, ...dumps].map((dump) => dump.map((metric) => ({ ...metric, aggregator: 'sum' })));
    return AggregatorRegistry.aggregate(merged as unknown as object[]).metrics();
  }

  private addSeries(method: string, route: string): Series {
    const countByBucket = new Array<number>(bucketEnds.length + 1).fill(0);
    const series: Series = { labels: { method, route }, countByCode: new Map(), countByBucket, sumSeconds: 0 };
    const methods = this.series.get(route) ?? new Map<string, Series>();
    this.series.set(route, methods.set(method, series));
    return series;
  }

  /** A metric that reads our own counters when it is scraped: all that a registry asks of one is `get`. */
  private addMetric(
    name: string,
    help: string,
    type: string,
    valuesOf: (series: Series, name: string) => Dump['values'],
  ): void {
    const get = async (): Promise<Dump> => {
      const all = [...this.series.values()].flatMap((methods) => [...methods.values()]);
      return { name, help, type, aggregator: 'sum', values: all.flatMap((series) => valuesOf(series, name)) };
    };
    this.registry.registerMetric({ name, get } as unknown as Metric);
  }
}

function requestValues({ labels, countByCode }: Series): Dump['values'] {
  return [...countByCode].map(([code, value]) => ({ labels: { ...labels, code }, value }));
}

function durationValues({ labels, countByBucket, sumSeconds }: Series, name: string): Dump['values'] {
  let count = 0;
  const buckets = [...bucketEnds, '+Inf'].map((le, index) => {
    count += countByBucket[index]!;
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

function labelled(metric: Dump, shard: number): Dump {
  const values = metric.values.map((value) => ({ ...value, labels: { shard: String(shard), ...value.labels } }));
  return { ...metric, values };
}
