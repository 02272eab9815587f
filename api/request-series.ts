/** Upper ends of the duration's buckets, milliseconds. */
export const bucketEnds = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000] as const;

/** Series that carry a tenant; beyond these, requests are counted without theirs. Each has 15 lines of text. */
const tenantSeriesMax = 5000;

export interface Series {
  labels: { method: string; path: string; code: number; ccid: string };
  count: number;
  /** Not cumulative; the last one is for what took longer than every end. */
  countByBucket: number[];
  sumMs: number;
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

  #seriesOf(method: string, path: string, code: number, tenant: string): Series {
    const byTenant = within(within(within(this.#byPath, path), method), code);
    const ccid = this.#tenantSeries < tenantSeriesMax ? tenant : '';
    const known = byTenant.get(ccid);
    if (known !== undefined) return known;
    if (ccid !== '') this.#tenantSeries += 1;
    const countByBucket = new Array<number>(bucketEnds.length + 1).fill(0);
    const series: Series = { labels: { method, path, code, ccid }, count: 0, countByBucket, sumMs: 0 };
    byTenant.set(ccid, series);
    return series;
  }
}

function within<Key, InnerKey, Value>(map: Map<Key, Map<InnerKey, Value>>, key: Key): Map<InnerKey, Value> {
  const inner = map.get(key) ?? new Map<InnerKey, Value>();
  map.set(key, inner);
  return inner;
}
