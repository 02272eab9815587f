import pg from 'pg';
import {
  type Author,
  DirectoryConflict,
  type DirectoryContent,
  type KeyEntry,
  MasterKeyMissing,
  type NewKey,
  type PutResult,
  type Registration,
  RegistryUnavailable,
  type ServiceName,
  type Tenant,
  type TenantDirectory,
} from '../../../actors/ports/tenant-directory.js';
import { Connection, NotSent, readTimeouts } from '../connection.js';
import { databaseUrlOf } from '../database-url.js';
import { addKey, findKeys, firstClusterKey, revokeKey, touchKeys } from './api-key-table.js';
import { type AuditEntry, recordAudit } from './audit.js';
import { deleteServices, isOwnTenant, readTenants, writeRegistration } from './registration-table.js';
import type { Sealer } from './sealer.js';

/** Change and revision are one transaction: its row lock makes registry changes one after the other, whoever makes them. */
const nextRevision = 'UPDATE iwd_cluster.revision SET number = number + 1';

/** The registry in the schema `iwd_cluster` of one database, which `migrate` has brought up to date. */
export class PostgresTenantDirectory implements TenantDirectory {
  readonly #connection: Connection;
  readonly #sealer: Sealer | undefined;

  /** @param sealer undefined: the server has no master key, and everything that needs one throws `MasterKeyMissing`. */
  constructor(databaseUrl: string, sealer: Sealer | undefined) {
    this.#connection = new Connection(databaseUrl, readTimeouts);
    this.#sealer = sealer;
  }

  async revision(): Promise<number> {
    const { rows } = await this.#query<{ number: number }>('SELECT number FROM iwd_cluster.revision');
    return rows[0]!.number;
  }

