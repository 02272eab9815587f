import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { ApiClient } from '../intake/api-client.js';
import { findTarget } from '../intake/target.js';
import { FileFault, readDocument, testSettings } from './settings-test.js';

interface Place {
  url?: string;
  apiKey?: string;
}

/** `iwd settings export|import|test`. */
export function settingsCommand(): Command {
  const command = new Command('settings').description('a tenant’s settings as one file, and tests of such a file');
  const placed = (name: string) =>
    command
      .command(name)
      .option('--url <url>', 'default: IWD_URL, or http://127.0.0.1:4024')
      .option('--api-key <key>', 'the tenant’s key; default: IWD_API_KEY, or the demo tenant’s');
  placed('export [file]')
    .description('writes all settings to the file, or to standard output: YAML, or JSON when the file ends in .json')
    .option('--json', 'JSON on standard output')
    .action(exportSettings);
  placed('import <file>')
    .description('publishes all kinds of settings that the file (YAML or JSON) holds, together or not at all')
    .option('--dry-run', 'says what would be published')
    .action(importSettings);
  command
    .command('test <files...>')
    .description('checks "given this item, expect this category and this priority at this time", without a server')
    .option('--settings <file>', 'the settings to test; default: the file that the case file names')
    .addHelpText('after', '\nExit code: 0 all cases are as expected, 1 some are not, 2 a file cannot be read.')
    .action(testFiles);
  return command;
}

function clientOf({ url, apiKey }: Place): ApiClient {
  return new ApiClient(findTarget({ url, 'api-key': apiKey }, process.env));
}

async function exportSettings(path: string | undefined, options: Place & { json?: true }): Promise<void> {
  const file = await clientOf(options).request('GET', '/settings/export');
  const isJson = options.json === true || path?.endsWith('.json') === true;
  const text = isJson
    ? `${JSON.stringify(file, null, 2)}\n`
    : stringify(file, { lineWidth: 0, aliasDuplicateObjects: false });
  if (path === undefined) process.stdout.write(text);
  else writeFileSync(path, text);
}

interface Imported {
  published: { kind: string; id?: string; version: number }[];
  warnings?: string[];
}

async function importSettings(path: string, options: Place & { dryRun?: true }): Promise<void> {
  const query = options.dryRun === true ? '?dryRun=true' : '';
  const answer = (await clientOf(options).request('PUT', `/settings/import${query}`, readDocument(path))) as Imported;
  const verb = options.dryRun === true ? 'would become' : 'is now';
  for (const { kind, id, version } of answer.published) {
    console.log(`${id === undefined ? kind : `${kind} ${id}`} ${verb} version ${version}`);
  }
  if (answer.published.length === 0) console.log('nothing differs from what is in force');
  for (const warning of answer.warnings ?? []) console.log(`warning: ${warning}`);
}

function testFiles(paths: string[], { settings }: { settings?: string }): void {
  try {
    const failed = paths.map((path) => testSettings(path, settings, (line) => console.log(line)));
    process.exitCode = failed.some((count) => count > 0) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
