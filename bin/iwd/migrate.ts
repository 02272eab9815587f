import { Command } from 'commander';
import { clusterMigrations, migrate } from '../../stores/postgres/migrations.js';
import type { Settings } from '../settings.js';
import { serverSettings, withServerDatabase } from './server-database.js';
import { tenantDatabases } from './tenant-databases.js';

/** `iwd migrate`: brings the registry and every tenant's database to this release's schema. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('brings the registry and all tenants’ databases to the newest schema, one after another')
    .action(() => {
      const settings = serverSettings();
      return withServerDatabase(settings, (databaseUrl) => migrateAll(settings, databaseUrl));
    });
}

/** A database that fails does not keep the others back; the end tells of it. */
async function migrateAll(settings: Settings, registryUrl: string): Promise<void> {
  await migrate(registryUrl, (step) => console.log(`registry: ${step}`), clusterMigrations);
  const databases = await tenantDatabases(settings, registryUrl);
  let failed = 0;
  for (const [index, { tenantId, databaseUrl }] of databases.entries()) {
    const place = `${index + 1} of ${databases.length}: ${tenantId}`;
    try {
      let steps = 0;
      await migrate(databaseUrl, (step) => {
        steps++;
        console.log(`${place}: ${step}`);
      });
      if (steps === 0) console.log(`${place}: nothing to do`);
    } catch (error) {
      failed++;
      console.error(`${place}: failed: ${(error as Error).message}`);
    }
  }
  if (failed > 0) throw new Error(`${failed} of ${databases.length} databases were not migrated; run this again`);
  console.log('all is at the newest schema');
}
