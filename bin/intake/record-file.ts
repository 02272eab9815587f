import { createReadStream, type ReadStream } from 'node:fs';
import { CsvRecords, recordBytesMax, recordOf } from '../../services/intake/csv-records.js';
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

/**
 * @param columns columns that a CSV's header must have; a missing one throws before the first record.
 * Throws when the file cannot be read, or has no header.
 */
export function openRecords(path: string, format: FileFormat, columns: readonly string[]): RecordFile {
  const stream = createReadStream(path);
  const lines = format === 'csv' ? csvLines(stream, columns) : ndjsonLines(stream);
  return { lines, bytesRead: () => stream.bytesRead };
}

async function* csvLines(stream: ReadStream, needed: readonly string[]): AsyncGenerator<FileLine> {
  const found: FileLine[] = [];
  let header: string[] | undefined;
  const records = new CsvRecords({
    record(cells, line) {
      if (header === undefined) header = checkHeader(cells, needed);
      else if (cells.length === header.length) found.push({ line, record: recordOf(header, cells) });
      else found.push({ line, detail: `${cells.length} cells, where the header has ${header.length}` });
    },
    fault(detail, line) {
      if (header === undefined) throw new Error(`the file has no header that can be read: ${detail}`);
      found.push({ line, detail });
    },
  });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    records.push(chunk);
    yield* found.splice(0);
  }
  records.end();
  yield* found;
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
