/**
 * Called on a text instead of read from it: V8 has more kinds of strings (flat, sliced, internalized, ...) than one place
 * in the code may see before it looks the method up for every character, which took 8 us of 1 KB instead of 1.
 */
const { charCodeAt } = String.prototype;

/**
 * A 64-bit hash in two 32-bit lanes, which is what JavaScript multiplies fast. Not for secrets: whoever can choose both
 * contents can find two that collide; by accident it takes some 10^9 contents. The result stays in `a` and `b` until
 * the next call, so hashing allocates nothing.
 */
export class Hash {
  a = 0;
  b = 0;

  /**
   * Hashes a text, two characters a step. False when the text holds NUL or half a surrogate pair, which Postgres
   * refuses or silently replaces; seeing every character anyway makes this check nearly free.
   */
  text(text: string): boolean {
    const length = text.length;
    const paired = length & ~1;
    let a = 0x9e3779b9 ^ length;
    let b = 0x7f4a7c15;
    let seen = 0;
    for (let i = 0; i < paired; i += 2) {
      const one = charCodeAt.call(text, i);
      const two = charCodeAt.call(text, i + 1);
      // Bit 15 or a higher one is set by NUL, which wraps, by the surrogates and by others, looked at more closely below.
      seen |= (one - 1) | (two - 1);
      const chunk = one | (two << 16);
      a = Math.imul(a ^ chunk, 0x85ebca77);
      b = Math.imul(((b << 13) | (b >>> 19)) ^ chunk, 0xc2b2ae3d);
    }
    if (paired < length) {
      const one = charCodeAt.call(text, paired);
      seen |= one - 1;
      a = Math.imul(a ^ one, 0x85ebca77);
      b = Math.imul(((b << 13) | (b >>> 19)) ^ one, 0xc2b2ae3d);
    }
    this.mix(a, b);
    return (seen & ~0x7fff) === 0 || !(text.includes('\0') || /\p{Surrogate}/u.test(text));
  }

  /** Hashes a number by its bits; -0 counts as 0. */
  number(value: number): void {
    bits[0] = value + 0;
    this.mix(words[0]! ^ 0x165667b1, words[1]! ^ 0x27d4eb2f);
  }

  /** Spreads 64 bits over 64 bits, one to one. */
  mix(a: number, b: number): void {
    const mixed = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
    this.a = mixed;
    this.b = Math.imul(b ^ (b >>> 16), 0x9e3779b1) ^ Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  }

  /** 16 hex digits. */
  hex(): string {
    scratch.writeInt32BE(this.a, 0);
    scratch.writeInt32BE(this.b, 4);
    return scratch.toString('hex');
  }
}

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);
const scratch = Buffer.alloc(8);
