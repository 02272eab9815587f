import type {
  Author,
  DirectoryContent,
  KeyEntry,
  NewKey,
  PreparedDatabase,
  PutResult,
  Registration,
  Registry,
  ServiceName,
  Tenant,
  TenantDirectory,
} from '../actors/ports/tenant-directory.js';
import { RegistryBusy } from '../actors/ports/tenant-directory.js';
import type { TenantConfig } from '../actors/ports.js';

/** Changes that may wait for each other in this process; each may take seconds, and operators make few. */
const changesMax = 16;

/** Runs the tenants: the actors' client. */
export interface TenantHost {
  /** Also for a tenant that is there already. */
  addTenant(tenant: TenantConfig): void;
  removeTenant(id: string): Promise<unknown>;
}

export interface LiveRegistryOptions {
  directory: TenantDirectory;
  host: TenantHost;
  /** URL of the server's own database, for the tenant that has no other. */
  ownDatabaseUrl: string;
  prepare: (registration: Registration) => Promise<PreparedDatabase>;
  /** Gets all usable keys whenever they may have changed. */
  onKeys: (keys: DirectoryContent['keys']) => void;
  /** The last uses of keys since it was asked before. */
  takeUses: () => ReadonlyMap<string, number>;
  log: (level: 'info' | 'error', message: string, fields: { tenantId?: string; error?: unknown }) => void;
}

/**
 * The registry as this process lives it: reads it at the start, again when another process has changed it (one number
 * tells), and at once after an own change; keeps the actors' client and the ring of keys in step with it. A registry
 * that cannot be reached changes nothing: tenants and keys stay what they were.
 */
