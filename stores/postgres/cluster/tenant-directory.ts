import type pg from 'pg';
import type {
  DirectoryContent,
  KeyEntry,
  NewKey,
  Registration,
  ServiceName,
  TenantDirectory,
} from '../../../actors/ports/tenant-directory.js';
import { Connection, readTimeouts } from '../connection.js';
import { databaseUrlOf } from '../database-url.js';
import { addKey, findKeys, firstClusterKey, revokeKey, touchKeys } from './api-key-table.js';
import { deleteServices, readTenants, writeRegistration } from './registration-table.js';
import type { Sealer } from './sealer.js';

/** A change needs a master key and this server has none, or an older one than the registry. */
export class MasterKeyMissing extends Error {
  override name = 'MasterKeyMissing';
}

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
    return this.#connection.run(async (client) => ({
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

  put(registration: Registration): Promise<'created' | 'updated' | 'unchanged'> {
    const sealer = this.#mustSeal();
    return this.#change(
      async (client) => {
        await checkMasterKey(client, sealer);
        return writeRegistration(client, registration, sealer);
      },
      (result) => result !== 'unchanged',
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

  remove(tenantId: string): Promise<boolean> {
    return this.#change(async (client) => {
      const { rowCount } = await client.query('DELETE FROM iwd_cluster.tenant WHERE id = $1', [tenantId]);
      return rowCount === 1;
    });
  }

  removeServices(tenantId: string, services: readonly ServiceName[]): Promise<boolean> {
    return this.#change((client) => deleteServices(client, tenantId, services));
  }

  async keys(tenantId: string | null, limit: number): Promise<KeyEntry[]> {
    return this.#connection.run((client) => findKeys(client, { tenantId, limit }));
  }

  addKey(key: NewKey): Promise<KeyEntry> {
    return this.#change((client) => addKey(client, key));
  }

  revokeKey(tenantId: string | null, keyId: string): Promise<boolean> {
    return this.#change((client) => revokeKey(client, tenantId, keyId));
  }

  /** Stores the first key of the cluster; false when it has one, which another server may have made just now. */
  addFirstClusterKey(digest: Buffer): Promise<boolean> {
    return this.#change((client) => firstClusterKey(client, digest));
  }

  async touchKeys(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#connection.run((client) => touchKeys(client, uses));
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
    return this.#connection.run((client) => client.query<Row>(text, values));
  }

  #mustSeal(): Sealer {
    if (this.#sealer !== undefined) return this.#sealer;
    throw new MasterKeyMissing('this server has no master key: set IWD_MASTER_KEY or IWD_MASTER_KEY_FILE');
  }

  /** One transaction; `changed` says whether it is worth keeping. */
  #change<T>(work: (client: pg.Client) => Promise<T>, changed: (result: T) => boolean = Boolean): Promise<T> {
    return this.#connection.run(async (client) => {
      await client.query('BEGIN');
      try {
        await client.query(nextRevision);
        const result = await work(client);
        await client.query(changed(result) ? 'COMMIT' : 'ROLLBACK');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {});
        throw error;
      }
    });
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
