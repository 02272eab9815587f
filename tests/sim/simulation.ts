import type { Reply, Request } from '../../actors/request.js';
import { MemoryDatabase } from '../../stores/memory/database.js';
import { openMemoryStores } from '../../stores/memory/tenant-database.js';
import { openStatuses } from '../../stores/open-items.js';
import { hop } from './call.js';
import { Client, isOpen, type Operation, type Service } from './client.js';
import { Judge, type Violation } from './judge.js';
import { exponential, Kernel, pick } from './kernel.js';
import { carelessStores, weakDatabase } from './mutation.js';
import { Network } from './network.js';
import { Pod } from './pod.js';
import type { FaultKind, Scenario } from './scenario.js';
import { UnreliableSnapshots } from './snapshots.js';

const clientTimeoutMs = 4000;
/** Faults of a whole pod, or of the database. */
const recurring = ['kill', 'drain', 'pause', 'partition', 'storeDown', 'followerDown', 'clockJump'] as const;
/** Once everything is healed, everybody is answered and every follower has caught up within this time. */
const settleMsMax = 60_000;
const restartMsMax = 1500;
const retryMs = 100;
/** Fits into the smallest mailbox. */
const askedAtOnce = 8;
const pauseMsMax = 6000;
const partitionMsMax = 6000;
const storeDownMsMax = 2000;
const followerDownMsMax = 5000;
const clockJumpMsMax = 10_000;
const drainMs = 8000;
/** More events than any run has: a loop that never rests is a failure, not a hang. */
const eventsMax = 2_000_000;

export interface Result {
  violations: Violation[];
  /** Equal for two runs of one scenario. */
  hash: string;
  events: number;
  virtualMs: number;
  /** Acknowledged requests, events of the journal, decisions of `next` that were compared with the oracle. */
  acknowledged: number;
  journalEvents: number;
  decisions: number;
  /** How often each fault happened, what terms ended in, and how many writes the fence refused. */
  landed: ReadonlyMap<string, number>;
  trace: readonly string[];
}

/** One tenant with its pods, clients, database and everything that goes wrong, for one scenario. */
export class Simulation implements Service {
  readonly #kernel: Kernel;
  readonly #scenario: Scenario;
  readonly #database = new MemoryDatabase();
  readonly #network: Network;
  readonly #snapshots: UnreliableSnapshots;
  readonly #judge: Judge;
  readonly #random: () => number;
  readonly #clientNetwork: () => number;
  readonly #dead = new Set<string>();
  readonly #landed = new Map<string, number>();
  readonly #clients: Client[];
  #pods: Pod[] = [];
  #generation = 0;
  #isHealed = false;