export class LiveRegistry implements Registry {
  readonly #o: LiveRegistryOptions;
  #revision = -1;
  /** What the host was last told of each tenant, by id. */
  readonly #served = new Map<string, string>();
  /** Tenants whose secrets cannot be opened, so that it is said once. */
  readonly #broken = new Set<string>();
  /** The end of the reading that runs, or waits for the one that runs. */
  #reading: Promise<void> = Promise.resolve();
  #waitingReads = 0;
  readonly #changing = new Map<string, Promise<unknown>>();
  #changes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LiveRegistryOptions) {
    this.#o = options;
  }

  /** Resolves when everything that the registry says now is in force. */
  async start(pollMs: number): Promise<void> {
    await this.refresh();
    const poll = async () => {
      await Promise.all([this.refresh(), this.#writeUses()]).catch((error) =>
        this.#o.log('error', 'the registry cannot be read; tenants and keys stay what they were', { error }),
      );
      if (this.#timer) this.#timer = setTimeout(poll, pollMs).unref();
    };
    this.#timer = setTimeout(poll, pollMs).unref();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#reading.catch(() => {});
    await this.#writeUses().catch((error) => this.#o.log('error', 'the last uses of keys were not written', { error }));
  }

  /** Reads the registry if it has changed. Who asks while a reading runs gets the one after it, shared by all of them. */
  refresh(): Promise<void> {
    if (this.#waitingReads > 0) return this.#reading;
    this.#waitingReads++;
    this.#reading = this.#reading
      .catch(() => {})
      .then(() => {
        this.#waitingReads--;
        return this.#read();
      });
    return this.#reading;
  }

  tenants(page: { limit: number; afterId?: string }): Promise<readonly Tenant[]> {
    return this.#o.directory.tenants(page);
  }

  put(registration: Registration, author: Author): Promise<PutResult> {
    return this.#alone(registration.id, async () => {
      const { directory } = this.#o;
      await directory.check(registration);
      const prepared = await this.#o.prepare(registration);
      try {
        return await directory.put(registration, author);
      } catch (error) {
        await this.#undo(prepared, registration.id);
        throw error;
      }
    });
  }

  remove(tenantId: string, author: Author): Promise<boolean> {
    return this.#alone(tenantId, () => this.#o.directory.remove(tenantId, author));
  }

  removeServices(tenantId: string, services: readonly ServiceName[], author: Author): Promise<boolean> {
    return this.#alone(tenantId, () => this.#o.directory.removeServices(tenantId, services, author));
  }

  keys(tenantId: string | null, limit: number): Promise<KeyEntry[]> {
    return this.#o.directory.keys(tenantId, limit);
  }

  addKey(key: NewKey, author: Author): Promise<KeyEntry> {
    return this.#alone(key.tenantId ?? '', () => this.#o.directory.addKey(key, author));
  }

  revokeKey(tenantId: string | null, keyId: string, author: Author): Promise<boolean> {
    return this.#alone(tenantId ?? '', () => this.#o.directory.revokeKey(tenantId, keyId, author));
  }

  /** One change of a tenant after the other; in force here before its answer. Throws `RegistryBusy`. */
  async #alone<T>(tenantId: string, change: () => Promise<T>): Promise<T> {
    if (this.#changes >= changesMax) throw new RegistryBusy('too many changes of the registry wait; try again');
    this.#changes++;
    const before = this.#changing.get(tenantId) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(change);
    this.#changing.set(tenantId, turn);
    try {
      const result = await turn;
      await this.refresh();
      return result;
    } finally {
      this.#changes--;
      if (this.#changing.get(tenantId) === turn) this.#changing.delete(tenantId);
    }
  }

  /** Only while the registry says that nobody else has provisioned the tenant meanwhile: it would be their database. */
  async #undo(prepared: PreparedDatabase, tenantId: string): Promise<void> {
    try {
      const { tenants } = await this.#o.directory.load();
      if (!tenants.some(({ id }) => id === tenantId)) await prepared.undo();
    } catch (error) {
      this.#o.log('error', 'a created database was not taken back', { tenantId, error });
    }
  }

  async #read(): Promise<void> {
    if ((await this.#o.directory.revision()) === this.#revision) return;
    const content = await this.#o.directory.load();
    const served = content.tenants.filter(({ services }) => services.iWD !== undefined);
    const complete = await this.#serve(served);
    // Keys come after their tenants and go before them.
    this.#o.onKeys(content.keys);
    await this.#leave(new Set(served.map(({ id }) => id)));
    // What failed is tried again by the next look.
    this.#revision = complete ? content.revision : -1;
  }

  async #serve(tenants: readonly Tenant[]): Promise<boolean> {
    let complete = true;
    for (const tenant of tenants) {
      const mark = JSON.stringify([tenant.updatedAt, tenant.services.iWD, tenant.quotas]);
      if (this.#served.get(tenant.id) === mark) continue;
      const databaseUrl = await this.#databaseUrl(tenant.id);
      if (databaseUrl === undefined) complete = false;
      else {
        this.#o.host.addTenant({ id: tenant.id, databaseUrl, quotas: tenant.quotas });
        this.#served.set(tenant.id, mark);
      }
    }
    return complete;
  }

  async #leave(served: ReadonlySet<string>): Promise<void> {
    const gone = [...this.#served.keys()].filter((id) => !served.has(id));
    for (const id of gone) this.#served.delete(id);
    await Promise.all(gone.map((id) => this.#o.host.removeTenant(id)));
  }

  async #databaseUrl(tenantId: string): Promise<string | undefined> {
    try {
      const url = await this.#o.directory.databaseUrl(tenantId);
      this.#broken.delete(tenantId);
      return url ?? this.#o.ownDatabaseUrl;
    } catch (error) {
      if (!this.#broken.has(tenantId)) {
        this.#broken.add(tenantId);
        this.#o.log('error', 'the tenant is not served: where its database is cannot be read', { tenantId, error });
      }
      return undefined;
    }
  }

  async #writeUses(): Promise<void> {
    const uses = this.#o.takeUses();
    if (uses.size > 0) await this.#o.directory.touchKeys(uses);
  }
}
