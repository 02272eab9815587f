import { checkContent, decodeBody, refusal } from '../engine/content.js';
import { isObject } from '../engine/draft.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import { CsvRecords, type CsvSink, recordBytesMax, recordOf } from '../services/intake/csv-records.js';
import type { FileRecord } from '../services/intake/mapping.js';
import type { RecordIntake } from '../services/intake/record-intake.js';
import {
  type BulkLimits,
  Gatherer,
  isBlank,
  LineScanner,
  type Piece,
  type Splitter,
  type Stop,
} from './bulk-splitter.js';

export type ImportFormat = 'csv' | 'ndjson';

/** Reads the records of a file while it arrives, makes items of them and cuts these into slices. */
export class ImportSplitter implements Splitter {
  readonly #gatherer: Gatherer;
  readonly #records: { push(chunk: Buffer): void; end(): void };

  constructor(format: ImportFormat, intake: RecordIntake, limits: BulkLimits) {
    const gatherer = new Gatherer(limits);
    this.#gatherer = gatherer;
    this.#records =
      format === 'csv' ? new CsvItems(gatherer, intake) : new LineScanner(new LineItems(gatherer, intake));
  }

  push(chunk: Buffer): Piece[] {
    if (this.stop === undefined) this.#records.push(chunk);
    return this.#gatherer.take();
  }

  end(): Piece[] {
    if (this.stop === undefined) this.#records.end();
    this.#gatherer.flush();
    return this.#gatherer.take();
  }

  get stop(): Stop | undefined {
    return this.#gatherer.stop;
  }
}

/** Passes on what became of one record. */
function takeRecord(gatherer: Gatherer, intake: RecordIntake, record: FileRecord): void {
  const read = intake.item(record);
  if (isRejection(read)) gatherer.refuse(read);
  else {
    gatherer.part(Buffer.from(JSON.stringify(read.item)));
    gatherer.endLine();
  }
}

/** The first record is the header; the others are lines, counted from 0. */
class CsvItems implements CsvSink {
  #header: string[] | undefined;
  readonly #records = new CsvRecords(this);
  readonly #gatherer: Gatherer;
  readonly #intake: RecordIntake;

  constructor(gatherer: Gatherer, intake: RecordIntake) {
    this.#gatherer = gatherer;
    this.#intake = intake;
  }

  get stop(): Stop | undefined {
    return this.#gatherer.stop;
  }

  record(cells: string[], line: number): void {
    const header = this.#header;
    if (header === undefined) this.#takeHeader(cells);
    else if (cells.length !== header.length) {
      this.fault(`${cells.length} cells, where the header has ${header.length}, on line ${line}`);
    } else takeRecord(this.#gatherer, this.#intake, recordOf(header, cells));
  }

  fault(detail: string): void {
    const rejection = reject('invalid-csv', detail);
    if (this.#header === undefined) this.#gatherer.break(rejection);
    else this.#gatherer.refuse(rejection);
  }

  push(chunk: Buffer): void {
    this.#records.push(chunk);
  }

  end(): void {
    this.#records.end();
    if (this.#header === undefined && this.stop === undefined) this.fault('no header line');
  }

  /** Without columns that make sense nothing of the body does. */
  #takeHeader(cells: string[]): void {
    this.#header = cells;
    const faults = this.#intake.headerFaults(cells);
    if (faults.length > 0) this.#gatherer.break(refusal(faults.slice(0, faultsMax)));
  }
}

const faultsMax = 20;

/** NDJSON: each line is a record, blank ones are counted and passed over. */
class LineItems {
  #parts: Buffer[] = [];
  #bytes = 0;
  readonly #gatherer: Gatherer;
  readonly #intake: RecordIntake;

  constructor(gatherer: Gatherer, intake: RecordIntake) {
    this.#gatherer = gatherer;
    this.#intake = intake;
  }

  get stop(): Stop | undefined {
    return this.#gatherer.stop;
  }

  part(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > recordBytesMax) this.#parts = [];
    else this.#parts.push(bytes);
  }

  endLine(): void {
    const [text, bytes] = [Buffer.concat(this.#parts), this.#bytes];
    this.#parts = [];
    this.#bytes = 0;
    if (bytes > recordBytesMax) {
      this.#gatherer.refuse(reject('too-large', `A line may have ${recordBytesMax} bytes.`));
    } else if (isBlank(text)) this.#gatherer.endLine();
    else this.#takeLine(text);
  }

  #takeLine(text: Buffer): void {
    const record = readLine(text);
    if (isRejection(record)) this.#gatherer.refuse(record);
    else takeRecord(this.#gatherer, this.#intake, record);
  }
}

function readLine(text: Buffer): FileRecord | Rejection {
  const json = decodeBody(text);
  if (isRejection(json)) return json;
  if (!isObject(json)) return reject('invalid-value', 'expected a JSON object');
  const content = checkContent(json);
  return 'faults' in content ? refusal(content.faults) : json;
}
