import type { Runtime } from './ports.js';

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Random bytes are drawn for this many ids at once: one system call instead of 512. */
const drawnIds = 512;
const randomBytesAnId = 8;

/**
 * Makes version 7 UUIDs (RFC 9562) that sort by creation, also within one millisecond and when the clock steps back:
 * 48 bits of time, then a 12-bit counter (method 1 of section 6.2), then 62 random bits. When 4,096 ids of one
 * millisecond are used up the time part runs ahead of the clock.
 */
export function uuidV7(runtime: Runtime): () => string {
  let lastMs = 0;
  let counter = 0;
  let drawn: Uint8Array = new Uint8Array(0);
  let used = 0;
  return () => {
    const now = runtime.now();
    if (now > lastMs) {
      lastMs = now;
      counter = 0;
    } else if (++counter === 4096) {
      lastMs++;
      counter = 0;
    }
    if (used === drawn.length) {
      drawn = runtime.randomBytes(drawnIds * randomBytesAnId);
      used = 0;
    }
    const r = used;
    used += randomBytesAnId;
    const high = Math.floor(lastMs / 0x10000)
      .toString(16)
      .padStart(8, '0');
    const low = hex[(lastMs >>> 8) & 0xff] + hex[lastMs & 0xff];
    const random = drawn;
    return (
      `${high}-${low}-${hex[0x70 | (counter >>> 8)]}${hex[counter & 0xff]}-` +
      `${hex[0x80 | (random[r] & 0x3f)]}${hex[random[r + 1]]}-` +
      hex[random[r + 2]] +
      hex[random[r + 3]] +
      hex[random[r + 4]] +
      hex[random[r + 5]] +
      hex[random[r + 6]] +
      hex[random[r + 7]]
    );
  };
}
