#!/usr/bin/env node
import { Command } from 'commander';
import { auditCommand } from './iwd/audit.js';
import { exportCommand } from './iwd/export.js';
import { importCommand } from './iwd/import.js';
import { migrateCommand } from './iwd/migrate.js';
import { secretsCommand } from './iwd/secrets.js';
import { settingsCommand } from './iwd/settings.js';
import { tenantCommand } from './iwd/tenant.js';

/** The command line of operators. Each noun or verb is a file of bin/iwd/ that exports its command. */
const program = new Command('iwd')
  .description('Operates the IWD engine. Settings are the server’s environment variables (docs/operations.md).')
  .showHelpAfterError('(iwd --help says more)')
  .addCommand(auditCommand())
  .addCommand(exportCommand())
  .addCommand(importCommand())
  .addCommand(migrateCommand())
  .addCommand(secretsCommand())
  .addCommand(settingsCommand())
  .addCommand(tenantCommand());

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
