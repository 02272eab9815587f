import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { Answer, Reply } from '../actors/request.js';
import { isRejection, type Rejection, reject, rejections } from '../engine/rejection.js';
import {
  type BulkFormat,
  type BulkLimits,
  BulkSplitter,
  type LineFault,
  type Piece,
  type Slice,
  type Splitter,
} from './bulk-splitter.js';

/** Bytes of one slice, and of a body that goes to the engine as it came. */
const sliceBytesMax = 256 * 1024;
const sliceItemsMax = 500;
/** Slices of one request that the engine works on at once. */
const slicesInFlightMax = 4;
/** Bytes that are still read, and dropped, after nothing more is taken: most clients only read an answer at their end. */
const lingerBytesMax = 1024 * 1024;

/** Of an import: bytes that are read at once, and how long reading may hold the loop. */
const partBytesMax = 1024;
const partMsMax = 5;

export interface BulkOptions {
  format: BulkFormat;
  itemBytesMax: number;
  itemsMax: number;
  bytesMax: number;
  /** Makes items of a body that is none yet; without it the body is what `format` says. */
  splitter?(limits: BulkLimits): Splitter;
  /** Never throws. */
  send(format: BulkFormat, body: Buffer, firstLine: number): Promise<Reply>;
}

export interface BulkTally {
  accepted: number;
  rejected: number;
  /** JSON text of the result objects in order of lines, comma-separated. */
  results: string;
}

/** `refused` is the whole request's problem; with a tally, what was accepted before it stays accepted. */
export interface BulkOutcome {
  tally: BulkTally;
  refused?: Rejection;
  /** The body was not read to its end: the connection cannot be used again. */
  unread?: boolean;
}

/** One slice's or one line's part of the answer. */
interface Part {
  accepted: number;
  rejected: number;
  json: string;
  /** Set when the engine refused the slice as a whole, or when the structure broke at this line. */
  refused?: Rejection;
}

/**
 * Takes one bulk body. Memory is bounded by the slices in flight: while they are the allowed number, the stream is not
 * read, and the socket holds the client back. Rejects only when the stream fails (the client went away): what was sent
 * to the engine until then is done all the same.
 */
export async function takeBulk(stream: Readable, options: BulkOptions): Promise<BulkOutcome> {
  // Leaving the loop early leaves the stream alone: its end is the connection's matter, after the answer.
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  const head = await readHead(chunks);
  if (head.whole && options.format === 'array' && isFewItems(head.body, options.itemsMax)) {
    const reply = await options.send('array', head.body, 0);
    if (isRejection(reply) && rejections[reply.code].status !== 400) return { tally: tallyOf([]), refused: reply };
    if (!isRejection(reply) && !isOneFault(reply)) return { tally: tallyOf([answered(reply)]) };
    // Nothing was accepted, and it may be the text as a whole that is at fault: now each element goes by itself.
  }
  const run = new BulkRun(options);
  return run.take(head.body, head.whole ? undefined : chunks);
}

/** Reads until the body ends or is longer than one slice. How the network cut it makes no difference to what follows. */
async function readHead(chunks: AsyncIterator<Buffer>): Promise<{ body: Buffer; whole: boolean }> {
  const parts: Buffer[] = [];
  let bytes = 0;
  while (bytes <= sliceBytesMax) {
    const { value, done } = await chunks.next();
    if (done) return { body: Buffer.concat(parts, bytes), whole: true };
    parts.push(value);
    bytes += value.length;
  }
  return { body: Buffer.concat(parts, bytes), whole: false };
}

/** True when the array cannot hold more items than allowed, by its commas: all of them, wherever they stand. */
function isFewItems(body: Buffer, itemsMax: number): boolean {
  let left = itemsMax;
  for (let at = body.indexOf(','); at >= 0 && left > 0; at = body.indexOf(',', at + 1)) left -= 1;
  return left > 0;
}

function isOneFault({ accepted, refused }: Answer): boolean {
  return accepted === 0 && refused === 1;
}

class BulkRun {
  private readonly splitter: Splitter;
  private readonly parts: (Part | Promise<Part>)[] = [];
  private readonly inFlight = new Set<Promise<Part>>();
  private readonly options: BulkOptions;

