import { Registry } from 'prom-client';
import type { Runtime, TenantStores } from '../../actors/ports.js';
import type { Reply, Request } from '../../actors/request.js';
import { TenantActor } from '../../actors/tenant-actor.js';
import { ShardMetrics } from '../../actors/tenant-metrics.js';
import type { Kernel } from './kernel.js';
import type { Scenario } from './scenario.js';
import { categories, startAt, startSchemas, tenantId } from './settings.js';

/** What a turn of a pod's loop costs, so that a loop that never rests is seen as time that passes. */
const turnMs = 0.05;

/**
 * A process's view of the world. Paused, nothing runs in it while time and the world go on; killed, nothing ever runs
 * again; and its wall clock may be wrong, but never its monotonic one.
 */
export class PodRuntime implements Runtime {
  wallShiftMs = 0;
  isDead = false;
  readonly #kernel: Kernel;
  readonly #lookMs: number;
  readonly #random: () => number;
  #lookedMs = 0;
  #held: (() => void)[] | undefined;

  constructor(kernel: Kernel, name: string, lookMs: number) {
    this.#kernel = kernel;
    this.#lookMs = lookMs;
    this.#random = kernel.random(`bytes ${name}`);
  }

  now(): number {
    return Math.floor(startAt + this.#kernel.now) + this.wallShiftMs;
  }

  monotonic(): number {
    this.#lookedMs = Math.max(this.#lookedMs, this.#kernel.now) + this.#lookMs;
    return this.#lookedMs;
  }

  timer(ms: number, fire: () => void): () => void {
    let isCancelled = false;
    this.#kernel.after(Math.max(0, ms), () =>
      this.enter(() => {
        if (!isCancelled) fire();
      }),
    );
    return () => {
      isCancelled = true;
    };
  }

  soon(fire: () => void): void {
    this.#kernel.after(turnMs, () => this.enter(fire));
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#random() * 256);
  }

  /** Something reaches this process: runs now, after the pause, or never. */
  enter(f: () => void): void {
    if (this.isDead) return;
    if (this.#held === undefined) f();
    else this.#held.push(f);
  }

  get isPaused(): boolean {
    return this.#held !== undefined;
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    // As in a real loop: each thing that has piled up has a turn of its own.
    for (const f of held) this.#kernel.after(0, () => this.enter(f));
  }
}

/** All simulated pods write to one registry: metrics are not what is tested here. */
const metrics = new ShardMetrics(new Registry(), () => startAt);

export interface PodContext {
  name: string;
  kernel: Kernel;
  scenario: Scenario;
  openStores: (pod: Pod) => Promise<TenantStores>;
  isGone: (name: string) => boolean;
  log: (pod: Pod, level: string, message: string) => void;
}

/** One process with one actor. A restarted pod is a new one with a new name. */
export class Pod {
  readonly name: string;
  readonly runtime: PodRuntime;
  readonly actor: TenantActor;
  /** Cut off from the database. */
  isPartitioned = false;

  constructor(context: PodContext) {
    const { name, kernel, scenario } = context;
    this.name = name;
    const runtime = new PodRuntime(kernel, name, scenario.lookMs);
    this.runtime = runtime;
    let tokens = 0;
    this.actor = new TenantActor({
      tenantId,
      openStores: () => context.openStores(this),
      runtime,
      options: scenario.options,
      stateOptions: {
        tenantId,
        attributesBytesMax: scenario.options.attributesBytesMax,
        documentBytesMax: scenario.options.documentBytesMax,
        categories,
        schemas: startSchemas,
      },
      owner: () => ({ token: `${name}#${tokens++}`, pod: name, url: '' }),
      isGone: (other) => other === name || context.isGone(other),
      metrics,
      log: (level, message, error) => {
        const cause = error === undefined ? '' : `: ${(error as Error).message}`;
        context.log(this, level, message + cause);
      },
    });
    this.actor.start();
  }

  get isServing(): boolean {
    return !this.runtime.isDead && this.actor.mode === 'serving';
  }

  submit(request: Request, answer: (reply: Reply) => void): void {
    this.runtime.enter(() => this.actor.submit(request, answer));
  }

  kill(): void {
    this.runtime.isDead = true;
  }
}