  async load(): Promise<DirectoryContent> {
    // The revision comes first: what changes while the rest is read is then read again by the next look.
    const revision = await this.revision();
    return this.#run(async (client) => ({
      revision,
      tenants: await readTenants(client),
      keys: await findKeys(client),
    }));
  }

  async databaseUrl(tenantId: string): Promise<string | undefined> {
    const { rows } = await this.#query<{ config: string; sealed: Buffer | null }>(
      "SELECT config, sealed FROM iwd_cluster.service WHERE tenant_id = $1 AND name = 'iWD'",
      [tenantId],
    );
    const row = rows[0];
    if (!row?.sealed) return undefined;
    const { password } = this.#mustSeal().open({ tenantId, field: 'service/iWD' }, row.sealed);
    return databaseUrlOf({ ...JSON.parse(row.config).db, password: password! });
  }

  tenants(page: { limit: number; afterId?: string }): Promise<Tenant[]> {
    return this.#run((client) => readTenants(client, page));
  }

  put(registration: Registration, author: Author): Promise<PutResult> {
    const { id, shortId, name, quotas } = registration;
    const entry = { type: 'tenantProvisioned', tenantId: id, details: { shortId, name, quotas } };
    return this.#write(registration, entry, author);
  }

  async check(registration: Registration): Promise<void> {
    await this.#write(registration);
  }

  /** Without an entry for the audit log nothing stays of it. */
  #write(registration: Registration, entry?: AuditEntry, author?: Author): Promise<PutResult> {
    const sealer = this.#mustSeal();
    return this.#change(
      async (client) => {
        await checkMasterKey(client, sealer);
        const result = await writeRegistration(client, registration, sealer);
        if (entry) entry.details = { ...entry.details, result };
        return result;
      },
      entry,
      author,
      (result) => entry !== undefined && result !== 'unchanged',
    );
  }

  /** Registers the tenant of the server's own database, whose address is no secret of the registry. */
  async ensureOwnTenant(tenantId: string): Promise<void> {
    await this.#change(async (client) => {
      const { rowCount } = await client.query(
        'INSERT INTO iwd_cluster.tenant (id, short_id, name) VALUES ($1, $1, $1) ON CONFLICT DO NOTHING',
        [tenantId],
      );
      if (rowCount === 0) return false;
      await client.query("INSERT INTO iwd_cluster.service (tenant_id, name, config) VALUES ($1, 'iWD', '{}')", [
        tenantId,
      ]);
      return true;
    });
  }

  remove(tenantId: string, author: Author): Promise<boolean> {
    return this.#change(
      async (client) => {
        await refuseOwn(client, tenantId);
        const { rowCount } = await client.query('DELETE FROM iwd_cluster.tenant WHERE id = $1', [tenantId]);
        return rowCount === 1;
      },
      { type: 'tenantRemoved', tenantId },
      author,
    );
  }

  removeServices(tenantId: string, services: readonly ServiceName[], author: Author): Promise<boolean> {
    return this.#change(
      async (client) => {
        await refuseOwn(client, tenantId);
        return deleteServices(client, tenantId, services);
      },
      { type: 'servicesRemoved', tenantId, details: { services } },
      author,
    );
  }

  keys(tenantId: string | null, limit: number): Promise<KeyEntry[]> {
    return this.#run((client) => findKeys(client, { tenantId, limit }));
  }

  addKey(key: NewKey, author: Author): Promise<KeyEntry> {
    const { tenantId, name, scope, role, expiresAt } = key;
    const details = { name, scope, role, expiresAt };
    return this.#change(
      (client) => addKey(client, key, author.name),
      { type: 'keyMade', tenantId: tenantId ?? undefined, details },
      author,
    );
  }

  revokeKey(tenantId: string | null, keyId: string, author: Author): Promise<boolean> {
    return this.#change(
      (client) => revokeKey(client, tenantId, keyId),
      { type: 'keyRevoked', tenantId: tenantId ?? undefined, details: { id: keyId } },
      author,
    );
  }

  /** Stores the first key of the cluster; false when it has one, which another server may have made just now. */
  addFirstClusterKey(digest: Buffer): Promise<boolean> {
    return this.#change((client) => firstClusterKey(client, digest), { type: 'keyMade', details: { name: 'first' } });
  }

  async touchKeys(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#run((client) => touchKeys(client, uses));
  }

  /** Ids of the master keys that the registry's secrets are sealed with. */
  async masterKeyIds(): Promise<string[]> {
    const { rows } = await this.#query<{ id: string }>(`
      SELECT DISTINCT encode(substring(sealed FROM 2 FOR 8), 'hex') AS id FROM (
        SELECT sealed FROM iwd_cluster.tenant UNION ALL SELECT sealed FROM iwd_cluster.service) AS secrets
       WHERE sealed IS NOT NULL`);
    return rows.map(({ id }) => id);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<pg.QueryResult<Row>> {
    return this.#run((client) => client.query<Row>(text, values));
  }

  /** What is not an answer of Postgres is its absence. */
  async #run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      return await this.#connection.run(work);
    } catch (error) {
      if (!isAbsence(error)) throw error;
      throw new RegistryUnavailable('the database of the registry does not answer', { cause: error });
    }
  }

  #mustSeal(): Sealer {
    if (this.#sealer !== undefined) return this.#sealer;
    throw new MasterKeyMissing('this server has no master key: set IWD_MASTER_KEY or IWD_MASTER_KEY_FILE');
  }

  /** One transaction with its line in the audit log; `changed` says whether it is worth keeping. */
  #change<T>(
    work: (client: pg.Client) => Promise<T>,
    entry?: AuditEntry,
    author?: Author,
    changed: (result: T) => boolean = Boolean,
  ): Promise<T> {
    return this.#run(async (client) => {
      await client.query('BEGIN');
      try {
        await client.query(nextRevision);
        const result = await work(client);
        const keep = changed(result);
        if (keep && entry) await recordAudit(client, { ...entry, by: author?.name, from: author?.from });
        await client.query(keep ? 'COMMIT' : 'ROLLBACK');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {});
        throw error;
      }
    });
  }
}

/** Broken connections, time-outs, a server that starts or stops: classes 08 and 57, and what never reached it. */
function isAbsence(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return /^(08|53|57)/.test(error.code ?? '');
  return error instanceof NotSent || (error instanceof Error && isConnectionLoss(error));
}

function isConnectionLoss(error: Error & { code?: string }): boolean {
  return /^E[A-Z]+$/.test(error.code ?? '') || /^(Connection terminated|Query read timeout)/.test(error.message);
}

async function refuseOwn(client: pg.ClientBase, tenantId: string): Promise<void> {
  if (await isOwnTenant(client, tenantId)) {
    throw new DirectoryConflict('', `${tenantId} is the tenant of the server's own database and stays`);
  }
}

/** After a rotation, a server that was not restarted would go on sealing with the key that is about to be thrown away. */
async function checkMasterKey(client: pg.ClientBase, sealer: Sealer): Promise<void> {
  const { rows } = await client.query<{ current: string | null }>(
    'SELECT master_key AS current FROM iwd_cluster.revision',
  );
  const { current } = rows[0]!;
  if (current === null || sealer.opens(current)) return;
  throw new MasterKeyMissing(`the registry is sealed with master key ${current}, this server has ${sealer.keyId}`);
}
