import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { type Rejection, reject } from '../engine/rejection.js';
import type { TenantConfig, TenantQuotas } from './ports.js';
import type { Engine, Reply, Request } from './request.js';
import { pause, systemRuntime } from './runtime.js';
import { type FromShard, pack, type Question, type RequestMessage, type ShardTask, unpackReplies } from './wire.js';

const sweepMs = 500;
/** Counted in sweeps and not in time: after a pause of the whole process a healthy shard answers before it is judged. */
const silentSweepsMax = 4;
const controlTimeoutMs = 5000;
const restartMsMin = 50;
const restartMsMax = 2000;
const removeMsMax = 5000;
/** Of the estimated wait, how long the front refuses by itself: short enough that the mailbox never runs dry. */
const overloadShare = 0.1;
const overloadMsMin = 10;
const overloadMsMax = 100;

export interface ClientOptions {
  /** Compiled module whose default export runs a shard (`bin/shard.ts`). */
  shardFile: URL;
  /** Threads at most; there are never more of them than tenants. */
  shardCount: number;
  tenants: readonly TenantConfig[];
  /** What holds for a tenant whose own quotas do not say otherwise. */
  quotas?: TenantQuotas;
  /** Handed to every shard as it is; plain data. */
  workerData: unknown;
  /** A request that has no answer by then is answered `timeout`: its outcome is unknown. */
  timeoutMs: number;
  log: (line: Exclude<FromShard, Uint8Array> & { kind: 'log' }) => void;
}

/**
 * The front's way to the actors. Each shard is one thread of a single-thread Piscina pool that runs one task for ever;
 * requests of one turn of the loop go to it as one transferred message. A shard that dies, or is ended because it hangs,
 * answers everybody who waits for it with `timeout` (what was on its way may or may not be durable) and is started
 * again; its tenants recover. Tenants come, change and go at run time; a tenant stays on the shard that it came to.
 */
export class Client implements Engine {
  readonly #options: ClientOptions;
  readonly #shards: ShardLink[] = [];
  readonly #byTenant = new Map<string, ShardLink>();
  #cancelSweep: () => void = () => {};

  constructor(options: ClientOptions) {
    this.#options = options;
    for (const tenant of options.tenants) this.addTenant(tenant);
    this.#sweep();
  }

