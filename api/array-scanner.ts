import { type Rejection, reject } from '../engine/rejection.js';

/** Where the scanner puts what it finds. */
export interface ElementSink {
  /** Some bytes of the current element. */
  part(bytes: Buffer): void;
  endLine(): void;
  /** The structure is broken here; nothing more will come. */
  break(rejection: Rejection): void;
  /** Set when nothing more is wanted. */
  readonly stop: unknown;
}

type Place = 'opening' | 'first' | 'next' | 'element' | 'string' | 'done';

/**
 * Finds the elements of one JSON array by their bytes, without parsing them: strings, escapes and nesting are all that
 * matters, and UTF-8 never has those bytes inside a character. Chunks may be cut anywhere.
 *
 *   opening -[-> first -> element <-> string;  element -,-> next -> element;  first, element -]-> done
 */
export class ArrayScanner {
  private place: Place = 'opening';
  private depth = 0;
  private escaped = false;
  /** Bytes of the chunks before this one, to say where it broke. */
  private offset = 0;
  private readonly sink: ElementSink;

  constructor(sink: ElementSink) {
    this.sink = sink;
  }

  push(chunk: Buffer): void {
    // Where the current element's bytes begin in this chunk; -1 between elements.
    let start = this.inElement() ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      if (this.place === 'string') {
        at = this.skipString(chunk, at);
        continue;
      }
      const byte = chunk[at]!;
      if (this.place === 'element') {
        if (this.depth === 0 && (byte === comma || byte === bracketClose)) {
          this.sink.part(chunk.subarray(start, at));
          this.endElement(byte);
          start = -1;
        } else if (!this.inside(byte)) this.broken(at);
      } else if (!isSpace(byte)) {
        if (!this.between(byte)) this.broken(at);
        else if (this.inElement()) start = at;
      }
      if (this.sink.stop !== undefined) return;
    }
    if (start >= 0) this.sink.part(chunk.subarray(start));
    this.offset += chunk.length;
  }

  end(): void {
    if (this.place !== 'done') this.broken(0, 'The body ends before the array does');
  }

  private inElement(): boolean {
    return this.place === 'element' || this.place === 'string';
  }

  /** False when the byte cannot stand here. */
  private between(byte: number): boolean {
    switch (this.place) {
      case 'opening':
        // A byte order mark is tolerated, as it is in a body that is parsed whole.
        if (byte === bracketOpen) this.place = 'first';
        return byte === bracketOpen || byteOrderMark.includes(byte);
      case 'done':
        return false;
      default:
        if (byte === bracketClose && this.place === 'first') {
          this.place = 'done';
          return true;
        }
        this.place = 'element';
        return this.inside(byte);
    }
  }

  private inside(byte: number): boolean {
    switch (byte) {
      case quote:
        this.place = 'string';
        return true;
      case braceOpen:
      case bracketOpen:
        this.depth += 1;
        return true;
      case braceClose:
      case bracketClose:
        this.depth -= 1;
        return this.depth >= 0;
      case comma:
        return this.depth > 0;
      default:
        return true;
    }
  }

  /** Index of the string's closing quote, or of the chunk's last byte. */
  private skipString(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.escaped) this.escaped = false;
      else if (byte === backslash) this.escaped = true;
      else if (byte === quote) {
        this.place = 'element';
        return at;
      }
    }
    return chunk.length - 1;
  }

  private endElement(byte: number): void {
    this.place = byte === comma ? 'next' : 'done';
    this.sink.endLine();
  }

  private broken(at: number, why = 'The array is not well-formed here'): void {
    this.sink.break(
      reject('invalid-json', `${why} (byte ${this.offset + at} of the body); nothing after it was read.`),
    );
  }
}

const quote = 0x22;
const comma = 0x2c;
const bracketOpen = 0x5b;
const backslash = 0x5c;
const bracketClose = 0x5d;
const braceOpen = 0x7b;
const braceClose = 0x7d;
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** JSON's white space. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
