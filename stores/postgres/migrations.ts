import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from './connection.js';

/** One schema and the numbered files that make it. */
export interface MigrationSet {
  schema: 'iwd' | 'iwd_cluster';
  folder: URL;
  /** Any number, the same in every release: two servers that start at once migrate one after the other. */
  advisoryLock: number;
}

/** A tenant's database: journal, lease and the tables that follow. */
export const tenantMigrations: MigrationSet = {
  schema: 'iwd',
  folder: new URL('./migrations/', import.meta.url),
  advisoryLock: 4024_0001,
};

/** The cluster's registry: tenants, services, keys, people. */
export const clusterMigrations: MigrationSet = {
  schema: 'iwd_cluster',
  folder: new URL('./cluster-migrations/', import.meta.url),
  advisoryLock: 4024_0002,
};

const namePattern = /^(\d{4})_[a-z0-9_]+\.sql$/;

interface Migration {
  number: number;
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Brings the database to the newest schema, each migration in a transaction of its own; does nothing when it is there
 * already. `msMax` bounds each statement, the wait for another server's migration among them; 0 does not. Throws when an applied migration has changed since, or when the database is newer than this release.
 */
export async function migrate(
  databaseUrl: string,
  onProgress: (step: string) => void = () => {},
  { schema, folder, advisoryLock }: MigrationSet = tenantMigrations,
  msMax = 0,
): Promise<void> {
  const migrations = await readMigrations(folder);
  const client = await connect(databaseUrl, { statementTimeoutMs: msMax, queryTimeoutMs: msMax, lockTimeoutMs: 0 });
  try {
    await client.query('SELECT pg_advisory_lock($1)', [advisoryLock]);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${schema}.migration (
         number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, at timestamptz NOT NULL DEFAULT now())`,
    );
    const applied = await client.query(`SELECT number, name, checksum FROM ${schema}.migration ORDER BY number`);
    checkApplied(migrations, applied.rows as Migration[]);
    for (const migration of migrations.slice(applied.rows.length)) {
      onProgress(migration.name);
      await client.query('BEGIN');
      await client.query(migration.sql);
      await client.query(`INSERT INTO ${schema}.migration (number, name, checksum) VALUES ($1, $2, $3)`, [
        migration.number,
        migration.name,
        migration.checksum,
      ]);
      await client.query('COMMIT');
    }
  } finally {
    // Ends the session, and with it the lock and a transaction that failed half-way.
    await client.end();
  }
}

async function readMigrations(folder: URL): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => namePattern.test(name)).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(name.slice(0, 4));
      if (number !== index + 1) throw new Error(`migration ${name} leaves a gap: number ${index + 1} was expected`);
      const sql = await readFile(new URL(name, folder), 'utf8');
      return { number, name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

function checkApplied(known: readonly Migration[], applied: readonly Migration[]): void {
  for (const [index, row] of applied.entries()) {
    const migration = known[index];
    if (!migration) {
      throw new Error(
        `the database is newer than this release: it has migration ${row.name}, this release ends at ` +
          `${known.at(-1)?.name}; start the newer release`,
      );
    }
    if (migration.number !== row.number || migration.checksum !== row.checksum) {
      throw new Error(`migration ${migration.name} is not the one that was applied to this database (${row.name})`);
    }
  }
}
