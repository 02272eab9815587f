import { scheduler } from 'node:timers/promises';
import type { Instant } from '../engine/work-item.js';
import type { Runtime } from './ports.js';

interface Timer {
  at: number;
  order: number;
  fire: () => void;
}

/**
 * A Runtime whose time passes only when nothing is left to do, for tests: hours take no time, and the same calls happen
 * in the same order every time. Between two callbacks all promises settle, as between turns of the real loop.
 */
export class TestRuntime implements Runtime {
  /** Added to the wall clock only: a clock that is set forward or back. */
  wallShiftMs = 0;
  /** Milliseconds that every look at the monotonic clock costs, so that bounded turns come to an end. */
  lookMs = 0;
  readonly #startAt: Instant;
  #elapsedMs = 0;
  #order = 0;
  #soon: (() => void)[] = [];
  #timers: Timer[] = [];
  #random = 1;

  constructor(startAt: Instant = Date.UTC(2026, 0, 1)) {
    this.#startAt = startAt;
  }

  now(): Instant {
    return Math.floor(this.#startAt + this.#elapsedMs) + this.wallShiftMs;
  }

  monotonic(): number {
    this.#elapsedMs += this.lookMs;
    return this.#elapsedMs;
  }

  timer(ms: number, fire: () => void): () => void {
    const timer = { at: this.#elapsedMs + Math.max(0, ms), order: this.#order++, fire };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(fire: () => void): void {
    this.#soon.push(fire);
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => {
      this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
      return this.#random >>> 24;
    });
  }

  /** Runs callbacks, and lets time pass to the next timer when there are none, until `done` is true. */
  async until(done: () => boolean, msMax = 120_000): Promise<void> {
    const endAt = this.#elapsedMs + msMax;
    await scheduler.yield();
    while (!done()) {
      if (!this.#step(endAt)) throw new Error(`not done after ${msMax} ms of virtual time`);
      await scheduler.yield();
    }
  }

  /** Lets `ms` pass, with everything that happens meanwhile. */
  async pass(ms: number): Promise<void> {
    const endAt = this.#elapsedMs + ms;
    await scheduler.yield();
    while (this.#step(endAt)) await scheduler.yield();
    this.#elapsedMs = Math.max(this.#elapsedMs, endAt);
  }

  /** Runs the next callback; false when none comes until `endAt`. */
  #step(endAt: number): boolean {
    const next = this.#soon.shift() ?? this.#takeTimer(endAt);
    next?.();
    return next !== undefined;
  }

  #takeTimer(endAt: number): (() => void) | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) {
        first = timer;
      }
    }
    if (first === undefined || first.at > endAt) return undefined;
    this.#timers = this.#timers.filter((other) => other !== first);
    this.#elapsedMs = Math.max(this.#elapsedMs, first.at);
    return first.fire;
  }
}
