import { openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseDraft } from '../../engine/draft.js';
import { isRejection } from '../../engine/rejection.js';
import { compileMapping, type Item, type Mapping } from '../../services/intake/mapping.js';
import { ProgressBar } from './progress.js';
import { type FileFormat, type FileLine, openRecords } from './record-file.js';
import { findTarget } from './target.js';
import { type LineResult, type UploadOptions, uploadBatch } from './upload.js';

const help = `iwd import FILE --map mapping.json [options]      (or: npm run import -- FILE ...)

Posts the records of a CSV or NDJSON file to a running server as work items, in the order of the file.

  --map FILE                how columns become fields (docs/operations.md, "Import"; examples/nyc-311-mapping.json)
  --format csv|ndjson       default: by the file's ending
  --mode create|upsert      create (default): the same captureId with other content is refused; upsert: it updates
  --url URL                 default: IWD_URL, or http://127.0.0.1:4024
  --api-key KEY             default: IWD_API_KEY, IWD_DEMO_APIKEY, or the file <IWD_DATA_DIR>/demo-apikey
  --dry-run                 read, map and check every line here; send nothing
  --rejects FILE            write what was refused as NDJSON: { line, code, detail, record }
  --batch N                 items of one request, 1 to 5000 (default 500)
  --allow-no-capture-id     without a captureId a repetition of the import creates everything anew
  --help

Repeat it as often as you like: the captureId tells the server what it has. Exit code: 0 all lines are in, 1 lines were
refused, 2 the import failed (the message says where; run it again).`;

interface Options {
  path: string;
  format: FileFormat;
  mapping: Mapping;
  batch: number;
  dryRun: boolean;
  /** File descriptor. */
  rejects?: number;
  upload: UploadOptions;
}

const refusedShown = 10;
/** Work items of one batch may be large; a request must stay far below the server's 32 MB. */
const batchBytesMax = 4 * 1024 * 1024;

/** A fault of the command line or its files: printed without a stack. */
class UsageFault extends Error {}

function readOptions(args: string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      map: { type: 'string' },
      format: { type: 'string' },
      mode: { type: 'string', default: 'create' },
      url: { type: 'string' },
      'api-key': { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      rejects: { type: 'string' },
      batch: { type: 'string', default: '500' },
      'allow-no-capture-id': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const [path] = positionals;
  if (!path || positionals.length > 1) throw new UsageFault('expected one FILE; --help says more');
  if (!values.map) throw new UsageFault('expected --map mapping.json; examples/nyc-311-mapping.json is one');
  const batch = /^\d+$/.test(values.batch) ? Number(values.batch) : 0;
  if (batch < 1 || batch > 5000) throw new UsageFault('--batch takes a whole number from 1 to 5000');
  if (values.mode !== 'create' && values.mode !== 'upsert') throw new UsageFault('--mode is create or upsert');
  const mapping = readMapping(values.map);
  if (!mapping.hasCaptureId && !values['allow-no-capture-id']) {
    throw new UsageFault(
      `${values.map}: /fields/captureId is missing; without it a repetition creates everything anew (--allow-no-capture-id)`,
    );
  }
  const target = values['dry-run'] ? { base: '', apiKey: '' } : findTarget(values, process.env);
  return {
    path,
    format: formatOf(path, values.format),
    mapping,
    batch,
    dryRun: values['dry-run'],
    ...(values.rejects && { rejects: openSync(values.rejects, 'w') }),
    upload: { ...target, mode: values.mode, keyed: !mapping.hasCaptureId },
  };
}

function formatOf(path: string, given: string | undefined): FileFormat {
  const format = given ?? /\.(csv|ndjson|jsonl)$/i.exec(path)?.[1]?.toLowerCase().replace('jsonl', 'ndjson');
  if (format === 'csv' || format === 'ndjson') return format;
  throw new UsageFault('expected --format csv or --format ndjson');
}

function readMapping(path: string): Mapping {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageFault(`${path}: ${(error as Error).message}`);
  }
  const compiled = compileMapping(document);
  if ('mapping' in compiled) return compiled.mapping;
  const faults = compiled.faults.map(({ pointer, detail }) => `  ${pointer || '/'}: ${detail}`);
  throw new UsageFault(`${path} has faults:\n${faults.join('\n')}`);
}

