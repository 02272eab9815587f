import { Registry } from 'prom-client';
import { type ActorOptions, defaultOptions } from '../actors/options.js';
import type { Runtime, TenantStores } from '../actors/ports.js';
import type { Answer, Reply, Request } from '../actors/request.js';
import { TenantActor } from '../actors/tenant-actor.js';
import { ShardMetrics } from '../actors/tenant-metrics.js';
import { TestRuntime } from '../actors/test-runtime.js';
import { defaultCategories, defaultFilters, defaultSchemas } from '../engine/default-settings.js';
import { MemoryDatabase } from '../stores/memory/database.js';
import { type Fault, type FaultPlan, faultyStores } from '../stores/memory/faulty.js';
import { MemoryLedger } from '../stores/memory/personal-store.js';
import { MemorySnapshotStore } from '../stores/memory/snapshot-store.js';
import { openMemoryStores } from '../stores/memory/tenant-database.js';

export const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** Requests by their short form. */
export const create = (item: object, more: Partial<Extract<Request, { op: 'create' }>> = {}): Request => ({
  op: 'create',
  body: encode(item),
  mode: 'create',
  ...more,
});
export const next = (agentId = 'agent'): Request => ({ op: 'next', agentId });

/** The item (or page, or queue) of an answer; throws what was refused instead. */
// biome-ignore lint/suspicious/noExplicitAny: answers are JSON of many shapes, and a test says what it expects of them
export function bodyOf(reply: Reply): any {
  if (reply.rejected) throw new Error(`${reply.code}: ${reply.detail}`);
  return reply.json === undefined ? undefined : JSON.parse(reply.json);
}

export const codeOf = (reply: Reply) => (reply.rejected ? reply.code : reply.status);

/** One tenant's database with an actor on it, in virtual time, and faults put between the two. */
export class TenantWorld {
  readonly runtime = new TestRuntime();
  readonly database = new MemoryDatabase();
  readonly snapshots = new MemorySnapshotStore();
  readonly ledger = new MemoryLedger();
  readonly options: ActorOptions;
  /** Decides about every call of a store; faults put into `script` by call go first, one a call. */
  plan: FaultPlan = () => undefined;
  readonly script = new Map<string, Fault[]>();
  /** Calls of each store, counted. */
  readonly calls = new Map<string, number>();
  readonly log: string[] = [];
  actor: TenantActor;

  constructor(options: Partial<ActorOptions> = {}) {
    this.options = { ...defaultOptions, ...options };
    this.actor = this.newActor();
  }

  /** Another actor on the same database, as another pod would have it. */
  newActor(pod = 'test/1', runtime: Runtime = this.runtime, onWanted?: () => void): TenantActor {
    const { options, log } = this;
    return new TenantActor({
      tenantId: 't',
      openStores: async () => this.openStores(),
      runtime,
      options,
      stateOptions: {
        tenantId: 't',
        attributesBytesMax: options.attributesBytesMax,
        documentBytesMax: options.documentBytesMax,
        categories: defaultCategories,
        schemas: defaultSchemas,
        filters: defaultFilters,
      },
      owner: () => ({ token: `${pod}-${log.length}-${this.database.lease.epoch}`, pod, url: '' }),
      isGone: (other) => other === pod,
      onWanted,
      metrics: new ShardMetrics(new Registry(), () => runtime.now()),
      log: (level, message, error) => {
        log.push(`${level}: ${message}${error === undefined ? '' : `: ${(error as Error).message}`}`);
      },
    });
  }

  async start(): Promise<this> {
    this.actor.start();
    await this.runtime.until(() => this.actor.mode === 'serving');
    return this;
  }

  /** Forgets the actor as a crash would and starts another one on what is durable. */
  async crash(): Promise<void> {
    await this.actor.kill();
    this.actor = this.newActor();
    await this.start();
  }

  fault(call: string, ...faults: Fault[]): void {
    this.script.set(call, [...(this.script.get(call) ?? []), ...faults]);
  }

  /** Hands the request in; the promise resolves when virtual time has brought the answer. */
  submit(request: Request): Promise<Reply> {
    return new Promise((resolve) => this.actor.submit(request, resolve));
  }

  async ask(request: Request): Promise<Reply> {
    return (await this.askAll([request]))[0];
  }

  /** Hands all requests in at once, and lets time pass until all are answered. */
  async askAll(requests: Request[]): Promise<Reply[]> {
    const replies: Reply[] = [];
    let open = requests.length;
    requests.forEach((request, index) => {
      this.actor.submit(request, (reply) => {
        replies[index] = reply;
        open--;
      });
    });
    await this.runtime.until(() => open === 0);
    return replies;
  }

  async create(item: object): Promise<Answer> {
    const reply = await this.ask(create(item));
    bodyOf(reply);
    return reply as Answer;
  }

  /** The whole queue's ids, in order. */
  async queue(): Promise<string[]> {
    return bodyOf(await this.ask({ op: 'queue', limit: 1000 })).items.map((item: { id: string }) => item.id);
  }

  /** Resolves when the follower's tables hold everything that is durable. */
  async projected(): Promise<void> {
    await this.runtime.until(() => this.database.cursor === this.database.lease.lastSeq);
  }

  count(call: string): number {
    return this.calls.get(call) ?? 0;
  }

  private openStores(): TenantStores {
    return faultyStores(openMemoryStores(this.database, this.snapshots, this.ledger), this.runtime, (call, args) => {
      this.calls.set(call, this.count(call) + 1);
      return this.script.get(call)?.shift() ?? this.plan(call, args);
    });
  }
}
