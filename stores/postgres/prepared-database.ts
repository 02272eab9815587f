import pg from 'pg';
import type { DatabaseAddress, PreparedDatabase } from '../../actors/ports/tenant-directory.js';
import { DatabaseUnusable } from '../../actors/ports/tenant-directory.js';
import { clientConfig, connect, readTimeouts } from './connection.js';
import { databaseUrlOf, withDatabase } from './database-url.js';
import { migrate } from './migrations.js';

const noDatabase = '3D000';
/** The second is what the slower of two gets that create it at the same moment. */
const databaseExists = new Set<string | undefined>(['42P04', '23505']);
const notAllowed = '42501';
/** Where a user who may connect to nothing else can ask for a database. */
const maintenanceDatabase = 'postgres';

const claim = `
  INSERT INTO iwd.tenant_lease (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING`;
const owner = 'SELECT tenant_id FROM iwd.tenant_lease';

/**
 * Makes a database ready for a tenant: created when it is not there and the user may, migrated, claimed. Safe to repeat,
 * and safe when two servers do it at once. Throws `DatabaseUnusable` with the reason, in which the password never stands.
 * @param msMax bounds the whole; what a slow server still does then is done by nobody's order.
 */
export async function prepareDatabase(
  tenantId: string,
  address: DatabaseAddress & { password: string },
  msMax: number,
): Promise<PreparedDatabase> {
  const databaseUrl = databaseUrlOf(address);
  const where = `${address.host}:${address.port}/${address.database}`;
  try {
    const created = await createMissing(databaseUrl, address.database);
    const undo = () => (created ? dropDatabase(databaseUrl, address.database) : Promise.resolve());
    try {
      await migrate(databaseUrl, undefined, undefined, msMax);
      await claimFor(tenantId, databaseUrl);
    } catch (error) {
      await undo().catch(() => {});
      throw error;
    }
    return { created, undo };
  } catch (error) {
    throw new DatabaseUnusable(where, reasonOf(error as Error, address.password), error instanceof BelongsToAnother);
  }
}

/** True when it was not there. */
async function createMissing(databaseUrl: string, database: string): Promise<boolean> {
  try {
    const client = await connect(databaseUrl, readTimeouts);
    await client.end();
    return false;
  } catch (error) {
    if ((error as pg.DatabaseError).code !== noDatabase) throw error;
  }
  return onMaintenance(databaseUrl, async (client) => {
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)} ENCODING 'UTF8' TEMPLATE template0`);
      return true;
    } catch (error) {
      const { code } = error as pg.DatabaseError;
      if (databaseExists.has(code)) return false;
      if (code !== notAllowed) throw error;
      throw new Error('the database does not exist and the user may not create it', { cause: error });
    }
  });
}

/** Only while nobody is connected: whoever uses it meanwhile keeps it. */
async function dropDatabase(databaseUrl: string, database: string): Promise<void> {
  await onMaintenance(databaseUrl, (client) =>
    client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)}`),
  );
}

async function onMaintenance<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(withDatabase(databaseUrl, maintenanceDatabase), createTimeouts));
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** CREATE DATABASE copies files and waits for a checkpoint. */
const createTimeouts = { statementTimeoutMs: 0, queryTimeoutMs: 15_000, lockTimeoutMs: 0 };

class BelongsToAnother extends Error {}

async function claimFor(tenantId: string, databaseUrl: string): Promise<void> {
  const client = await connect(databaseUrl, readTimeouts);
  try {
    await client.query(claim, [tenantId]);
    const { rows } = await client.query<{ tenant_id: string }>(owner);
    const other = rows.find((row) => row.tenant_id !== tenantId);
    if (other)
      throw new BelongsToAnother(`the database belongs to tenant ${other.tenant_id}: one database, one tenant`);
  } finally {
    await client.end().catch(() => {});
  }
}

/** No driver puts the password into its messages; should one ever, it does not leave here. */
function reasonOf(error: Error, password: string): string {
  const text = error instanceof AggregateError ? error.errors.map(({ message }) => message).join('; ') : error.message;
  const reason = text || (error as NodeJS.ErrnoException).code || 'no reason given';
  return password.length < 4 ? reason : reason.replaceAll(password, '***');
}
