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
  /** The structure broke here: when nothing else came of the request, this is what is wrong with all of it. */
  broken?: true;
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

/** Cuts a body into slices while it arrives, whatever its chunks are. */
export interface Splitter {
  /** What of the body goes on, in the order of lines. */
  push(chunk: Buffer): Piece[];
  end(): Piece[];
  readonly stop: Stop | undefined;
}

/**
 * Gathers the parts of lines into slices. An array's elements become NDJSON lines, so that the shard parses each by
 * itself and a bad one harms no other. Memory: one slice and one item.
 */
export class Gatherer {
  stop: Stop | undefined;
  private pieces: Piece[] = [];
  private line = 0;
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
    const { itemBytesMax, sliceBytesMax, sliceItemsMax } = this.limits;
    const bytes = this.lineBytes;
    const text = bytes === 0 ? nothing : Buffer.concat(this.lineParts);
    this.lineParts = [];
    this.lineBytes = 0;
    if (isBlank(text) && bytes <= itemBytesMax) {
      // Goes no further, but is counted: the lines after it keep their numbers.
      this.line += 1;
      return;
    }
    if (bytes > itemBytesMax) {
      this.refuse(reject('too-large', `An item may have ${itemBytesMax} bytes.`));
      return;
    }
    if (!this.count()) return;
    if (this.sliceItems === sliceItemsMax || this.sliceBytes + bytes >= sliceBytesMax || this.isGap()) this.flush();
    this.append(text);
    this.line += 1;
  }

  /** Reports the current line in place of its item; those after it are taken. */
  refuse(rejection: Rejection): void {
    if (!this.count()) return;
    this.flush();
    this.pieces.push({ line: this.line, rejection });
    this.line += 1;
  }

  /** Reports the current line and takes nothing more. */
  break(rejection: Rejection): void {
    this.flush();
    this.pieces.push({ line: this.line, rejection, broken: true });
    this.halt('broken');
  }

  take(): Piece[] {
    const { pieces } = this;
    if (pieces.length > 0) this.pieces = [];
    return pieces;
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

  /** Counts one more item; false when there may be none. */
  private count(): boolean {
    if (this.items === this.limits.itemsMax) {
      this.halt('too-many');
      return false;
    }
    this.items += 1;
    return true;
  }

  private halt(stop: Stop): void {
    this.flush();
    this.stop = stop;
    this.lineParts = [];
  }
}

/** The slices of a bulk body. */
export class BulkSplitter implements Splitter {
  private readonly gatherer: Gatherer;
  private readonly scanner: ArrayScanner | LineScanner;

  constructor(format: BulkFormat, limits: BulkLimits) {
    this.gatherer = new Gatherer(limits);
    this.scanner = format === 'array' ? new ArrayScanner(this.gatherer) : new LineScanner(this.gatherer);
  }

  push(chunk: Buffer): Piece[] {
    if (this.gatherer.stop === undefined) this.scanner.push(chunk);
    return this.gatherer.take();
  }

  end(): Piece[] {
    if (this.gatherer.stop === undefined) this.scanner.end();
    this.gatherer.flush();
    return this.gatherer.take();
  }

  get stop(): Stop | undefined {
    return this.gatherer.stop;
  }
}

/** Where lines go, part by part. */
export type LineSink = Pick<Gatherer, 'part' | 'endLine' | 'stop'>;

/** Finds lines by their ends. */
export class LineScanner {
  private rest = 0;
  private readonly gatherer: LineSink;

  constructor(gatherer: LineSink) {
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

/** White space only. */
export function isBlank(text: Buffer): boolean {
  return text.every((byte) => isSpace(byte));
}
