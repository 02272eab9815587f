import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { reject } from '../engine/rejection.js';
import type { TenantConfig } from './ports.js';
import type { Reply, Request, Simulations } from './request.js';
import { systemRuntime } from './runtime.js';
import type { SimulationLimits, SimulationTask } from './simulation.js';

export interface SimulatorOptions {
  /** Compiled module whose default export runs a simulation (`bin/simulation.ts`). */
  file: URL;
  engine: {
    request(tenantId: string, request: Request): Promise<Reply>;
    copyTenant(tenantId: string, port: MessagePort): TenantConfig | undefined;
  };
  limits: SimulationLimits;
  attributesBytesMax: number;
  timeoutMs: number;
}

/** What crosses to the thread; the rest of the task is made there. */
export type SimulationMessage = Pick<SimulationTask, 'body' | 'now' | 'inForce' | 'limits' | 'port'> & {
  tenantId: string;
  databaseUrl: string;
  attributesBytesMax: number;
};

/** Simulations that wait for the one that runs; with it, one a tenant. */
const waitingMax = 8;
const idleMs = 10_000;
/** JavaScript's heap of a simulation; columns are outside it. */
const heapMbMax = 1024;

/**
 * Runs what-ifs on a thread of their own, one after another, at most one a tenant. The tenant's shard sends a copy of its
 * columns straight to that thread; neither the shard nor the main thread waits. A simulation that nobody waits for any
 * more, or that takes too long, is ended with its thread.
 */
export class Simulator implements Simulations {
  readonly #options: SimulatorOptions;
  readonly #pool: Piscina;
  readonly #busy = new Set<string>();

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.#pool = new Piscina({
      filename: options.file.href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: idleMs,
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    });
    // Each task's own promise tells of its end; without a listener a thread that dies would end the process.
    this.#pool.on('error', () => {});
  }

  async whatIf(tenantId: string, body: Uint8Array, signal: AbortSignal): Promise<Reply> {
    if (this.#busy.has(tenantId)) {
      return reject('too-many-requests', 'a simulation of this tenant runs already', { retryAfterSeconds: 5 });
    }
    // The pool's own bound does not hold while its first thread starts.
    if (this.#busy.size > waitingMax) {
      return reject('too-many-requests', 'too many simulations wait', { retryAfterSeconds: 10 });
    }
    this.#busy.add(tenantId);
    try {
      return await this.#run(tenantId, body, signal);
    } finally {
      this.#busy.delete(tenantId);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #run(tenantId: string, body: Uint8Array, signal: AbortSignal): Promise<Reply> {
    const { engine, limits, attributesBytesMax, timeoutMs } = this.#options;
    // The settings in force; and a tenant that sleeps is awake then.
    const exported = await engine.request(tenantId, { op: 'exportSettings' });
    if (exported.rejected) return exported;
    const { port1: port, port2 } = new MessageChannel();
    const tenant = engine.copyTenant(tenantId, port2);
    if (tenant === undefined) return reject('not-found', `there is no tenant ${tenantId}`);
    const message: SimulationMessage = {
      body,
      now: systemRuntime.now(),
      inForce: JSON.parse(exported.json as string),
      limits,
      port,
      tenantId,
      databaseUrl: tenant.databaseUrl,
      attributesBytesMax,
    };
    const late = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#pool.run(message, { transferList: [port], signal: AbortSignal.any([signal, late]) });
    } catch (error) {
      port2.close();
      return failure(error as NodeJS.ErrnoException, late.aborted ? timeoutMs : undefined);
    }
  }
}

function failure(error: NodeJS.ErrnoException, lateMs: number | undefined): Reply {
  if (lateMs !== undefined) {
    return reject('unavailable', `the simulation took longer than ${lateMs / 1000} s and was ended; ask for less`);
  }
  if (error.name === 'AbortError') return reject('unavailable', 'nobody waits for the simulation any more');
  if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return reject('unavailable', 'the simulation needs more memory than it may have; ask for less');
  }
  return reject('internal', 'the simulation failed');
}