  constructor(options: BulkOptions) {
    this.options = options;
    const limits: BulkLimits = {
      itemBytesMax: options.itemBytesMax,
      itemsMax: options.itemsMax,
      sliceBytesMax,
      sliceItemsMax,
    };
    this.splitter = options.splitter?.(limits) ?? new BulkSplitter(options.format, limits);
  }

  async take(head: Buffer, rest: AsyncIterableIterator<Buffer> | undefined): Promise<BulkOutcome> {
    const { bytesMax } = this.options;
    let bytes = head.length;
    await this.push(head);
    let tooLong = bytes > bytesMax;
    let dropped = 0;
    if (rest) {
      for await (const chunk of rest) {
        bytes += chunk.length;
        tooLong ||= bytes > bytesMax;
        if (tooLong || this.splitter.stop !== undefined) {
          dropped += chunk.length;
          if (dropped > lingerBytesMax) break;
        } else await this.push(chunk);
      }
    }
    if (!tooLong) await this.dispatch(this.splitter.end());
    return { ...(await this.outcome(tooLong)), unread: dropped > lingerBytesMax };
  }

  /** In parts, and with turns of the loop in between where a part takes long: reading records is work. */
  private async push(chunk: Buffer): Promise<void> {
    const step = this.options.splitter ? partBytesMax : chunk.length;
    for (let from = 0, began = performance.now(); from < chunk.length; from += step) {
      await this.dispatch(this.splitter.push(chunk.subarray(from, from + step)));
      if (performance.now() - began < partMsMax) continue;
      await turn();
      began = performance.now();
    }
  }

  private async dispatch(pieces: Piece[]): Promise<void> {
    for (const piece of pieces) {
      if ('rejection' in piece) {
        this.parts.push(refusedLine(piece));
        continue;
      }
      while (this.inFlight.size >= slicesInFlightMax) await Promise.race(this.inFlight);
      const part = this.sendSlice(piece).finally(() => this.inFlight.delete(part));
      this.inFlight.add(part);
      this.parts.push(part);
    }
  }

  private async sendSlice(slice: Slice): Promise<Part> {
    const reply = await this.options.send('ndjson', slice.body, slice.firstLine);
    return isRejection(reply) ? refusedSlice(slice, reply) : answered(reply);
  }

  private async outcome(tooLong: boolean): Promise<BulkOutcome> {
    const parts = await Promise.all(this.parts);
    const tally = tallyOf(parts);
    const { itemsMax, bytesMax } = this.options;
    if (tooLong || this.splitter.stop === 'too-many') {
      const limit = tooLong ? `${bytesMax} bytes` : `${itemsMax} items`;
      return {
        tally,
        refused: reject('too-large', `A bulk request may have ${limit}; what was accepted before stays accepted.`),
      };
    }
    // Only refused slices, or no array at all: then that is the answer to the whole request.
    const refused = parts[0]?.refused;
    if (refused && parts.every((part) => part.refused)) return { tally: tallyOf([]), refused };
    return { tally };
  }
}

function answered(answer: Answer): Part {
  return { accepted: answer.accepted ?? 0, rejected: answer.refused ?? 0, json: answer.json ?? '' };
}

/** Every line of a slice that the engine refused as a whole says so: nothing is dropped in silence. */
function refusedSlice(slice: Slice, rejection: Rejection): Part {
  const results = Array.from({ length: slice.itemCount }, (_, index) => lineResult(slice.firstLine + index, rejection));
  return { accepted: 0, rejected: results.length, json: results.join(','), refused: rejection };
}

function refusedLine({ line, rejection, broken }: LineFault): Part {
  const part = { accepted: 0, rejected: 1, json: lineResult(line, rejection) };
  return broken ? { ...part, refused: rejection } : part;
}

function lineResult(line: number, { code, detail, faults }: Rejection): string {
  return JSON.stringify({ line, status: rejections[code].status, code, detail, errors: faults });
}

function tallyOf(parts: readonly Part[]): BulkTally {
  let accepted = 0;
  let rejected = 0;
  for (const part of parts) {
    accepted += part.accepted;
    rejected += part.rejected;
  }
  return {
    accepted,
    rejected,
    results: parts
      .map((part) => part.json)
      .filter((json) => json !== '')
      .join(','),
  };
}
