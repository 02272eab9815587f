import type { Runtime, TenantConfig } from './ports.js';
import type { TenantActor } from './tenant-actor.js';

/** The actor of a tenant whose database changes gets this long to finish on the old one. */
const moveMsMax = 5000;
const sweepMs = 1000;
/** While somebody waits for a place. */
const retryMs = 50;
/** A tenant keeps its place for this long, however many wait: each change costs a snapshot and a recovery. */
const tenureMs = 250;
/** Places that are kept free, and how quiet a tenant must be to give its own up for that. */
const spareMax = 2;
const spareQuietMs = 500;

export interface RosterOptions {
  /** Makes the tenant's actor; it calls `wanted` when somebody asks for it while it is passive. */
  actorOf: (tenant: TenantConfig, wanted: () => void) => TenantActor;
  runtime: Runtime;
  /** Tenants that may have memory and connections at the same time. */
  activeMax: number;
  /** After this long without a request or an event a tenant retires. */
  idleMs: number;
}

interface Member {
  tenant: TenantConfig;
  actor: TenantActor;
  /** When it last got a place, monotonic. */
  since: number;
}

/**
 * The tenants of one shard, of which a bounded number is active; the others are passive and cost next to nothing. Who
 * is asked for, or has something fall due, gets a place; when there is none, the tenant that has been quiet for the
 * longest gives its own up. At the start each tenant gets a place once: to catch up, and to say when it wants to be
 * woken. **Invariant:** a tenant has at most one actor that runs: the next one of the same name starts when the one
 * before it has closed its stores.
 */
export class Roster {
  readonly #o: RosterOptions;
  readonly #members = new Map<string, Member>();
  /** Who waits for a place, in order. */
  readonly #wanted = new Set<Member>();
  readonly #retiring = new Set<Member>();
  /** Ends of the actors that are being drained, by tenant. */
  readonly #leaving = new Map<string, Promise<void>>();
  #cancelSweep: () => void = () => {};
  #cancelRetry: (() => void) | undefined;
  #draining = false;

  constructor(options: RosterOptions) {
    this.#o = options;
    this.#sweep();
  }

  find(tenantId: string): TenantActor | undefined {
    return this.#members.get(tenantId)?.actor;
  }

  /** Adds the tenant, or changes it; what is as it was goes on undisturbed. */
  put(tenant: TenantConfig): void {
    const before = this.#members.get(tenant.id);
    if (before?.tenant.databaseUrl === tenant.databaseUrl) {
      before.tenant = tenant;
      before.actor.setQuotas(tenant.quotas ?? {});
      return;
    }
    if (before !== undefined) void this.#leave(before, moveMsMax);
    const actor = this.#o.actorOf(tenant, () => this.#want(member));
    const member: Member = { tenant, actor, since: 0 };
    this.#members.set(tenant.id, member);
    actor.enlist();
    this.#want(member);
  }

  async remove(tenantId: string, timeoutMs: number): Promise<void> {
    const member = this.#members.get(tenantId);
    this.#members.delete(tenantId);
    if (member !== undefined) void this.#leave(member, timeoutMs);
    await this.#leaving.get(tenantId);
  }

  conditions(): [string, TenantActor['condition']][] {
    return [...this.#members].map(([tenantId, { actor }]) => [tenantId, actor.condition]);
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    this.#cancelSweep();
    this.#cancelRetry?.();
    const draining = [...this.#members.values()].map((member) => this.#leave(member, timeoutMs));
    await Promise.all([...draining, ...this.#leaving.values()]);
  }

  #leave(member: Member, timeoutMs: number): Promise<void> {
    const { id } = member.tenant;
    this.#wanted.delete(member);
    const left = Promise.all([this.#leaving.get(id), member.actor.drain(timeoutMs)]).then(() => {
      if (this.#leaving.get(id) === left) this.#leaving.delete(id);
      this.#fill();
    });
    this.#leaving.set(id, left);
    return left;
  }

  #want(member: Member): void {
    this.#wanted.add(member);
    this.#fill();
  }

  /** Gives free places to those who wait for one, and sees to it that places become free. */
  #fill(): void {
    if (this.#draining) return;
    let free = this.#o.activeMax - this.#activeCount();
    for (const member of this.#wanted) {
      // Its predecessor's end calls us again.
      if (this.#leaving.has(member.tenant.id)) continue;
      if (free-- <= 0) break;
      this.#wanted.delete(member);
      member.since = this.#o.runtime.monotonic();
      member.actor.start();
    }
    if (free < 0 && this.#wanted.size > 0) this.#makeRoom();
    else if (free < this.#spare) this.#retireQuiet(this.#spare - free);
  }

  /** A place or two are kept free, so that who comes need not wait until another has put its things away. */
  get #spare(): number {
    return Math.min(spareMax, this.#o.activeMax >> 3);
  }

  #retireQuiet(count: number): void {
    const quietBefore = this.#o.runtime.monotonic() - spareQuietMs;
    for (const member of this.#candidates().slice(0, Math.max(0, count - this.#retiring.size))) {
      if (quietSince(member) < quietBefore) void this.#retire(member, false);
    }
  }

  #activeCount(): number {
    const passive = [...this.#members.values()].filter(({ actor }) => actor.mode === 'passive').length;
    return this.#members.size - passive + this.#leaving.size;
  }

  #makeRoom(): void {
    for (const member of this.#candidates().slice(0, Math.max(0, this.#wanted.size - this.#retiring.size))) {
      void this.#retire(member, true);
    }
    this.#cancelRetry ??= this.#o.runtime.timer(retryMs, () => {
      this.#cancelRetry = undefined;
      this.#fill();
    });
  }

  /** Who might give its place up, the quietest first. */
  #candidates(): Member[] {
    const now = this.#o.runtime.monotonic();
    return [...this.#members.values()]
      .filter((member) => isActive(member) && !this.#retiring.has(member) && now - member.since >= tenureMs)
      .map((member) => ({ member, quietSince: quietSince(member) }))
      .sort((a, b) => a.quietSince - b.quietSince)
      .map(({ member }) => member);
  }

  async #retire(member: Member, evenIfWanted: boolean): Promise<void> {
    this.#retiring.add(member);
    const isFree = await member.actor.retire(evenIfWanted);
    this.#retiring.delete(member);
    if (isFree) this.#fill();
  }

  /** Who has been quiet for long retires, unless something falls due soon; who has something fall due is woken. */
  #sweep(): void {
    const { runtime, idleMs } = this.#o;
    const [now, quietBefore] = [runtime.now(), runtime.monotonic() - idleMs];
    for (const member of this.#members.values()) {
      const { actor } = member;
      if (actor.mode === 'passive' && actor.wakeAt <= now + sweepMs) this.#want(member);
      const isQuiet = actor.mode === 'serving' && actor.quietSince <= quietBefore && actor.wakeAt > now + idleMs;
      if (isQuiet && !this.#retiring.has(member)) void this.#retire(member, false);
    }
    this.#fill();
    this.#cancelSweep = runtime.timer(sweepMs, () => this.#sweep());
  }
}

function isActive({ actor }: Member): boolean {
  return actor.mode === 'serving' || (actor.mode === 'recovering' && actor.condition === 'unreachable');
}

/** A tenant whose database is away goes first: nobody is served by its place. */
function quietSince({ actor }: Member): number {
  return actor.mode === 'serving' ? actor.quietSince : Number.NEGATIVE_INFINITY;
}