  /**
   * Serves the tenant from now on, on the shard that has the fewest; requests may follow at once, they wait until it has
   * recovered. A tenant that is here already is updated.
   */
  addTenant(tenant: TenantConfig): void {
    const shard = this.#byTenant.get(tenant.id) ?? this.#leastLoaded();
    this.#byTenant.set(tenant.id, shard);
    shard.put({ ...tenant, quotas: { ...this.#options.quotas, ...tenant.quotas } });
  }

  /** Another database ends what runs on the old one; quotas hold at once. Throws when there is no such tenant. */
  updateTenant(tenant: TenantConfig): void {
    if (!this.#byTenant.has(tenant.id)) throw new Error(`there is no tenant ${tenant.id}`);
    this.addTenant(tenant);
  }

  /**
   * Refuses the tenant's requests from now on (404) and resolves when what it had taken is finished and its lease is
   * given back, as far as `timeoutMs` allows. False when there is no such tenant.
   */
  async removeTenant(id: string, timeoutMs = removeMsMax): Promise<boolean> {
    const shard = this.#byTenant.get(id);
    if (shard === undefined) return false;
    this.#byTenant.delete(id);
    await shard.remove(id, timeoutMs);
    return true;
  }

  /** Undefined when there is no such tenant. */
  quotasOf(tenantId: string): TenantQuotas | undefined {
    const tenant = this.#byTenant.get(tenantId)?.tenants.get(tenantId);
    return tenant && (tenant.quotas ?? {});
  }

  /**
   * Whoever holds the port's other end may ask the tenant's shard for a copy of its state; the shard closes a port that it
   * cannot serve. Undefined when there is no such tenant.
   */
  copyTenant(tenantId: string, port: MessagePort): TenantConfig | undefined {
    const shard = this.#byTenant.get(tenantId);
    shard?.copy(tenantId, port);
    return shard?.tenants.get(tenantId);
  }

  /** How long requests of the tenant had better not be sent, milliseconds; 0 when nothing speaks against them. */
  overloadMs(tenantId: string): number {
    const until = this.#byTenant.get(tenantId)?.overloadedUntil.get(tenantId);
    return until === undefined ? 0 : Math.max(0, until - systemRuntime.monotonic());
  }

  request(tenantId: string, request: Request): Promise<Reply> {
    const shard = this.#byTenant.get(tenantId);
    if (shard === undefined) return Promise.resolve(reject('not-found', `there is no tenant ${tenantId}`));
    return shard.request(tenantId, request);
  }

  async metrics(): Promise<object[][]> {
    const dumps = await Promise.all(this.#shards.map((shard) => shard.ask({ kind: 'metrics' })));
    return dumps.filter((dump): dump is object[] => Array.isArray(dump));
  }

  async ready(): Promise<{ ready: boolean; tenants: Record<string, string> }> {
    const modes = await Promise.all(this.#shards.map((shard) => shard.ask({ kind: 'ready' })));
    const tenants: Record<string, string> = {};
    for (const [tenantId] of this.#byTenant) tenants[tenantId] = 'unreachable';
    for (const [tenantId, mode] of modes.flatMap((pairs) => (pairs as [string, string][] | undefined) ?? [])) {
      if (this.#byTenant.has(tenantId)) tenants[tenantId] = mode;
    }
    return { ready: isReady(Object.values(tenants)), tenants };
  }

  #leastLoaded(): ShardLink {
    const least = this.#shards.reduce<ShardLink | undefined>(
      (a, b) => (a === undefined || b.tenants.size < a.tenants.size ? b : a),
      undefined,
    );
    if (least !== undefined && (least.tenants.size === 0 || this.#shards.length >= this.#options.shardCount)) {
      return least;
    }
    const shard = new ShardLink(this.#options, this.#shards.length);
    this.#shards.push(shard);
    return shard;
  }

  #sweep(): void {
    for (const shard of this.#shards) shard.sweep();
    this.#cancelSweep = systemRuntime.timer(sweepMs, () => this.#sweep());
  }

  /** Lets every shard finish what it has taken, then ends the threads. */
  async drain(timeoutMs: number): Promise<void> {
    this.#cancelSweep();
    await Promise.all(this.#shards.map((shard) => shard.drain(timeoutMs)));
  }
}

/**
 * Every tenant has been tried, and some are there, or none is wanted: a tenant that cannot be served must not take the
 * others' traffic away.
 */
function isReady(conditions: readonly string[]): boolean {
  if (conditions.includes('starting') || conditions.includes('stopped')) return false;
  return conditions.length === 0 || conditions.some((condition) => available.has(condition));
}

const available: ReadonlySet<string> = new Set(['serving', 'retiring', 'passive']);

interface Waiting {
  tenantId: string;
  resolve: (reply: Reply) => void;
  since: number;
}

/** One shard's thread, the port to it, and everybody who waits for it. */
class ShardLink {
  readonly #options: ClientOptions;
  readonly #shard: number;
  /** Those that the shard serves; a thread that is started again gets them all. */
  readonly tenants = new Map<string, TenantConfig>();
  /** Until when (monotonic) each tenant that has just refused for overload would refuse others too. */
  readonly overloadedUntil = new Map<string, number>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #asked = new Map<number, (value: unknown) => void>();
  #pool: Piscina | undefined;
  #port: MessagePort | undefined;
  #outbox: RequestMessage[] = [];
  #nextId = 1;
  #stopping = false;
  /** Ends the thread that runs now. */
  #hung = new AbortController();
  /** Sweeps since the thread has said anything; undefined until its first word, for a start takes as long as it takes. */
  #silentSweeps: number | undefined;

  constructor(options: ClientOptions, shard: number) {
    this.#options = options;
    this.#shard = shard;
    void this.#run();
  }

  /** What was sent before about the tenant reaches the thread before this, what is sent later after it. */
  put(tenant: TenantConfig): void {
    this.tenants.set(tenant.id, tenant);
    this.#flush();
    this.#port?.postMessage({ kind: 'put', tenant });
  }

  copy(tenantId: string, port: MessagePort): void {
    this.#port?.postMessage({ kind: 'copy', tenantId, port }, [port]);
  }

  async remove(tenantId: string, timeoutMs: number): Promise<void> {
    this.tenants.delete(tenantId);
    this.overloadedUntil.delete(tenantId);
    this.#flush();
    await this.ask({ kind: 'remove', tenantId, timeoutMs }, timeoutMs + 1000);
  }

  request(tenantId: string, request: Request): Promise<Reply> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { tenantId, resolve, since: systemRuntime.monotonic() });
      if (this.#outbox.length === 0) systemRuntime.soon(() => this.#send());
      this.#outbox.push({ id, tenantId, request });
    });
  }

  /** A question about the shard itself; undefined when it does not answer. */
  ask(message: Question, timeoutMs = controlTimeoutMs): Promise<unknown> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const answer = (value: unknown) => {
        cancel();
        this.#asked.delete(id);
        resolve(value);
      };
      const cancel = systemRuntime.timer(timeoutMs, () => answer(undefined));
      this.#asked.set(id, answer);
      this.#port?.postMessage({ ...message, id });
    });
  }

  sweep(): void {
    this.#checkAlive();
    const before = systemRuntime.monotonic() - this.#options.timeoutMs;
    for (const [id, { resolve, since }] of this.#waiting) {
      // Ids grow, so the oldest come first.
      if (since > before) return;
      this.#waiting.delete(id);
      resolve(
        reject('timeout', 'no answer in time; whether the command took effect is unknown', { retryAfterSeconds: 1 }),
      );
    }
  }

  /** A thread whose loop stands still, in an endless loop for instance, would keep its tenants for ever: it is ended. */
  #checkAlive(): void {
    if (this.#silentSweeps === silentSweepsMax) this.#hung.abort();
    if (this.#silentSweeps !== undefined) this.#silentSweeps++;
    const hung = this.#hung;
    void this.ask({ kind: 'ready' }).then((value) => {
      if (value !== undefined && this.#hung === hung) this.#silentSweeps = 0;
    });
  }

  async drain(timeoutMs: number): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.ask({ kind: 'drain', timeoutMs }, timeoutMs + 1000);
    this.#port?.close();
    await this.#pool?.destroy().catch(() => {});
    this.#failAll();
  }

  /** Runs the shard's task until it drains; a death ends its pool too, for a pool may not replace a thread that died early. */
  async #run(): Promise<void> {
    let restartMs = restartMsMin;
    let port = this.#openPort();
    while (!this.#stopping) {
      const pool = this.#newPool();
      const startedAt = systemRuntime.monotonic();
      this.#pool = pool;
      this.#hung = new AbortController();
      this.#silentSweeps = undefined;
      const task: ShardTask = { port, shard: this.#shard, tenants: [...this.tenants.values()] };
      try {
        await pool.run(task, { transferList: [port], signal: this.#hung.signal });
      } catch (error) {
        if (!this.#stopping) this.#logDeath(error as Error);
      }
      this.#port?.close();
      this.#failAll();
      port = this.#openPort();
      await pool.destroy().catch(() => {});
      if (this.#stopping) return this.#port?.close();
      const livedMs = systemRuntime.monotonic() - startedAt;
      restartMs = livedMs > restartMsMax ? restartMsMin : Math.min(restartMs * 2, restartMsMax);
      await pause(systemRuntime, restartMs);
    }
  }

  /** The other end of a new port, for the next thread: what is asked before it runs waits in there. */
  #openPort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (message: FromShard) => this.#receive(message));
    return port2;
  }

  #newPool(): Piscina {
    const pool = new Piscina({
      filename: this.#options.shardFile.href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // The default blocks an idle thread's event loop, and with it the actor's timers and sockets.
      atomics: 'disabled',
      workerData: this.#options.workerData,
    });
    // The task's own promise tells of the death; without a listener the pool would throw.
    pool.on('error', () => {});
    return pool;
  }

  #logDeath(error: Error): void {
    const message = `shard ${this.#shard} ${this.#hung.signal.aborted ? 'hung' : 'died'}; starting it again`;
    this.#options.log({ kind: 'log', level: 'error', tenantId: '', message, error: error.stack ?? error.message });
  }

  /** The requests gathered in this turn go out now. */
  #flush(): void {
    if (this.#outbox.length > 0) this.#send();
  }

  #send(): void {
    if (this.#outbox.length === 0) return;
    const bytes = pack(this.#outbox);
    this.#outbox = [];
    this.#port?.postMessage(bytes, [bytes.buffer]);
  }

  #receive(message: FromShard): void {
    if (message instanceof Uint8Array) {
      for (const { id, reply } of unpackReplies(message)) {
        const waiting = this.#waiting.get(id);
        if (waiting === undefined) continue;
        this.#waiting.delete(id);
        if (reply.rejected) this.#noteOverload(waiting.tenantId, reply);
        waiting.resolve(reply);
      }
    } else if (message.kind === 'answer') this.#asked.get(message.id)?.(message.value);
    else this.#options.log(message);
  }

  /** The backlog takes a while to shrink: who comes meanwhile is refused by the front, which costs a tenth. */
  #noteOverload(tenantId: string, { facts }: Rejection): void {
    if (typeof facts?.waitMs !== 'number') return;
    const ms = Math.min(Math.max(facts.waitMs * overloadShare, overloadMsMin), overloadMsMax);
    this.overloadedUntil.set(tenantId, systemRuntime.monotonic() + ms);
  }

  #failAll(): void {
    for (const { resolve } of this.#waiting.values()) {
      resolve(
        reject('timeout', 'the shard stopped; whether the command took effect is unknown', { retryAfterSeconds: 1 }),
      );
    }
    this.#waiting.clear();
    for (const answer of [...this.#asked.values()]) answer(undefined);
  }
}
