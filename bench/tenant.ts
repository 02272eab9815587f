import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { defaultOptions } from '../actors/options.js';
import type { SnapshotStore } from '../actors/ports.js';
import type { Answer, Reply, Request } from '../actors/request.js';
import { systemRuntime } from '../actors/runtime.js';
import { TenantActor } from '../actors/tenant-actor.js';
import { ShardMetrics } from '../actors/tenant-metrics.js';
import { isGone, ownPod } from '../bin/owner.js';
import { cityCategories, citySchemas } from '../examples/city-settings.js';
import { openTenantStores } from '../stores/postgres/tenant-database.js';
import { ItemBodies } from './item-bodies.js';

const bodyMark = Buffer.from('\r\n\r\n');
/** Items of one bulk request while a tenant is filled, and requests in flight. */
const itemsPerBulk = 500;
const bulksInFlight = 4;
/** Numbers in the captureIds of single items are below, of bulk items above. */
const bulksFrom = 500_000_000;
/** One buffer each, so that not all single items are of the same kind. */
const kinds = Array.from({ length: 5 }, () => ({}));
const drainMsMax = 120_000;

/** Keeps no snapshot: recovery reads the tables. */
export const noSnapshots: SnapshotStore = { save: async () => {}, load: async () => undefined };

/** What a tenant's start took, from its call to the first command that it would take. */
export interface Started {
  ms: number;
  source: string;
  openItems: number;
}

/** One tenant's actor in this process, on a real database, without HTTP and without a thread of its own. */
export class BenchTenant {
  readonly #actor: TenantActor;
  readonly #registry = new Registry();
  readonly #single = bodiesFrom(0, 1);
  readonly #bulk = bodiesFrom(bulksFrom, itemsPerBulk);
  #made = 0;
  /** Items that were acknowledged and not completed by us. */
  openItems = 0;
  #onServing: (message: string) => void = () => {};

  constructor(tenantId: string, databaseUrl: string, snapshots: SnapshotStore) {
    this.#actor = new TenantActor({
      tenantId,
      openStores: () => openTenantStores({ databaseUrl, tenantId, snapshots }),
      runtime: systemRuntime,
      // A snapshot in one measurement and none in the next would be noise; draining takes one.
      options: { ...defaultOptions, snapshotIntervalMs: 3_600_000 },
      stateOptions: {
        tenantId,
        attributesBytesMax: defaultOptions.attributesBytesMax,
        documentBytesMax: defaultOptions.documentBytesMax,
        categories: cityCategories,
        schemas: citySchemas,
      },
      owner: () => ({ token: randomUUID(), pod: ownPod, url: '' }),
      isGone,
      metrics: new ShardMetrics(this.#registry, systemRuntime.now),
      log: (level, message, error) => {
        if (level !== 'info') console.error(tenantId, message, error ?? '');
        else if (message.startsWith('serving from')) this.#onServing(message);
      },
    });
  }

  /** Resolves when it serves. */
  async start(): Promise<Started> {
    const from = performance.now();
    const serving = new Promise<string>((resolve) => {
      this.#onServing = resolve;
    });
    this.#actor.start();
    const [, openItems, source] = /, (\d+) open items \((\w+)\)/.exec(await serving)!;
    return { ms: performance.now() - from, source: source!, openItems: Number(openItems) };
  }

  /** Saves a snapshot and gives the lease back. */
  drain(): Promise<void> {
    return this.#actor.drain(drainMsMax);
  }

  request(request: Request): Promise<Reply> {
    return new Promise((resolve) => this.#actor.submit(request, resolve));
  }

  /** One item of 1 KB. Throws when it is refused. */
  async create(): Promise<void> {
    mustTake(await this.request({ op: 'create', mode: 'create', body: this.#body(this.#single) }));
    this.openItems++;
  }

  /** Takes the best item and completes it; throws when there is none. */
  async takeAndComplete(): Promise<void> {
    const { id } = mustTake(await this.request({ op: 'next', agentId: 'bench' }));
    if (id === undefined) throw new Error('there was no item to take');
    mustTake(await this.request({ op: 'command', name: 'complete', id }));
    this.openItems--;
  }

  /** Adds `count` items by bulk requests, acknowledged when this resolves. */
  async fill(count: number): Promise<void> {
    let left = Math.ceil(count / itemsPerBulk);
    const one = async () => {
      while (left-- > 0) {
        const body = this.#body(this.#bulk);
        mustTake(await this.request({ op: 'createMany', mode: 'create', format: 'array', firstLine: 0, body }));
        this.openItems += itemsPerBulk;
      }
    };
    await Promise.all(Array.from({ length: bulksInFlight }, one));
  }

  /** Resolves when the tables have everything. */
  async projected(): Promise<void> {
    while ((await this.#lag()) > 0) await sleep(20);
  }

  async #lag(): Promise<number> {
    const metric = await this.#registry.getSingleMetric('iwd_follower_lag_events')!.get();
    return metric.values.reduce((sum, { value }) => sum + value, 0);
  }

  /** A body with numbers that no other has; the request's head, which is the generator's, is cut off. */
  #body(bodies: ItemBodies): Uint8Array {
    const request = bodies.next(kinds[this.#made++ % kinds.length]!);
    return new Uint8Array(request.subarray(request.indexOf(bodyMark) + bodyMark.length));
  }
}

function bodiesFrom(firstItem: number, itemsPerRequest: number): ItemBodies {
  return new ItemBodies({ apiKey: '', path: '/', itemsPerRequest, firstItem });
}

function mustTake(reply: Reply): Answer {
  if (reply.rejected) throw new Error(`${reply.code}: ${reply.detail}`);
  return reply;
}
