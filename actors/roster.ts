import type { TenantConfig } from './ports.js';
import type { Mode, TenantActor } from './tenant-actor.js';

/** The actor of a tenant whose database changes gets this long to finish on the old one. */
const moveMsMax = 5000;

interface Member {
  tenant: TenantConfig;
  actor: TenantActor;
}

/**
 * The tenants of one shard. **Invariant:** a tenant has at most one actor that runs: the next one on the same name
 * starts when the one before it has closed its stores.
 */
export class Roster {
  readonly #actorOf: (tenant: TenantConfig) => TenantActor;
  readonly #members = new Map<string, Member>();
  /** Ends of the actors that are being drained, by tenant. */
  readonly #leaving = new Map<string, Promise<void>>();
  #draining = false;

  constructor(actorOf: (tenant: TenantConfig) => TenantActor) {
    this.#actorOf = actorOf;
  }

  find(tenantId: string): TenantActor | undefined {
    return this.#members.get(tenantId)?.actor;
  }

  /** Adds the tenant, or changes it; what is as it was goes on undisturbed. */
  put(tenant: TenantConfig): void {
    const member = this.#members.get(tenant.id);
    if (member?.tenant.databaseUrl === tenant.databaseUrl) {
      member.tenant = tenant;
      return;
    }
    if (member !== undefined) void this.#leave(member, moveMsMax);
    const actor = this.#actorOf(tenant);
    this.#members.set(tenant.id, { tenant, actor });
    void this.#start(tenant.id, actor);
  }

  async remove(tenantId: string, timeoutMs: number): Promise<void> {
    const member = this.#members.get(tenantId);
    this.#members.delete(tenantId);
    if (member !== undefined) void this.#leave(member, timeoutMs);
    await this.#leaving.get(tenantId);
  }

  modes(): [string, Mode][] {
    return [...this.#members].map(([tenantId, { actor }]) => [tenantId, actor.mode]);
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const draining = [...this.#members.values()].map((member) => this.#leave(member, timeoutMs));
    await Promise.all([...draining, ...this.#leaving.values()]);
  }

  async #start(tenantId: string, actor: TenantActor): Promise<void> {
    await this.#leaving.get(tenantId);
    if (this.find(tenantId) === actor && !this.#draining) actor.start();
  }

  #leave({ tenant, actor }: Member, timeoutMs: number): Promise<void> {
    const before = this.#leaving.get(tenant.id);
    const left = Promise.all([before, actor.drain(timeoutMs)]).then(() => {
      if (this.#leaving.get(tenant.id) === left) this.#leaving.delete(tenant.id);
    });
    this.#leaving.set(tenant.id, left);
    return left;
  }
}
