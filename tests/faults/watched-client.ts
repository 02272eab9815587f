import { type Attempt, HttpClient } from '../crash/http-client.js';

/** One attempt as a client saw it; times are monotonic milliseconds. */
export interface Sample {
  at: number;
  ms: number;
  /** 0 without an answer. */
  status: number;
  method: string;
}

/** Remembers every answer: how long it took, and what was said. */
export class WatchedClient extends HttpClient {
  readonly samples: Sample[] = [];
  /** Bodies of the first answers of 500 and above. */
  readonly failures: string[] = [];

  override async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Attempt> {
    const at = performance.now();
    const attempt = await super.ask(method, path, body, headers);
    const status = typeof attempt === 'string' ? 0 : attempt.status;
    this.samples.push({ at, ms: performance.now() - at, status, method });
    if (status >= 500 && this.failures.length < 5) {
      this.failures.push(`${method} ${path}: ${(attempt as { body: string }).body.slice(0, 200)}`);
    }
    return attempt;
  }

  /** Answers of 500 and above, and attempts without one. */
  get failed(): number {
    return this.samples.filter(({ status }) => status === 0 || status >= 500).length;
  }

  count(status: number): number {
    return this.samples.filter((sample) => sample.status === status).length;
  }

  /** Samples that began in the window. */
  between(from: number, until: number): Sample[] {
    return this.samples.filter(({ at }) => at >= from && at < until);
  }
}

/** The value below which `share` of the samples' durations lie; NaN without samples. */
export function percentile(samples: readonly Sample[], share: number): number {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
