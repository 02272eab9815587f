import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MessagePort } from 'node:worker_threads';
import { Gauge, Registry } from 'prom-client';
import { reject } from '../engine/rejection.js';
import { observeLag } from './loop-lag.js';
import type { TenantConfig } from './ports.js';
import type { Reply } from './request.js';
import { Roster } from './roster.js';
import { systemRuntime } from './runtime.js';
import type { TenantActor } from './tenant-actor.js';
import type { TenantActorContext } from './tenant-actor-context.js';
import { ShardMetrics } from './tenant-metrics.js';
import { type FromShard, pack, type Question, type ReplyMessage, type ToShard, unpackRequests } from './wire.js';

const lagResolutionMs = 10;

/** What the shard gives each of its actors. */
export type ActorContext = Pick<TenantActorContext, 'metrics' | 'log' | 'runtime' | 'onWanted'>;

export interface ShardContext {
  port: MessagePort;
  shard: number;
  tenants: readonly TenantConfig[];
  /** Makes a tenant's actor from what only the executable knows: how its stores are opened. */
  actorOf: (tenant: TenantConfig, context: ActorContext) => TenantActor;
  activeMax: number;
  idleMs: number;
  /** What its stores count; the sum over all shards is shown. */
  storeMetrics?: Registry;
}

/**
 * The loop of one shard thread: hands the front's requests to the tenants' actors and sends the replies of one turn
 * back as one message. Each actor takes its own bounded turns of the thread's loop, so that a busy tenant cannot starve
 * a quiet one. Resolves when the front has asked it to drain.
 */
export function runShard(context: ShardContext): Promise<void> {
  const { port, shard } = context;
  const registry = new Registry();
  registry.setDefaultLabels({ shard: String(shard) });
  const metrics = new ShardMetrics(registry, systemRuntime.now);
  measureLag(registry);
  observeLag(registry, systemRuntime, 'shard');
  const registries = [registry, ...(context.storeMetrics === undefined ? [] : [context.storeMetrics])];
  const send = (message: FromShard) => port.postMessage(message);
  const outbox = new Outbox(port);
  const { activeMax, idleMs } = context;
  const actorOf = (tenant: TenantConfig, onWanted: () => void) => {
    const log: TenantActorContext['log'] = (level, message, error) =>
      send({ kind: 'log', level, tenantId: tenant.id, message, ...(error !== undefined && { error: textOf(error) }) });
    return context.actorOf(tenant, { metrics, log, runtime: systemRuntime, onWanted });
  };
  const roster = new Roster({ actorOf, runtime: systemRuntime, activeMax, idleMs });
  for (const tenant of context.tenants) roster.put(tenant);
  return new Promise((resolve) => {
    port.on('message', (message: ToShard) => {
      if (message instanceof Uint8Array) submit(message, roster, outbox);
      else if (message.kind === 'put') roster.put(message.tenant);
      else if (message.kind === 'copy') offerCopy(roster, message.tenantId, message.port);
      else void answer(message, roster, registries, send, resolve);
    });
  });
}

function submit(bytes: Uint8Array, roster: Roster, outbox: Outbox): void {
  for (const { id, tenantId, request } of unpackRequests(bytes)) {
    const actor = roster.find(tenantId);
    if (actor === undefined) outbox.put(id, reject('not-found', `there is no tenant ${tenantId}`));
    else actor.submit(request, (reply) => outbox.put(id, reply));
  }
}

function offerCopy(roster: Roster, tenantId: string, port: MessagePort): void {
  const actor = roster.find(tenantId);
  if (actor === undefined) port.close();
  else actor.offerCopy(port);
}

async function answer(
  question: Question & { id: number },
  roster: Roster,
  registries: readonly Registry[],
  send: (message: FromShard) => void,
  stop: () => void,
): Promise<void> {
  const { id } = question;
  switch (question.kind) {
    case 'metrics':
      send({ kind: 'answer', id, value: (await Promise.all(registries.map((one) => one.getMetricsAsJSON()))).flat() });
      break;
    case 'ready':
      send({ kind: 'answer', id, value: roster.conditions() });
      break;
    case 'remove':
      await roster.remove(question.tenantId, question.timeoutMs);
      send({ kind: 'answer', id, value: true });
      break;
    case 'drain':
      await roster.drain(question.timeoutMs);
      send({ kind: 'answer', id, value: true });
      stop();
  }
}

/** Collects the replies of one turn of the loop. */
class Outbox {
  readonly #port: MessagePort;
  #replies: ReplyMessage[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
  }

  put(id: number, reply: Reply): void {
    if (this.#replies.length === 0) systemRuntime.soon(() => this.#send());
    this.#replies.push({ id, reply });
  }

  #send(): void {
    const bytes = pack(this.#replies);
    this.#replies = [];
    this.#port.postMessage(bytes, [bytes.buffer]);
  }
}

/** How late this thread's loop was since the last scrape. */
export function measureLag(registry: Registry): void {
  const histogram = monitorEventLoopDelay({ resolution: lagResolutionMs });
  histogram.enable();
  new Gauge({
    name: 'iwd_shard_eventloop_lag_seconds',
    help: 'Delay of the shard thread’s event loop since the last scrape',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      for (const quantile of [0.5, 0.99]) this.set({ quantile }, lagOf(histogram.percentile(quantile * 100)));
      this.set({ quantile: 1 }, lagOf(histogram.max));
      histogram.reset();
    },
  });
}

/** The histogram holds the whole interval between two looks, in nanoseconds. */
function lagOf(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - lagResolutionMs / 1e3) : 0;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
