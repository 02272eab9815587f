import { createReadStream, type ReadStream } from 'node:fs';
import { type CsvError, type Info, parse } from 'csv-parse';
import type { FileRecord } from '../../services/intake/mapping.js';

/** Streams a CSV or NDJSON file as records with their line numbers; nothing but the record in hand is in memory. */

export type FileFormat = 'csv' | 'ndjson';

export interface FileLine {
  /** Line of the file, from 1; a CSV record of several lines counts by its last. */
  line: number;
  record?: FileRecord;
  /** Why the line could not be read. */
  detail?: string;
}

export interface RecordFile {
  lines: AsyncIterable<FileLine>;
  /** Bytes of the file read so far. */
  bytesRead(): number;
}

/** Bytes of one record: far more than an item may have, so an open quote does not swallow the memory. */
const recordBytesMax = 1024 * 1024;

/**
 * @param columns columns that a CSV's header must have; a missing one throws before the first record.
 * Throws when the file cannot be read, or is so broken that what follows has no meaning (an unclosed quote).
 */
export function openRecords(path: string, format: FileFormat, columns: readonly string[]): RecordFile {
  const stream = createReadStream(path);
  const lines = format === 'csv' ? csvLines(stream, columns) : ndjsonLines(stream);
  return { lines, bytesRead: () => stream.bytesRead };
}

async function* csvLines(stream: ReadStream, needed: readonly string[]): AsyncGenerator<FileLine> {
  const skipped: FileLine[] = [];
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    max_record_size: recordBytesMax,
    columns: (header: string[]) => checkHeader(header, needed),
    // One row with a column too many harms no other.
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      if (error) skipped.push({ line: Number(error.lines), detail: error.message });
      return undefined;
    },
  });
  stream.on('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of stream.pipe(parser) as AsyncIterable<{ record: FileRecord; info: Info }>) {
      yield* skipped.splice(0);
      yield { line: info.lines, record };
    }
    yield* skipped;
  } finally {
    stream.destroy();
  }
}

function checkHeader(header: string[], needed: readonly string[]): string[] {
  const missing = needed.filter((column) => !header.includes(column));
  if (missing.length > 0) {
    throw new Error(
      `the file has no column ${missing.map((name) => `"${name}"`).join(', ')}; it has ${header.join(', ')}`,
    );
  }
  return header;
}

async function* ndjsonLines(stream: ReadStream): AsyncGenerator<FileLine> {
  let line = 0;
  for await (const bytes of splitLines(stream)) {
    line++;
    if (bytes === 'too-long') yield { line, detail: `the line is longer than ${recordBytesMax} bytes` };
    else {
      const parsed = parseLine(line === 1 ? withoutMark(bytes) : bytes);
      if (parsed) yield { line, ...parsed };
    }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** @returns undefined for a blank line. */
function parseLine(bytes: Buffer): Pick<FileLine, 'record' | 'detail'> | undefined {
  try {
    const text = utf8.decode(bytes).trim();
    if (text === '') return undefined;
    const record: unknown = JSON.parse(text);
    const fine = typeof record === 'object' && record !== null && !Array.isArray(record);
    return fine ? { record: record as FileRecord } : { detail: 'expected a JSON object' };
  } catch (error) {
    return { detail: (error as Error).message };
  }
}

/** Lines without their end; a line that is too long is dropped as it comes in and told once. */
async function* splitLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer | 'too-long'> {
  let rest: Buffer = Buffer.alloc(0);
  let dropping = false;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([rest, chunk.subarray(from, end)]);
      yield dropping || line.length > recordBytesMax ? 'too-long' : line;
      dropping = false;
      rest = Buffer.alloc(0);
      from = end + 1;
    }
    rest = dropping ? Buffer.alloc(0) : Buffer.concat([rest, chunk.subarray(from)]);
    if (rest.length > recordBytesMax) {
      dropping = true;
      rest = Buffer.alloc(0);
    }
  }
  if (dropping) yield 'too-long';
  else if (rest.length > 0) yield rest;
}
