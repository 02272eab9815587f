import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

/** What is exported, and how it is written. */
export interface ExportAsk {
  format: 'csv' | 'ndjson';
  body: { filter?: object; columns?: string[] };
}

/** Where an export stands: enough to go on with it in another process. */
interface Progress {
  /** What was asked, as JSON: another question must not go on with this file. */
  ask: string;
  bytes: number;
  rows: number;
  /** `seq` of the last whole line. */
  after?: number;
  /** `IWD-Export-At` of the first answer. */
  at?: string;
  total?: number;
}

const saveEveryMs = 1000;
const lineFeed = 0x0a;
const quote = 0x22;

/**
 * The file of an export and, while it is not complete, its progress beside it (`<file>.resume`). Only whole lines are
 * written. **Invariant:** the file begins with the `bytes` of the progress, which end at a line's end; what stands behind
 * them is cut off before the export goes on.
 */
export class ExportFile {
  readonly #path: string;
  readonly #file: number;
  /** There a line may end within quotes and go on. */
  readonly #isCsv: boolean;
  readonly #progress: Progress;
  /** The beginning of a line whose end has not come yet. */
  #rest: Buffer = Buffer.alloc(0);
  #savedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string, ask: ExportAsk & { base: string }, restart: boolean) {
    this.#path = path;
    this.#isCsv = ask.format === 'csv';
    const text = JSON.stringify(ask);
    const before = restart ? undefined : this.#read();
    if (before !== undefined && before.ask !== text) {
      throw new Error(`${path}.resume belongs to another export; give the same options, or --restart`);
    }
    if (before === undefined && !restart && existsSync(path)) {
      throw new Error(`${path} is there already and complete; --restart writes it anew`);
    }
    this.#progress = before ?? { ask: text, bytes: 0, rows: 0 };
    this.#file = openSync(path, before === undefined ? 'w' : 'r+');
    this.interrupt();
  }

  get rows(): number {
    return this.#progress.rows;
  }

  get after(): number | undefined {
    return this.#progress.after;
  }

  get at(): string | undefined {
    return this.#progress.at;
  }

  get total(): number | undefined {
    return this.#progress.total;
  }

  /** The first answer of all has begun. */
  begin(at: string, total: number | undefined): void {
    this.#progress.at ??= at;
    this.#progress.total ??= total;
  }

  /** Takes bytes of the answer; a header line counts as no row. */
  write(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    let [start, isQuoted] = [0, false];
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] === quote) isQuoted = this.#isCsv && !isQuoted;
      else if (bytes[at] === lineFeed && !isQuoted) {
        this.#count(bytes.subarray(start, at));
        start = at + 1;
      }
    }
    writeSync(this.#file, bytes, 0, start, this.#progress.bytes);
    this.#progress.bytes += start;
    this.#rest = bytes.subarray(start);
    if (performance.now() < this.#savedAt + saveEveryMs) return;
    this.#save();
    this.#savedAt = performance.now();
  }

  /** The answer broke off, or has yet to begin: half a line is not kept, nor a header line that will come again. */
  interrupt(): void {
    this.#rest = Buffer.alloc(0);
    if (this.#progress.after === undefined) this.#progress.bytes = 0;
    ftruncateSync(this.#file, this.#progress.bytes);
    this.#save();
  }

  complete(): void {
    if (this.#rest.length > 0) throw new Error('the export ended within a line');
    closeSync(this.#file);
    rmSync(`${this.#path}.resume`);
  }

  #count(line: Buffer): void {
    const seq = /^(?:\{"seq":)?(\d+)/.exec(line.toString('latin1', 0, 40));
    if (seq === null) return;
    this.#progress.after = Number(seq[1]);
    this.#progress.rows++;
  }

  #read(): Progress | undefined {
    const path = `${this.#path}.resume`;
    if (!existsSync(path) || !existsSync(this.#path)) return undefined;
    return JSON.parse(readFileSync(path, 'utf8')) as Progress;
  }

  #save(): void {
    // Renamed into place: whoever is killed here leaves the old one whole.
    const path = `${this.#path}.resume`;
    writeFileSync(`${path}.new`, JSON.stringify(this.#progress));
    renameSync(`${path}.new`, path);
  }
}
