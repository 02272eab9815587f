import { seeded } from '../../stores/memory/faulty.js';

interface Scheduled {
  t: number;
  n: number;
  f: () => void;
}

/** Events run in one turn of the real loop: between two of them all promises settle, and the loop is polled once a turn. */
const eventsATurn = 64;

/**
 * Virtual time: a heap of events ordered by instant and then by number, so that the same calls happen in the same order
 * every time. Everything asynchronous in a simulation must go through `at`; promises settle between two events.
 */
export class Kernel {
  /** Milliseconds since the simulation began. */
  now = 0;
  events = 0;
  /** Set to let the simulation end with this error at the next event. */
  failure: Error | undefined;
  readonly #seed: number;
  readonly #heap: Scheduled[] = [];
  #n = 0;
  #hash = 0x811c9dc5;
  #hash2 = 0;
  #trace: string[] | undefined;

  constructor(seed: number, keepsTrace: boolean) {
    this.#seed = seed;
    if (keepsTrace) this.#trace = [];
  }

  /** A stream of numbers of its own for each name, so that a fault left out does not change all that follows. */
  random(name: string): () => number {
    let mixed = Math.imul(this.#seed ^ 0x9e3779b9, 0x85ebca6b);
    for (let i = 0; i < name.length; i++) mixed = Math.imul(mixed ^ name.charCodeAt(i), 0x01000193);
    return seeded(mixed);
  }

  after(ms: number, f: () => void): void {
    push(this.#heap, { t: this.now + ms, n: this.#n++, f });
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Adds a line to the trace; its hash is what two runs of one seed must agree in. */
  trace(line: string): void {
    this.#mix(line);
    this.#trace?.push(`${this.now.toFixed(2).padStart(9)}  ${line}`);
  }

  get lines(): readonly string[] {
    return this.#trace ?? [];
  }

  /** Of everything that was traced and when. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0') + (this.#hash2 >>> 0).toString(16).padStart(8, '0');
  }

  /** Runs events until `done`; false when virtual time would pass `until` first, or nothing is left to happen. */
  run(done: () => boolean, until: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const step = () => {
        if (isOver) return;
        const next = this.#heap[0];
        isOver = this.failure !== undefined || done() || next === undefined || next.t > until;
        if (!isOver) {
          this.#runNext();
          return;
        }
        if (this.failure !== undefined) reject(this.failure);
        else resolve(done());
      };
      const turn = () => {
        for (let i = 0; i < eventsATurn; i++) setImmediate(step);
        setImmediate(() => {
          if (!isOver) turn();
        });
      };
      turn();
    });
  }

  #runNext(): void {
    const { t, f } = pop(this.#heap);
    this.now = t;
    this.events++;
    try {
      f();
    } catch (error) {
      this.failure = error as Error;
    }
  }

  #mix(line: string): void {
    let a = this.#hash ^ Math.round(this.now * 1000);
    let b = this.#hash2;
    for (let i = 0; i < line.length; i++) {
      a = Math.imul(a ^ line.charCodeAt(i), 0x01000193);
      b = (Math.imul(b, 31) + line.charCodeAt(i)) | 0;
    }
    this.#hash = a;
    this.#hash2 = b;
  }
}

/** Milliseconds of an exponential distribution. */
export function exponential(random: () => number, meanMs: number): number {
  return -Math.log(1 - random()) * meanMs;
}

export function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)];
}

const isBefore = (a: Scheduled, b: Scheduled) => a.t < b.t || (a.t === b.t && a.n < b.n);

function push(heap: Scheduled[], event: Scheduled): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(event, heap[parent])) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Scheduled[]): Scheduled {
  const first = heap[0];
  const last = heap.pop() as Scheduled;
  if (heap.length === 0) return first;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
    if (!isBefore(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return first;
}
