import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Problem } from './problem.js';

/** Says how late the event loop runs; the tests put their own in its place. */
export interface LoopDelay {
  /** p99 of the last full second, milliseconds. */
  p99Ms(): number;
}

/**
 * Samples the delay of this thread's event loop. 5 ms between samples: of the 200 in a second, p99 leaves out the one
 * longest pause, so that a single collection of garbage refuses nobody.
 */
export class EventLoopDelay implements LoopDelay {
  private readonly histogram: IntervalHistogram;
  private readonly timer: NodeJS.Timeout;
  private p99 = 0;

  constructor(windowMs = 1000) {
    this.histogram = monitorEventLoopDelay({ resolution: EventLoopDelay.resolutionMs });
    this.histogram.enable();
    this.timer = setInterval(() => this.sample(), windowMs).unref();
  }

  static readonly resolutionMs = 5;

  p99Ms(): number {
    return this.p99;
  }

  stop(): void {
    clearInterval(this.timer);
    this.histogram.disable();
  }

  private sample(): void {
    // The histogram counts the sampling interval itself as delay.
    this.p99 = Math.max(0, this.histogram.percentile(99) / 1e6 - EventLoopDelay.resolutionMs);
    this.histogram.reset();
  }
}

export interface GateLimits {
  inFlightMax: number;
  bulkInFlightMax: number;
  loopDelayMsMax: number;
}

/**
 * Owns the count of requests in flight and the state open -> draining (never back). Whoever was admitted must leave
 * exactly once, when the response's socket is done with it, however it ended.
 */
export class Gate {
  inFlight = 0;
  draining = false;
  private bulkInFlight = 0;
  private readonly drained: (() => void)[] = [];
  private readonly limits: GateLimits;
  private readonly loop: LoopDelay;

  constructor(limits: GateLimits, loop: LoopDelay) {
    this.limits = limits;
    this.loop = loop;
  }

  /** Undefined when the request may come in. */
  admit(bulk: boolean): Problem | undefined {
    const problem = this.refusal(bulk);
    if (problem !== undefined) return problem;
    this.inFlight += 1;
    if (bulk) this.bulkInFlight += 1;
    return undefined;
  }

  leave(bulk: boolean): void {
    this.inFlight -= 1;
    if (bulk) this.bulkInFlight -= 1;
    if (this.inFlight === 0) for (const resolve of this.drained.splice(0)) resolve();
  }

  /** Refuses new work from now on; resolves when nothing is in flight. The caller bounds how long it waits. */
  drain(): Promise<void> {
    this.draining = true;
    return this.inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.drained.push(resolve));
  }

  private refusal(bulk: boolean): Problem | undefined {
    if (this.draining) return drainingProblem;
    if (this.inFlight >= this.limits.inFlightMax) return overloadedProblem;
    if (this.loop.p99Ms() > this.limits.loopDelayMsMax) return overloadedProblem;
    if (bulk && this.bulkInFlight >= this.limits.bulkInFlightMax) return bulkProblem;
    return undefined;
  }
}

const drainingProblem: Problem = {
  code: 'draining',
  detail: 'This server is stopping; send the request again, another one will take it.',
  retryAfterSeconds: 1,
};
const overloadedProblem: Problem = {
  code: 'overloaded',
  detail: 'The server has too many requests in flight; nothing was done, try again.',
  retryAfterSeconds: 1,
};
const bulkProblem: Problem = {
  code: 'too-many-requests',
  detail: 'Too many bulk requests at once; nothing was done, try again.',
  retryAfterSeconds: 2,
};
