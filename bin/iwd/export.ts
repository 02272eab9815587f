import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { ProgressBar } from '../intake/progress.js';
import { findTarget } from '../intake/target.js';
import { downloadExport } from './export-download.js';
import { type ExportAsk, ExportFile } from './export-file.js';

interface Options {
  url?: string;
  apiKey?: string;
  format?: string;
  filter?: string;
  saved?: string;
  columns?: string;
  restart?: true;
}

/** `iwd export FILE`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('writes work items to a CSV or NDJSON file, oldest first; goes on where it was interrupted')
    .argument('<file>', 'what is written; beside it, while it is not complete, <file>.resume')
    .option('--format <csv|ndjson>', 'default: by the file’s ending, else csv')
    .option('--filter <json|@file>', 'only what this filter matches (docs/filters.md)')
    .option('--saved <id>', 'only what this saved filter matches')
    .option('--columns <names>', 'fields, comma-separated; seq comes first in any case. Default: every field')
    .option('--restart', 'begin anew, whatever is there')
    .option('--url <url>', 'default: IWD_URL, or http://127.0.0.1:4024')
    .option('--api-key <key>', 'the tenant’s key; default: IWD_API_KEY, or the demo tenant’s')
    .action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const target = findTarget({ url: options.url, 'api-key': options.apiKey }, process.env);
  const ask = askOf(path, options);
  const file = new ExportFile(path, { base: target.base, ...ask }, options.restart === true);
  const bar = new ProgressBar();
  const note = () => `${file.rows} items${file.total === undefined ? '' : ` of ${file.total}`}`;
  if (file.rows > 0) console.error(`going on after ${file.rows} items`);
  await downloadExport(target, ask, file, (waiting) => {
    const share = file.total ? file.rows / file.total : 0;
    bar.show(share, waiting === undefined ? note() : `${note()}; ${waiting}`);
  });
  file.complete();
  bar.end(1, note());
}

function askOf(path: string, options: Options): ExportAsk {
  const format = options.format ?? (/\.(ndjson|jsonl)$/i.test(path) ? 'ndjson' : 'csv');
  if (format !== 'csv' && format !== 'ndjson') throw new Error('--format is csv or ndjson');
  if (options.filter !== undefined && options.saved !== undefined)
    throw new Error('give --filter or --saved, not both');
  const filter = options.saved === undefined ? readFilter(options.filter) : { saved: options.saved };
  const columns = options.columns?.split(',').map((name) => name.trim());
  return { format, body: { ...(filter && { filter }), ...(columns && { columns: withSeq(columns) }) } };
}

/** The number that the export goes on from is in every line, in front. */
function withSeq(columns: string[]): string[] {
  return ['seq', ...columns.filter((name) => name !== 'seq')];
}

function readFilter(given: string | undefined): object | undefined {
  if (given === undefined) return undefined;
  const path = given.startsWith('@') ? given.slice(1) : undefined;
  if (path !== undefined && !existsSync(path)) throw new Error(`--filter: there is no file ${path}`);
  try {
    return JSON.parse(path === undefined ? given : readFileSync(path, 'utf8')) as object;
  } catch (error) {
    throw new Error(`--filter is not JSON: ${(error as Error).message}`);
  }
}
