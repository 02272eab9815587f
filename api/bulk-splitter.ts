import { type Rejection, reject } from '../engine/rejection.js';
import { ArrayScanner, isSpace } from './array-scanner.js';

export type BulkFormat = 'array' | 'ndjson';

/** Some lines of the request, in order, without a gap and none blank, as NDJSON: what one `createMany` carries. */
export interface Slice {
  body: Buffer;
  firstLine: number;
  itemCount: number;
}

/** One line that goes no further, and why. */
export interface LineFault {
  line: number;
  rejection: Rejection;
}

export type Piece = Slice | LineFault;

export interface BulkLimits {
  itemBytesMax: number;
  itemsMax: number;
  sliceBytesMax: number;
  sliceItemsMax: number;
}

/**
 * Why nothing more is taken: the structure is broken (a fault has been reported at the break), or there are more items
 * than allowed.
 */
export type Stop = 'broken' | 'too-many';

/**
 * Gathers the parts of lines into slices. An array's elements become NDJSON lines, so that the shard parses each by
 * itself and a bad one harms no other. Memory: one slice and one item.
 */
class Gatherer {
  pieces: Piece[] = [];
  line = 0;
  stop: Stop | undefined;
  private items = 0;
  private lineParts: Buffer[] = [];
  private lineBytes = 0;
  private slice: Buffer[] = [];
  private sliceBytes = 0;
  private sliceItems = 0;
  private firstLine = 0;
  private readonly limits: BulkLimits;

  constructor(limits: BulkLimits) {
    this.limits = limits;
  }

  part(bytes: Buffer): void {
    this.lineBytes += bytes.length;
    if (this.lineBytes > this.limits.itemBytesMax) this.lineParts = [];
    else if (bytes.length > 0) this.lineParts.push(bytes);
  }

  endLine(): void {
    const { itemBytesMax, itemsMax, sliceBytesMax, sliceItemsMax } = this.limits;
    const bytes = this.lineBytes;
    const text = bytes === 0 ? nothing : Buffer.concat(this.lineParts);
    this.lineParts = [];
    this.lineBytes = 0;
    if (isBlank(text) && bytes <= itemBytesMax) {
      // Goes no further, but is counted: the lines after it keep their numbers.
      this.line += 1;
      return;
    }
    if (this.items === itemsMax) {
      this.halt('too-many');
      return;
    }
    this.items += 1;
    if (bytes > itemBytesMax) {
      this.fault(reject('too-large', `An item may have ${itemBytesMax} bytes.`));
    } else {
      if (this.sliceItems === sliceItemsMax || this.sliceBytes + bytes >= sliceBytesMax || this.isGap()) this.flush();
      this.append(text);
    }
    this.line += 1;
  }

  /** Reports the current line and takes nothing more. */
  break(rejection: Rejection): void {
    this.fault(rejection);
    this.halt('broken');
  }

  flush(): void {
    if (this.sliceItems > 0) {
      this.pieces.push({ body: Buffer.concat(this.slice), firstLine: this.firstLine, itemCount: this.sliceItems });
    }
    this.slice = [];
    this.sliceBytes = 0;
    this.sliceItems = 0;
  }

  private append(text: Buffer): void {
    if (this.sliceItems === 0) this.firstLine = this.line;
    // Inside an element a line feed is white space or makes the JSON invalid. A tab is and does exactly the same.
    for (let at = text.indexOf(lineFeed); at >= 0; at = text.indexOf(lineFeed, at + 1)) text[at] = tab;
    this.slice.push(text, newline);
    this.sliceBytes += text.length + 1;
    this.sliceItems += 1;
  }

  /** True when lines were left out since the slice's last one: its items could not be numbered by counting. */
  private isGap(): boolean {
    return this.sliceItems > 0 && this.line !== this.firstLine + this.sliceItems;
  }

  private fault(rejection: Rejection): void {
    this.flush();
    this.pieces.push({ line: this.line, rejection });
  }

  private halt(stop: Stop): void {
    this.flush();
    this.stop = stop;
    this.lineParts = [];
  }
}

/** Cuts a bulk body into slices while it arrives, whatever the chunks are. */
export class BulkSplitter {
  private readonly gatherer: Gatherer;
  private readonly scanner: ArrayScanner | LineScanner;

  constructor(format: BulkFormat, limits: BulkLimits) {
    this.gatherer = new Gatherer(limits);
    this.scanner = format === 'array' ? new ArrayScanner(this.gatherer) : new LineScanner(this.gatherer);
  }

  /** What of the body goes on, in the order of lines. */
  push(chunk: Buffer): Piece[] {
    if (this.gatherer.stop === undefined) this.scanner.push(chunk);
    return this.take();
  }

  end(): Piece[] {
    if (this.gatherer.stop === undefined) this.scanner.end();
    this.gatherer.flush();
    return this.take();
  }

  get stop(): Stop | undefined {
    return this.gatherer.stop;
  }

  private take(): Piece[] {
    const { pieces } = this.gatherer;
    if (pieces.length > 0) this.gatherer.pieces = [];
    return pieces;
  }
}

class LineScanner {
  private rest = 0;
  private readonly gatherer: Gatherer;

  constructor(gatherer: Gatherer) {
    this.gatherer = gatherer;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      this.gatherer.part(chunk.subarray(from, at));
      this.gatherer.endLine();
      if (this.gatherer.stop !== undefined) return;
      from = at + 1;
      this.rest = 0;
    }
    this.gatherer.part(chunk.subarray(from));
    this.rest += chunk.length - from;
  }

  end(): void {
    if (this.rest > 0) this.gatherer.endLine();
  }
}

const lineFeed = 10;
const tab = 9;
const newline = Buffer.from('\n');
const nothing = Buffer.alloc(0);

function isBlank(text: Buffer): boolean {
  return text.every((byte) => isSpace(byte));
}
