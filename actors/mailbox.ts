/** How many taken messages may stay at the front before the array is cut. */
const takenMax = 1024;

/**
 * The bounded inbox of one actor: first in, first out, bounded by count and by bytes. `push` refuses when full; the
 * caller answers "too many requests" then, the queue never grows.
 */
export class Mailbox<T extends { readonly bytes: number }> {
  /** May change at any time; what is in stays in. */
  countMax: number;
  readonly #bytesMax: number;
  /** Those before `taken` are undefined: a body that was taken must not stay in memory. */
  #messages: (T | undefined)[] = [];
  #taken = 0;
  #bytes = 0;
  #takenBytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#messages.length - this.#taken;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of all messages ever taken; those that were put back count twice. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** False when full; an empty mailbox takes any one message, so that a large one is not refused for ever. */
  push(message: T): boolean {
    if (this.size >= this.countMax || (this.size > 0 && this.#bytes + message.bytes > this.#bytesMax)) return false;
    this.#messages.push(message);
    this.#bytes += message.bytes;
    return true;
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const message = this.#messages[this.#taken] as T;
    this.#messages[this.#taken++] = undefined;
    this.#bytes -= message.bytes;
    this.#takenBytes += message.bytes;
    if (this.#taken > takenMax && this.#taken * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#taken);
      this.#taken = 0;
    }
    return message;
  }

  /** Puts messages back to the front, in order and whatever the bound: they came from here and are not answered. */
  putBack(messages: readonly T[]): void {
    this.#messages = [...messages, ...this.#messages.slice(this.#taken)];
    this.#taken = 0;
    for (const message of messages) this.#bytes += message.bytes;
  }

  /** Takes out the messages for which `isOut` is true. */
  remove(isOut: (message: T) => boolean): T[] {
    const out: T[] = [];
    const rest: T[] = [];
    for (const message of this.#messages.slice(this.#taken) as T[]) (isOut(message) ? out : rest).push(message);
    this.#messages = rest;
    this.#taken = 0;
    for (const message of out) this.#bytes -= message.bytes;
    return out;
  }
}
