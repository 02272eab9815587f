/** Upper ends of the duration's buckets, milliseconds. */
export const bucketEnds = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000] as const;

/** Series that carry a tenant; beyond these, requests are counted without theirs. Each has 16 lines of text. */
const tenantSeriesMax = 2000;

const labelNames = ['method', 'path', 'code', 'ccid'];

/** What `text` writes. Not in the registry: 2,000 series through prom-client hold the thread up for half a second. */
export const requestMetrics = {
  total: { name: 'iwd_api_request_total', type: 'counter', help: 'Requests answered', labels: labelNames },
  duration: {
    name: 'iwd_api_request_duration_milliseconds',
    type: 'histogram',
    help: 'From the request’s head to the end of the answer',
    labels: labelNames,
  },
};

export interface Series {
  labels: { method: string; path: string; code: number; ccid: string };
  count: number;
  /** Not cumulative; the last one is for what took longer than every end. */
  countByBucket: number[];
  sumMs: number;
  /** The labels as Prometheus reads them. */
  text: string;
}

/**
 * Answered requests by method, route template, status code and tenant. Found by four maps and no joined key:
 * `prom-client` hashes the labels of every observation, which cost as much as routing.
 */
export class RequestSeries {
  readonly #byPath = new Map<string, Map<string, Map<number, Map<string, Series>>>>();
  #tenantSeries = 0;

  /** `path` is a template of ours, `ccid` a tenant that we know or empty: never what the client sent. */
  observe(method: string, path: string, code: number, ccid: string, ms: number): void {
    const series =
      this.#byPath.get(path)?.get(method)?.get(code)?.get(ccid) ?? this.#seriesOf(method, path, code, ccid);
    series.count += 1;
    series.sumMs += ms;
    let bucket = 0;
    while (bucket < bucketEnds.length && ms > bucketEnds[bucket]!) bucket += 1;
    series.countByBucket[bucket]! += 1;
  }

  *[Symbol.iterator](): Generator<Series> {
    for (const byMethod of this.#byPath.values())
      for (const byCode of byMethod.values()) for (const byTenant of byCode.values()) yield* byTenant.values();
  }

  /** Both metrics in Prometheus' text format. */
  text(): string {
    const { total, duration } = requestMetrics;
    let totals = headingOf(total);
    let durations = headingOf(duration);
    for (const { text, count, countByBucket, sumMs } of this) {
      totals += `${total.name}{${text}} ${count}\n`;
      let below = 0;
      for (let index = 0; index < countByBucket.length; index++) {
        below += countByBucket[index]!;
        durations += `${duration.name}_bucket{le="${bucketEnds[index] ?? '+Inf'}",${text}} ${below}\n`;
      }
      durations += `${duration.name}_sum{${text}} ${sumMs}\n${duration.name}_count{${text}} ${count}\n`;
    }
    return `${totals}\n${durations}`;
  }

  #seriesOf(method: string, path: string, code: number, tenant: string): Series {
    const byTenant = within(within(within(this.#byPath, path), method), code);
    const ccid = this.#tenantSeries < tenantSeriesMax ? tenant : '';
    const known = byTenant.get(ccid);
    if (known !== undefined) return known;
    if (ccid !== '') this.#tenantSeries += 1;
    const countByBucket = new Array<number>(bucketEnds.length + 1).fill(0);
    const labels = { method, path, code, ccid };
    const series: Series = { labels, count: 0, countByBucket, sumMs: 0, text: labelText(labels) };
    byTenant.set(ccid, series);
    return series;
  }
}

function headingOf({ name, type, help }: { name: string; type: string; help: string }): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labelText(labels: Series['labels']): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join();
}

function within<Key, InnerKey, Value>(map: Map<Key, Map<InnerKey, Value>>, key: Key): Map<InnerKey, Value> {
  const inner = map.get(key) ?? new Map<InnerKey, Value>();
  map.set(key, inner);
  return inner;
}
