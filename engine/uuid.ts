const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const digitOf = new Int8Array(128).fill(-1);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  digitOf[digit.charCodeAt(0)] = value;
  digitOf[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Not read from each text: see `hash.ts`. */
const { charCodeAt } = String.prototype;

/** Writes the id's 128 bits, big-endian, to words[0..3]; false when the text is no UUID. Never allocates. */
export function parseUuid(text: string, words: Uint32Array): boolean {
  if (text.length !== 36) return false;
  let digits = 0;
  let word = 0;
  for (let at = 0; at < 36; at++) {
    const code = charCodeAt.call(text, at);
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (code !== 45) return false;
      continue;
    }
    const digit = code < 128 ? digitOf[code] : -1;
    if (digit < 0) return false;
    word = (word << 4) | digit;
    if ((++digits & 7) === 0) words[(digits >> 3) - 1] = word;
  }
  return true;
}

/** Lower-case text of four big-endian words. */
export function formatUuid(w0: number, w1: number, w2: number, w3: number): string {
  return `${hexWord(w0)}-${hexHalf(w1 >>> 16)}-${hexHalf(w1)}-${hexHalf(w2 >>> 16)}-${hexHalf(w2)}${hexWord(w3)}`;
}

function hexWord(word: number): string {
  return hexHalf(word >>> 16) + hexHalf(word);
}

function hexHalf(half: number): string {
  return hexOf[(half >>> 8) & 255] + hexOf[half & 255];
}

/** A well-mixed 32-bit hash of an id, whatever its version: sequential and random ids spread alike. */
export function hashUuid(w0: number, w1: number, w2: number, w3: number): number {
  let hash =
    Math.imul(w0, 0x85ebca6b) ^ Math.imul(w1, 0xc2b2ae35) ^ Math.imul(w2, 0x27d4eb2f) ^ Math.imul(w3, 0x165667b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
