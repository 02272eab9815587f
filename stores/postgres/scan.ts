import type pg from 'pg';
import { to } from 'pg-copy-streams';
import type { OpenItems } from '../../actors/ports.js';
import type { Status } from '../../engine/work-item.js';
import { newOpenItems, openStatuses } from '../open-items.js';
import type { Reader } from './reader.js';

/**
 * Binary COPY, decoded by hand: recovery reads a million open items, and row objects of the driver would cost several
 * times more. Format: header of 11 + 4 + 4 bytes, then per row a 16-bit field count and per field a 32-bit length
 * (-1 = null) and its bytes; count -1 ends it.
 */
const headerBytes = 19;
/** Postgres counts microseconds from 2000-01-01. */
const postgresEpochMs = Date.UTC(2000, 0, 1);
/** The server must keep sending; a recovery that stalls longer than this fails and starts again. */
const scanTimeouts = { statementTimeoutMs: 600_000, queryTimeoutMs: 0, lockTimeoutMs: 5000 };
const knownSlice = 10_000;

const openQuery = `
  SELECT id, status, category, customer_segment, assigned_to, created_at, activation_at, due_at,
         expiration_at, business_value, (extra -> 'override' ->> 'priority')::float8,
         (extra -> 'override' ->> 'until')::float8, (extra ->> 'stoppedMs')::float8, seq, version
    FROM iwd.work_item WHERE status IN (${openStatuses.map((status) => `'${status}'`).join(', ')})`;

/** Calls back with slices of at most `sliceItems` open items, in no order; a slice is the receiver's to keep. */
export async function scanOpen(reader: Reader, sliceItems: number, each: (slice: OpenItems) => void): Promise<void> {
  let slice = newOpenItems(sliceItems);
  await scan(reader, openQuery, (row) => {
    readOpenItem(row, slice);
    if (slice.count < sliceItems) return;
    each(slice);
    slice = newOpenItems(sliceItems);
  });
  if (slice.count > 0) each(slice);
}

/** Calls back with slices of the captureIds, then of the keys. */
export async function scanKnown(
  reader: Reader,
  each: (slice: { captureIds: string[]; keys: string[] }) => void,
): Promise<void> {
  await scanTexts(reader, 'SELECT capture_id FROM iwd.work_item WHERE capture_id IS NOT NULL', (captureIds) =>
    each({ captureIds, keys: [] }),
  );
  await scanTexts(reader, 'SELECT key FROM iwd.idempotency_key', (keys) => each({ captureIds: [], keys }));
}

async function scanTexts(reader: Reader, query: string, each: (texts: string[]) => void): Promise<void> {
  let texts: string[] = [];
  await scan(reader, query, (row) => {
    texts.push(row.text() as string);
    if (texts.length < knownSlice) return;
    each(texts);
    texts = [];
  });
  if (texts.length > 0) each(texts);
}

function readOpenItem(row: Row, slice: OpenItems): void {
  const at = slice.count++;
  slice.id.push(row.uuid());
  slice.status.push(row.text() as Status);
  slice.category.push(row.text());
  slice.customerSegment.push(row.text());
  slice.assignedTo.push(row.text());
  slice.created[at] = row.instant();
  slice.activation[at] = row.instant();
  slice.due[at] = row.instant();
  slice.expiration[at] = row.instant();
  slice.businessValue[at] = row.double();
  slice.overridePriority[at] = row.double();
  slice.overrideUntil[at] = row.double();
  slice.stoppedMs[at] = row.double();
  slice.seq[at] = row.integer();
  slice.version[at] = row.integer();
}

/** One COPY on a session of its own. The bytes of a row that is cut by a chunk's end wait for the next chunk. */
function scan(reader: Reader, query: string, each: (row: Row) => void): Promise<void> {
  return reader.runAlone(scanTimeouts, async (client) => {
    // One long statement, once: compiling it costs more than it saves.
    await client.query('SET jit = off');
    await readRows(client, query, each);
  });
}

async function readRows(client: pg.Client, query: string, each: (row: Row) => void): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let skip = headerBytes;
  for await (const chunk of client.query(to(`COPY (${query}) TO STDOUT (FORMAT binary)`))) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk as Buffer]) : (chunk as Buffer);
    if (skip > 0) {
      if (bytes.length < skip) {
        rest = bytes;
        continue;
      }
      bytes = bytes.subarray(skip);
      skip = 0;
    }
    const row = new Row(bytes);
    while (row.next()) each(row);
    rest = bytes.subarray(row.start);
  }
}

/** A reading position in the bytes of a binary COPY; each field is read once, in order. */
class Row {
  readonly #bytes: Buffer;
  /** Where the row begins that is not yet complete: everything before it has been read. */
  start = 0;
  #end = 0;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Moves to the next whole row; false when the bytes end before it does. */
  next(): boolean {
    this.start = this.#end;
    const bytes = this.#bytes;
    if (this.start + 2 > bytes.length) return false;
    const fields = bytes.readInt16BE(this.start);
    let position = this.start + 2;
    for (let field = 0; field < fields; field++) {
      if (position + 4 > bytes.length) return false;
      position += 4 + Math.max(0, bytes.readInt32BE(position));
      if (position > bytes.length) return false;
    }
    this.#end = position;
    this.#position = this.start + 2;
    return fields >= 0;
  }

  text(): string | null {
    const length = this.#length();
    return length < 0 ? null : this.#bytes.toString('utf8', this.#position, this.#skip(length));
  }

  uuid(): string {
    const from = this.#position + 4;
    const hex = this.#bytes.toString('hex', from, this.#skip(this.#length()));
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** A time in milliseconds, NaN when null. */
  instant(): number {
    const microseconds = this.integer();
    return Math.round(microseconds / 1000) + postgresEpochMs;
  }

  double(): number {
    const length = this.#length();
    return length < 0 ? Number.NaN : this.#bytes.readDoubleBE(this.#skip(length) - length);
  }

  /** int4 or int8 (ours stay below 2^53); NaN when null. */
  integer(): number {
    const length = this.#length();
    if (length < 0) return Number.NaN;
    const from = this.#skip(length) - length;
    const high = this.#bytes.readInt32BE(from);
    return length === 4 ? high : high * 2 ** 32 + this.#bytes.readUInt32BE(from + 4);
  }

  #length(): number {
    const length = this.#bytes.readInt32BE(this.#position);
    this.#position += 4;
    return length;
  }

  /** Moves over `length` bytes and returns the position behind them. */
  #skip(length: number): number {
    this.#position += length;
    return this.#position;
  }
}
