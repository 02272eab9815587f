import { exponential, type Kernel } from './kernel.js';
import type { Pod } from './pod.js';
import type { FaultKind } from './scenario.js';

/** One way over the network, milliseconds. */
export const hopMsMin = 0.2;
const hopMsMax = 1;
const slowMs = 1500;
/** After this without an answer a store gives a call up; what was sent may still arrive. */
const timeoutMs = 2000;

/** Nothing has reached the database. */
export class NotSent extends Error {}

export function hop(random: () => number): number {
  return hopMsMin + random() * (hopMsMax - hopMsMin);
}

interface CallContext {
  kernel: Kernel;
  random: () => number;
  pod: Pod;
  name: string;
  fault: FaultKind | undefined;
  isStoreDown: () => boolean;
  /** What the database does when the call arrives. */
  execute: () => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/**
 * One call on its way to the database and back. The caller hears of it once: the first of its answer, an error and the
 * time-out; what it was told says nothing about whether the call arrives.
 */
export class Call {
  readonly #c: CallContext;
  readonly #begunAt: number;

  constructor(context: CallContext) {
    this.#c = context;
    this.#begunAt = context.kernel.now;
  }

  send(): void {
    const { random, fault, name, isStoreDown } = this.#c;
    if (isStoreDown()) this.#fail(new NotSent(`${name}: connection refused`));
    else if (fault === 'errorBefore') this.#fail(random() < 0.5 ? new NotSent(`${name}: not sent`) : this.#broke());
    else this.#travel(fault === 'requestDelay' || fault === 'late' ? exponential(random, slowMs) : 0);
  }

  #travel(delayMs: number): void {
    const { kernel, random, fault } = this.#c;
    if (fault === 'late') this.#fail(this.#broke());
    else if (delayMs > timeoutMs) this.#timeOut();
    kernel.after(hop(random) + delayMs, () => this.#arrive(delayMs > 0));
  }

  #arrive(isLate: boolean): void {
    const { kernel, pod, name, execute, isStoreDown } = this.#c;
    if (isLate) kernel.trace(`${pod.name} ${name} arrives late`);
    if (pod.isPartitioned) this.#timeOut();
    else if (isStoreDown()) this.#fail(this.#broke());
    else {
      void execute().then(
        (value) => this.#reply(value),
        (error) => this.#fail(error as Error),
      );
    }
  }

  #reply(value: unknown): void {
    const { kernel, random, fault } = this.#c;
    const delayMs = fault === 'replyDelay' ? exponential(random, slowMs) : 0;
    if (fault === 'errorAfter') this.#fail(this.#broke());
    else if (fault === 'replyLost' || delayMs > timeoutMs) this.#timeOut();
    else kernel.after(hop(random) + delayMs, () => this.#deliver(value));
  }

  #deliver(value: unknown): void {
    const { pod, resolve, isStoreDown } = this.#c;
    if (pod.isPartitioned) this.#timeOut();
    else if (isStoreDown()) this.#fail(this.#broke());
    else pod.runtime.enter(() => resolve(value));
  }

  /** The caller learns of it inside its own process, so after a pause, and never when it is dead. */
  #fail(error: Error, ms = hopMsMin): void {
    const { kernel, pod, reject } = this.#c;
    kernel.after(ms, () => pod.runtime.enter(() => reject(error)));
  }

  #timeOut(): void {
    const leftMs = Math.max(0, this.#begunAt + timeoutMs - this.#c.kernel.now);
    this.#fail(new Error(`${this.#c.name}: no answer in time`), leftMs);
  }

  #broke(): Error {
    return new Error(`${this.#c.name}: the connection broke`);
  }
}