interface Pending extends FileLine {
  item: Item;
}

/** Reads, maps and sends a file; owns the batch in hand and the counts of the report. */
class Import {
  readonly #options: Options;
  readonly #bar = new ProgressBar();
  readonly counts = { created: 0, existing: 0, refused: 0 };
  #batch: Pending[] = [];
  #batchBytes = 0;
  #share = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { path, format, mapping } = this.#options;
    const total = Math.max(1, statSync(path).size);
    const file = openRecords(path, format, mapping.columns);
    for await (const line of file.lines) {
      await this.#take(line);
      this.#share = file.bytesRead() / total;
    }
    await this.#send();
    this.#bar.end(1, this.#note());
  }

  async #take(line: FileLine): Promise<void> {
    if (!line.record) return this.#refuse(line, 'unreadable', line.detail ?? '');
    const mapped = this.#options.mapping.item(line.record);
    if ('detail' in mapped) return this.#refuse(line, 'invalid-value', mapped.detail);
    this.#batch.push({ ...line, item: mapped.item });
    this.#batchBytes += JSON.stringify(mapped.item).length;
    if (this.#batch.length >= this.#options.batch || this.#batchBytes >= batchBytesMax) await this.#send();
  }

  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    const items = batch.map(({ item }) => item);
    const results = this.#options.dryRun ? items.map(check) : await this.#upload(batch, items);
    results.forEach((result, i) => {
      this.#count(batch[i]!, result);
    });
    this.#bar.show(this.#share, this.#note());
  }

  async #upload(batch: Pending[], items: Item[]): Promise<LineResult[]> {
    const onWait = (reason: string, ms: number) => this.#bar.show(this.#share, `waiting ${ms} ms: ${reason}`);
    try {
      return await uploadBatch(items, { ...this.#options.upload, onWait });
    } catch (error) {
      throw new Error(`lines ${batch[0]!.line} to ${batch.at(-1)!.line}: ${(error as Error).message}`);
    }
  }

  #count(line: Pending, { status, code, detail }: LineResult): void {
    if (status === 201) this.counts.created++;
    else if (status === 200) this.counts.existing++;
    else this.#refuse(line, code ?? String(status), detail ?? '');
  }

  #refuse({ line, record }: FileLine, code: string, detail: string): void {
    this.counts.refused++;
    if (this.counts.refused <= refusedShown) console.error(`\nline ${line}: ${code}: ${detail}`);
    if (this.counts.refused === refusedShown + 1)
      console.error('\nmore lines were refused; --rejects FILE keeps them all');
    const { rejects } = this.#options;
    if (rejects) writeSync(rejects, `${JSON.stringify({ line, code, detail, record: record ?? null })}\n`);
  }

  #note(): string {
    const { created, existing, refused } = this.counts;
    return `${created} created, ${existing} there already, ${refused} refused`;
  }
}

/** A dry run: what the server would say of the item alone, without its settings and its other items. */
function check(item: Item): LineResult {
  const draft = parseDraft(item, { now: Date.now() });
  if (!isRejection(draft)) return { status: 201 };
  const detail = draft.faults?.map((one) => `${one.pointer}: ${one.detail}`).join('; ') ?? draft.detail;
  return { status: 400, code: draft.code, detail };
}

function report(options: Options, { counts }: Import, seconds: number): void {
  const { created, existing, refused } = counts;
  const existed = options.upload.mode === 'upsert' ? 'updated or unchanged' : 'unchanged';
  console.log(
    options.dryRun
      ? `dry run: ${created} lines are fine, ${refused} would be refused; nothing was sent`
      : `accepted ${created}, ${existed} ${existing}, rejected ${refused} in ${seconds.toFixed(1)} s`,
  );
}

/** Imports as the arguments say; resolves with the exit code, faults of the command line and the file reported. */
export async function runImport(args: string[]): Promise<number> {
  try {
    return await importAll(args);
  } catch (error) {
    console.error(`\nimport: ${(error as Error).message}`);
    return 2;
  }
}

async function importAll(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === 'help') {
    console.log(help);
    return 0;
  }
  const started = performance.now();
  const run = new Import(options);
  await run.run();
  report(options, run, (performance.now() - started) / 1000);
  return run.counts.refused > 0 ? 1 : 0;
}
