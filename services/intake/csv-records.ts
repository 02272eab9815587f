import { isUtf8 } from 'node:buffer';

/** Where the reader puts what it finds. */
export interface CsvSink {
  /** @param line line of the text on which the record ends, from 1. */
  record(cells: string[], line: number): void;
  /** A record that cannot be read; those after it come as if it were not there. */
  fault(detail: string, line: number): void;
  /** Set when nothing more is wanted. */
  readonly stop?: unknown;
}

/** Bytes of one record, more than an item may have: an open quote cannot swallow the memory. */
export const recordBytesMax = 1024 * 1024;
/** Cells of one record. */
const cellsMax = 1000;

type Place = 'start' | 'plain' | 'quoted' | 'closed' | 'return' | 'skipped';

/**
 * Finds the records of a CSV text (RFC 4180, UTF-8, with or without a byte order mark) as its bytes come in, cut
 * anywhere. Blank lines are passed over. Memory: one record of at most `recordBytesMax`.
 *
 *   start -> plain | quoted;  quoted <-"-> closed;  plain, closed -,-> start;  plain, closed, return -LF-> next record
 *   closed -CR-> return;  a byte where it must not stand -> skipped, until the line ends
 */
export class CsvRecords {
  #place: Place = 'start';
  #cells: string[] = [];
  #cellCount = 0;
  #parts: Buffer[] = [];
  #bytes = 0;
  #line = 1;
  /** Line of the quote that was opened last. */
  #quoteLine = 1;
  #wasQuoted = false;
  #detail: string | undefined;
  /** Bytes of a byte order mark that may still come; 0 when the text has begun. */
  #markLeft = byteOrderMark.length;
  readonly #sink: CsvSink;

  constructor(sink: CsvSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    for (let at = this.#skipMark(chunk); at < chunk.length && this.#sink.stop === undefined; ) {
      at = this.#step(chunk, at);
    }
  }

  end(): void {
    if (this.#sink.stop !== undefined) return;
    if (this.#place === 'quoted') this.#detail ??= `the quote that opens on line ${this.#quoteLine} is never closed`;
    const isNothing = this.#place === 'start' && this.#cellCount === 0;
    if (!isNothing) this.#endRecord();
  }

  #skipMark(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#markLeft > 0) {
      const isMark = chunk[at] === byteOrderMark[byteOrderMark.length - this.#markLeft];
      if (!isMark) this.#markLeft = 0;
      else {
        this.#markLeft -= 1;
        at += 1;
      }
    }
    return at;
  }

  /** @returns where the next step begins. */
  #step(chunk: Buffer, at: number): number {
    switch (this.#place) {
      case 'start':
        return this.#start(chunk, at);
      case 'plain':
        return this.#plain(chunk, at);
      case 'quoted':
        return this.#quoted(chunk, at);
      case 'skipped':
        return this.#skipped(chunk, at);
      default:
        this.#closed(chunk[at]!);
        return at + 1;
    }
  }

  #start(chunk: Buffer, at: number): number {
    if (chunk[at] !== quote) {
      this.#place = 'plain';
      return at;
    }
    this.#place = 'quoted';
    this.#quoteLine = this.#line;
    this.#wasQuoted = true;
    return at + 1;
  }

  #plain(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length && chunk[at] !== comma && chunk[at] !== lineFeed && chunk[at] !== quote) at++;
    this.#take(chunk.subarray(from, at));
    if (at === chunk.length) return at;
    if (chunk[at] === quote) this.#refuse('a quote inside a cell that does not begin with one');
    else this.#after(chunk[at]!);
    return at + 1;
  }

  #quoted(chunk: Buffer, from: number): number {
    const end = chunk.indexOf(quote, from);
    const text = chunk.subarray(from, end < 0 ? chunk.length : end);
    for (let at = text.indexOf(lineFeed); at >= 0; at = text.indexOf(lineFeed, at + 1)) this.#line += 1;
    this.#take(text);
    if (end < 0) return chunk.length;
    this.#place = 'closed';
    return end + 1;
  }

  /** The byte after a quote that may close its cell, or after the carriage return behind it. */
  #closed(byte: number): void {
    if (byte === quote && this.#place === 'closed') {
      this.#take(quoteByte);
      this.#place = 'quoted';
    } else if (byte === carriageReturn && this.#place === 'closed') this.#place = 'return';
    else if (byte === lineFeed || (byte === comma && this.#place === 'closed')) this.#after(byte);
    else this.#refuse('text after the quote that closes a cell');
  }

  #skipped(chunk: Buffer, from: number): number {
    const end = chunk.indexOf(lineFeed, from);
    if (end < 0) return chunk.length;
    this.#endRecord();
    return end + 1;
  }

  #refuse(detail: string): void {
    this.#detail ??= `${detail}, on line ${this.#line}`;
    this.#parts = [];
    this.#place = 'skipped';
  }

  #after(byte: number): void {
    if (byte === lineFeed) this.#endRecord();
    else {
      this.#endCell(false);
      this.#place = 'start';
    }
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > recordBytesMax) this.#tooMuch(`a record of more than ${recordBytesMax} bytes`);
    else if (bytes.length > 0) this.#parts.push(bytes);
  }

  /** The record is read to its end, but nothing of it is kept. */
  #tooMuch(detail: string): void {
    this.#detail ??= detail;
    this.#parts = [];
    this.#cells = [];
  }

  #endCell(isLast: boolean): void {
    let bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    if (isLast && this.#place === 'plain' && bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1);
    if (!isUtf8(bytes)) this.#detail ??= `a cell that is not UTF-8 text, on line ${this.#line}`;
    this.#parts = [];
    this.#cellCount += 1;
    if (this.#cellCount > cellsMax) this.#tooMuch(`a record of more than ${cellsMax} cells`);
    else if (this.#detail === undefined) this.#cells.push(bytes.toString('utf8'));
  }

  #endRecord(): void {
    this.#endCell(true);
    const [cells, detail] = [this.#cells, this.#detail];
    const isBlank = cells.length === 1 && cells[0] === '' && !this.#wasQuoted;
    if (detail !== undefined) this.#sink.fault(detail, this.#line);
    else if (!isBlank) this.#sink.record(cells, this.#line);
    this.#cells = [];
    this.#cellCount = 0;
    this.#bytes = 0;
    this.#detail = undefined;
    this.#wasQuoted = false;
    this.#place = 'start';
    this.#line += 1;
  }
}

/** The cells under their columns' names; without a prototype, for a column may have any name. */
export function recordOf(header: readonly string[], cells: readonly string[]): Record<string, unknown> {
  const record = Object.create(null) as Record<string, unknown>;
  for (const [at, name] of header.entries()) record[name] = cells[at];
  return record;
}

const quote = 0x22;
const comma = 0x2c;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const quoteByte = Buffer.from('"');
const byteOrderMark = [0xef, 0xbb, 0xbf];