  constructor(scenario: Scenario, kernel: Kernel) {
    this.#kernel = kernel;
    this.#scenario = scenario;
    this.#network = new Network(kernel, scenario, (kind) => this.#land(kind));
    this.#snapshots = new UnreliableSnapshots(kernel, scenario, () => this.#land('snapshots'));
    this.#judge = new Judge(this.#database, ({ checker, detail }) => kernel.trace(`VIOLATION ${checker}: ${detail}`));
    this.#random = kernel.random('faults');
    this.#clientNetwork = kernel.random('client network');
    const poisons = scenario.faults.includes('poison');
    this.#clients = Array.from(
      { length: scenario.clients },
      (_, index) => new Client(`a${index}`, kernel, this, poisons),
    );
  }

  async run(): Promise<Result> {
    const kernel = this.#kernel;
    const { durationMs, thinkMs, pods } = this.#scenario;
    for (let n = 0; n < pods; n++) this.#startPod(n);
    for (const kind of recurring) this.#plan(kind);
    for (const client of this.#clients) void client.run(durationMs, thinkMs);
    try {
      await this.#until('load', () => kernel.now >= durationMs, durationMs);
      this.#heal();
      await this.#settle();
    } catch (error) {
      this.#judge.report('no-bug', (error as Error).stack ?? String(error));
    }
    return {
      violations: this.#judge.violations,
      hash: kernel.hash,
      events: kernel.events,
      virtualMs: kernel.now,
      acknowledged: this.#judge.promiseCount,
      journalEvents: this.#judge.fold.seq,
      decisions: this.#judge.fold.assignments,
      landed: this.#landed,
      trace: kernel.lines,
    };
  }

  heardVersion(id: string): number {
    return this.#judge.heardVersion(id);
  }

  recentIds(): readonly string[] {
    return this.#judge.recentIds;
  }

  answered(operation: Operation, reply: Reply): void {
    const said = reply.rejected ? reply.code : `${reply.status} ${reply.id ?? ''} ${reply.version ?? ''}`;
    this.#kernel.trace(`client ${operation.name} ${operation.request.idempotencyKey ?? ''} -> ${said}`);
    this.#judge.hears(operation, reply);
  }

  /** One attempt over a network that may lose the request or the reply. */
  attempt(operation: Operation): Promise<Reply | undefined> {
    const kernel = this.#kernel;
    const pod = this.#route();
    const askedAtSeq = this.#database.lease.lastSeq;
    return new Promise((resolve) => {
      kernel.after(clientTimeoutMs, () => resolve(undefined));
      if (this.#isLost()) return;
      kernel.after(hop(this.#clientNetwork), () => {
        if (pod.runtime.isDead) return resolve(undefined);
        pod.submit(operation.request, (reply) => {
          this.#judge.leaves(operation, reply, askedAtSeq);
          if (!this.#isLost()) kernel.after(hop(this.#clientNetwork), () => resolve(reply));
        });
      });
    });
  }

  /** Whether the network between clients and pods loses what is being sent. */
  #isLost(): boolean {
    if (this.#isHealed || !this.#scenario.faults.includes('clientNetwork')) return false;
    const isLost = this.#clientNetwork() < 0.03;
    if (isLost) this.#land('clientNetwork');
    return isLost;
  }

  /** Mostly a pod that says that it serves, which may be a stale owner; now and then any. */
  #route(): Pod {
    const serving = this.#pods.filter((pod) => pod.isServing);
    return pick(this.#clientNetwork, serving.length > 0 && this.#clientNetwork() < 0.9 ? serving : this.#pods);
  }

  #startPod(index: number): void {
    const { mutation, knowsTheDead } = this.#scenario;
    this.#pods[index] = new Pod({
      name: `p${index}/${this.#generation++}`,
      kernel: this.#kernel,
      scenario: this.#scenario,
      openStores: async (pod) => {
        await this.#network.connect(pod);
        const memory = openMemoryStores(this.#database, this.#snapshots.from(pod));
        const stores = this.#network.stores(pod, weakDatabase(memory, this.#database, mutation));
        return carelessStores(stores, pod.runtime, mutation);
      },
      isGone: (name) => knowsTheDead && this.#dead.has(name),
      log: (pod, level, message) => this.#log(pod, level, message),
    });
  }

  #log(pod: Pod, level: string, message: string): void {
    this.#kernel.trace(`${pod.name} ${level}: ${message}`);
    const [, cause] = /term of epoch \d+ ended: (unknown|lost)/.exec(message) ?? [];
    if (cause !== undefined) this.#land(`term ended: ${cause}`);
    if (level === 'error') this.#judge.report('no-halt', `${pod.name}: ${message}`);
    const isBug = /a turn of the actor failed|is missing in the work_item table/.test(message);
    if (isBug) this.#judge.report('no-bug', `${pod.name}: ${message}`);
  }

  /** Lets a kind of fault happen again and again while there is load. */
  #plan(kind: FaultKind): void {
    if (!this.#scenario.faults.includes(kind)) return;
    this.#kernel.after(exponential(this.#random, this.#scenario.faultEveryMs), () => {
      if (this.#isHealed) return;
      this.#land(kind);
      this.#happen(kind, Math.floor(this.#random() * this.#pods.length));
      this.#plan(kind);
    });
  }

  #land(kind: string): void {
    this.#landed.set(kind, (this.#landed.get(kind) ?? 0) + 1);
  }

  #happen(kind: FaultKind, index: number): void {
    const kernel = this.#kernel;
    const pod = this.#pods[index];
    kernel.trace(`${pod.name} FAULT ${kind}`);
    switch (kind) {
      case 'kill':
        this.#kill(index);
        kernel.after(this.#random() * restartMsMax, () => this.#restart(pod, index));
        break;
      case 'drain':
        pod.runtime.enter(() => void pod.actor.drain(drainMs).then(() => this.#restart(pod, index)));
        break;
      case 'pause':
        pod.runtime.pause();
        kernel.after(this.#random() * pauseMsMax, () => pod.runtime.resume());
        break;
      case 'partition':
        pod.isPartitioned = true;
        kernel.after(this.#random() * partitionMsMax, () => {
          pod.isPartitioned = false;
        });
        break;
      case 'storeDown':
        this.#network.isStoreDown = true;
        kernel.after(this.#random() * storeDownMsMax, () => {
          this.#network.isStoreDown = false;
        });
        break;
      case 'followerDown':
        this.#network.isFollowerDown = true;
        kernel.after(this.#random() * followerDownMsMax, () => {
          this.#network.isFollowerDown = false;
        });
        break;
      case 'clockJump':
        pod.runtime.wallShiftMs += Math.floor((this.#random() * 2 - 1) * clockJumpMsMax);
    }
  }

  #kill(index: number): void {
    this.#pods[index].kill();
    this.#dead.add(this.#pods[index].name);
  }

  /** A new process in the place of `pod`, unless there is one already. */
  #restart(pod: Pod, index: number): void {
    if (this.#pods[index] !== pod) return;
    this.#kill(index);
    this.#startPod(index);
    this.#kernel.trace(`${this.#pods[index].name} started`);
  }

  /** Everything works again; only the clocks stay wrong. Pauses and restarts end by themselves. */
  #heal(): void {
    this.#kernel.trace('HEALED');
    this.#isHealed = true;
    this.#network.isCalm = true;
    this.#network.isStoreDown = false;
    this.#network.isFollowerDown = false;
    for (const pod of this.#pods) pod.isPartitioned = false;
  }

  /** Waits for all answers, then judges; then from a snapshot and from the tables alone an actor must see the same. */
  async #settle(): Promise<void> {
    const isAnswered = await this.#until('answers', () => this.#clients.every((client) => client.isDone));
    if (!isAnswered) {
      const waiting = this.#clients.filter((client) => !client.isDone);
      for (const { name, waitsFor } of waiting)
        this.#judge.report('answered', `${name}: no answer to ${waitsFor?.name}`);
      return;
    }
    await this.#checkConverged('the last owner');
    this.#judge.checkPromises();
    await this.#checkRestarted('a restart from the snapshot');
    this.#snapshots.forget();
    await this.#checkRestarted('a restart from the tables');
  }

  async #checkRestarted(name: string): Promise<void> {
    for (const index of this.#pods.keys()) this.#kill(index);
    this.#pods = [];
    this.#startPod(0);
    await this.#checkConverged(name);
  }

  async #checkConverged(name: string): Promise<void> {
    this.#kernel.trace(`converge: ${name}`);
    const caughtUp = () =>
      this.#pods.some((pod) => pod.isServing && !pod.runtime.isPaused) &&
      this.#database.cursor === this.#database.lease.lastSeq;
    if (!(await this.#until('follower', caughtUp))) {
      const { cursor, lease } = this.#database;
      this.#judge.report('converge', `${name}: no owner, or the follower stays at ${cursor} of ${lease.lastSeq}`);
      return;
    }
    // What is closed is in the tables only, which are compared below.
    const open = [...this.#judge.fold.items.values()].filter(({ status }) => openStatuses.includes(status));
    const requests: Request[] = [{ op: 'queue', limit: 1000 }, ...open.map(({ id }): Request => ({ op: 'get', id }))];
    await this.#until(name, this.#askAll(requests));
    if (!(await this.#until('follower', caughtUp)))
      this.#judge.report('converge', `${name}: the follower stays behind`);
    this.#judge.checkProjection();
  }

  /** Asks a few at a time; the function says whether all are answered. Each answer is judged when it leaves. */
  #askAll(requests: readonly Request[]): () => boolean {
    let left = requests.length;
    const waiting = [...requests];
    const ask = async () => {
      for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
        const reply = await this.#insist({ request, name: request.op, isQuiet: true });
        if (reply.rejected)
          this.#judge.report('converge', `${request.op} is answered with ${reply.code}: ${reply.detail}`);
        left--;
      }
    };
    for (let n = 0; n < askedAtOnce; n++) void ask();
    return () => left === 0;
  }

  async #insist(operation: Operation): Promise<Reply> {
    for (;;) {
      const reply = await this.attempt(operation);
      if (!isOpen(reply)) return reply;
      await this.#kernel.pause(retryMs);
    }
  }

  /** Lets virtual time pass until `done`; false when it is not done by `until`. */
  async #until(what: string, done: () => boolean, until = this.#kernel.now + settleMsMax): Promise<boolean> {
    const isRunaway = () => this.#kernel.events > eventsMax;
    const isDone = await this.#kernel.run(() => isRunaway() || done(), until);
    if (isRunaway()) throw new Error(`${what}: more than ${eventsMax} events: something never rests`);
    return isDone;
  }
}

/** Runs one scenario in virtual time; `keepsTrace` costs memory, not determinism. */
export async function simulate(scenario: Scenario, keepsTrace = false): Promise<Result> {
  const kernel = new Kernel(scenario.seed, keepsTrace);
  const simulation = new Simulation(scenario, kernel);
  // A promise that nobody looks at is a bug of the actors, and ends the process in production.
  const onUnhandled = (error: unknown) => {
    kernel.failure ??= error as Error;
  };
  process.on('unhandledRejection', onUnhandled);
  try {
    return await simulation.run();
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}
