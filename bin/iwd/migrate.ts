import { Command } from 'commander';
import { clusterMigrations, migrate } from '../../stores/postgres/migrations.js';
import { serverSettings, withServerDatabase } from './server-database.js';

/** `iwd migrate`: brings the registry and every tenant's database to this release's schema. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('brings the registry and all tenants’ databases to the newest schema, one after another')
    .action(() => withServerDatabase(serverSettings(), migrateAll));
}

async function migrateAll(databaseUrl: string): Promise<void> {
  await migrate(databaseUrl, (step) => console.log(`registry: ${step}`), clusterMigrations);
  await migrate(databaseUrl, (step) => console.log(`own database: ${step}`));
  console.log('all is at the newest schema');
}
