import type { TenantQuotas } from '../ports.js';

/**
 * The registry of tenants as the rest of the engine sees it. Secrets go in and do not come out again, but for the one
 * thing that a shard cannot do without: where its tenant's database is, with the password.
 */

export type ServiceName = 'GAPI' | 'iWD' | 'iWDEmail';
export const serviceNames: readonly ServiceName[] = ['GAPI', 'iWD', 'iWDEmail'];

/** What a key may be used for: provisioning, the requests of one tenant, or only reading one tenant's reports. */
export type KeyScope = 'cluster' | 'tenant' | 'datamart';

/** Where a tenant's database is, as the provisioning body says it. */
export interface DatabaseAddress {
  /** A name, an address, or the folder of a Unix socket. */
  host: string;
  port: number;
  database: string;
  user: string;
  ssl: boolean;
}

/** Everything that the provisioning body says of one tenant. */
export interface Registration {
  /** The contact centre id; the tenant's name inside the engine. */
  id: string;
  shortId: string;
  name: string;
  /** Issued by Digital Channels, for calls to it. */
  apiKey: string;
  /** Left out: they stay what they are. */
  quotas?: TenantQuotas;
  gws?: { config: Record<string, string>; secrets: Record<string, string> };
  iwd: { url: string; db: DatabaseAddress; password: string };
  iwdEmail: { url: string };
  /** The values themselves are keys of the tenant's callers. */
  keys: { IWD_APIKEY_TENANT: string; IWD_APIKEY_IWDDM?: string };
}

/** A tenant without its secrets. */
export interface Tenant {
  id: string;
  shortId: string;
  name: string;
  quotas: TenantQuotas;
  /** What everybody who may list tenants may read of each service. */
  services: Partial<Record<ServiceName, Record<string, unknown>>>;
  createdAt: number;
  updatedAt: number;
}

/** A key without itself. */
export interface KeyEntry {
  id: string;
  /** Null: a key of the cluster. */
  tenantId: string | null;
  name: string;
  scope: KeyScope;
  /** Narrows what the key may do; null: everything of its scope. */
  role: string | null;
  /** Given by the provisioning body. */
  provisioned: boolean;
  createdBy: string | null;
  createdAt: number;
  expiresAt: number | null;
  lastUsedAt: number | null;
  revokedAt: number | null;
}

export interface NewKey {
  tenantId: string | null;
  name: string;
  scope: KeyScope;
  role: string | null;
  digest: Buffer;
  expiresAt: number | null;
}

/** All that a server holds of the registry in memory. */
export interface DirectoryContent {
  /** Grows with every change of tenants and keys. */
  revision: number;
  tenants: Tenant[];
  /** Those that are neither revoked nor expired, of tenants that have the iWD service, with their SHA-256 digests. */
  keys: (KeyEntry & { digest: Buffer })[];
}

/** A change that the registry refuses: the words are for the caller, `pointer` names what of the body it is about. */
export class DirectoryConflict extends Error {
  override name = 'DirectoryConflict';
  readonly pointer: string;
  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

/** Who changes the registry and from where: what the audit log keeps. */
export interface Author {
  name: string;
  /** Address of the client; absent where nobody called. */
  from?: string;
}

export type PutResult = 'created' | 'updated' | 'unchanged';

/** What the front may ask of the registry; each change is in force in this process when it resolves. */
export interface Registry {
  /** By id; `afterId` is where the page before ended. */
  tenants(page: { limit: number; afterId?: string }): Promise<readonly Tenant[]>;
  /** All of it or nothing. Throws `DirectoryConflict`, `DatabaseUnusable`, `MasterKeyMissing`. */
  put(registration: Registration, author: Author): Promise<PutResult>;
  /** False when there is no such tenant. Its database stays. Throws `DirectoryConflict`. */
  remove(tenantId: string, author: Author): Promise<boolean>;
  removeServices(tenantId: string, services: readonly ServiceName[], author: Author): Promise<boolean>;
  /** Newest first, at most `limit`. `tenantId` null: the cluster's own. */
  keys(tenantId: string | null, limit: number): Promise<KeyEntry[]>;
  /** Throws `DirectoryConflict` when there is one of this name, or there are too many. */
  addKey(key: NewKey, author: Author): Promise<KeyEntry>;
  /** False when the tenant has no such key. */
  revokeKey(tenantId: string | null, keyId: string, author: Author): Promise<boolean>;
}

/** The registry's own store. Beside what the front asks: what a server needs to serve the tenants. */
export interface TenantDirectory extends Registry {
  revision(): Promise<number>;
  load(): Promise<DirectoryContent>;
  /** Throws what `put` would throw for reasons that are in the registry; changes nothing. */
  check(registration: Registration): Promise<void>;
  /** URL of the tenant's database with the password; undefined when the server's own database is its. */
  databaseUrl(tenantId: string): Promise<string | undefined>;
  /** Last uses, by key id, in milliseconds; older ones than what is stored change nothing. */
  touchKeys(uses: ReadonlyMap<string, number>): Promise<void>;
}

/** A change needs a master key and this server has none, or an older one than the registry. */
export class MasterKeyMissing extends Error {
  override name = 'MasterKeyMissing';
}

/** A tenant's database cannot be used; the words are for the caller and hold no password. */
export class DatabaseUnusable extends Error {
  override name = 'DatabaseUnusable';
  /** True when it is another tenant's. */
  readonly taken: boolean;
  constructor(where: string, reason: string, taken: boolean) {
    super(`The tenant's database ${where} cannot be used: ${reason}.`);
    this.taken = taken;
  }
}

export interface PreparedDatabase {
  /** It was not there before. */
  created: boolean;
  /** Takes back what was created, for a provisioning that fails after this. */
  undo(): Promise<unknown>;
}

/** The registry's database does not answer; whether a change took effect is unknown, and repeating it is safe. */
export class RegistryUnavailable extends Error {
  override name = 'RegistryUnavailable';
}

/** Too many changes at once in this process; nothing was done. */
export class RegistryBusy extends Error {
  override name = 'RegistryBusy';
}
