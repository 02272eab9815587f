import { type BodySpec, ItemBodies } from './item-bodies.js';
import { Line } from './line.js';

/**
 * The load generator, a process of its own (`fork`ed, one spec in, one result out): its work must not hide in the
 * server's event loop, and its CPU is reported because on a small machine it takes the server's place.
 */
export interface LoadSpec extends BodySpec {
  port: number;
  kind: 'post' | 'takes';
  connections: number;
  ms: number;
  /**
   * Requests a second at even distances, each timed from the instant at which it was meant to be sent, so that a stall
   * counts against everybody whom it kept waiting. Absent: each connection asks as soon as it is answered.
   */
  ratePerSecond?: number;
  /** Ends earlier, when so many requests are answered; not with `ratePerSecond`. */
  requestsMax?: number;
}

/** Latencies in milliseconds; of `takes`, of the pair. */
export interface LoadResult {
  /** Requests that were answered as they should within `ms`; a pair of next and complete is one. */
  requests: number;
  items: number;
  /** What came back instead of success, and how often. */
  failures: Record<string, number>;
  seconds: number;
  cpuSeconds: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
  /** Number for the next spec's `firstItem`. */
  nextItem: number;
}

class Load {
  readonly #spec: LoadSpec;
  readonly #bodies: ItemBodies;
  readonly #lines: Line[];
  readonly #latencies: number[] = [];
  readonly #failures: Record<string, number> = {};
  readonly #endAt: number;
  readonly #startAt: number;
  /** Paced load: lines without a request, and the instants of requests that wait for a line. */
  readonly #idle: Line[] = [];
  readonly #due: number[] = [];
  #sent = 0;
  #busy = 0;
  #asked = 0;
  #finish: () => void = () => {};

  constructor(spec: LoadSpec) {
    this.#spec = spec;
    this.#bodies = new ItemBodies(spec);
    this.#lines = Array.from({ length: spec.connections }, () => new Line(spec.port));
    this.#startAt = performance.now();
    this.#endAt = this.#startAt + spec.ms;
  }

  async run(): Promise<LoadResult> {
    const cpuBefore = process.cpuUsage();
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    if (this.#spec.ratePerSecond === undefined) {
      for (const line of this.#lines) if (!this.#isEnough) this.#ask(line, performance.now());
    } else this.#pace(this.#spec.ratePerSecond);
    await finished;
    const cpu = process.cpuUsage(cpuBefore);
    for (const line of this.#lines) line.close();
    return this.#result((cpu.user + cpu.system) / 1e6);
  }

  #pace(ratePerSecond: number): void {
    this.#idle.push(...this.#lines);
    const timer = setInterval(() => {
      const now = performance.now();
      const wanted = Math.floor(((Math.min(now, this.#endAt) - this.#startAt) / 1000) * ratePerSecond);
      for (; this.#sent < wanted; this.#sent++) this.#due.push(this.#startAt + (this.#sent * 1000) / ratePerSecond);
      while (this.#due.length > 0 && this.#idle.length > 0) this.#ask(this.#idle.pop()!, this.#due.shift()!);
      if (now < this.#endAt) return;
      clearInterval(timer);
      if (this.#busy === 0) this.#finish();
    }, 1);
  }

  get #isEnough(): boolean {
    return this.#asked >= (this.#spec.requestsMax ?? Number.POSITIVE_INFINITY);
  }

  #ask(line: Line, intendedAt: number): void {
    this.#busy++;
    this.#asked++;
    if (this.#spec.kind === 'takes') this.#take(line, intendedAt);
    else {
      line.send(this.#bodies.next(line), (status, head) => {
        const isWhole = this.#spec.itemsPerRequest === 1 ? status === 201 : isAllAccepted(status, head, this.#spec);
        this.#answered(line, intendedAt, isWhole ? undefined : `${status}`);
      });
    }
  }

  #take(line: Line, intendedAt: number): void {
    line.send(this.#bodies.takeNext, (status, head) => {
      if (status !== 200) return this.#answered(line, intendedAt, `next ${status}`);
      const id = head.slice(7, 43);
      line.send(this.#bodies.complete(id), (completed) => {
        this.#answered(line, intendedAt, completed === 200 ? undefined : `complete ${completed}`);
      });
    });
  }

  #answered(line: Line, intendedAt: number, failure: string | undefined): void {
    const now = performance.now();
    this.#busy--;
    if (failure !== undefined) this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
    else if (now <= this.#endAt) this.#latencies.push(now - intendedAt);
    if (now >= this.#endAt || line.closed || this.#isEnough) {
      if (this.#busy === 0) this.#finish();
    } else if (this.#spec.ratePerSecond === undefined) this.#ask(line, now);
    else if (this.#due.length > 0) this.#ask(line, this.#due.shift()!);
    else this.#idle.push(line);
  }

  #result(cpuSeconds: number): LoadResult {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      requests: sorted.length,
      items: sorted.length * this.#spec.itemsPerRequest,
      failures: this.#failures,
      seconds: this.#spec.ms / 1000,
      cpuSeconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      maxMs: at(1),
      nextItem: this.#bodies.nextItem,
    };
  }
}

function isAllAccepted(status: number, head: string, { itemsPerRequest }: LoadSpec): boolean {
  return status === 200 && head.startsWith(`{"accepted":${itemsPerRequest},`);
}

process.once('message', (spec: LoadSpec) => {
  new Load(spec).run().then(
    (result) => process.send!(result, () => process.disconnect()),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
