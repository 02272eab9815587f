import { Hash } from './hash.js';

/** Bits of the first layer; each next one has twice as many. */
const firstLayerBits = 2 ** 20;
/** Sixteen bits and eight probes a key: with 1,000,000 keys it said "maybe" to 0.24 % of those that it had never seen. */
const bitsPerKey = 16;
const probeCount = 8;
/** 268 million keys in 512 MiB. Beyond that the last layer fills up and says "maybe" more often; it never says no wrongly. */
const layersMax = 12;

interface Layer {
  bits: Uint8Array;
  count: number;
}

/**
 * Which keys (a tenant's captureIds) have ever been seen: "no" is certain, "maybe" is wrong for some keys in a thousand.
 * It answers the usual case, a new key, without a look-up, however long ago and however many items were completed. A
 * scalable Bloom filter: when a layer is full, one twice as large is put before it. Keys are never taken out.
 */
export class KnownKeys {
  #layers: Layer[] = [emptyLayer(0)];
  readonly #hash = new Hash();

  /** Keys added, not counting those that were taken for known. */
  get size(): number {
    return this.#layers.reduce((sum, layer) => sum + layer.count, 0);
  }

  get byteLength(): number {
    return this.#layers.reduce((sum, layer) => sum + layer.bits.length, 0);
  }

  mayHave(key: string): boolean {
    this.#hash.text(key);
    return this.#mayHaveHashed();
  }

  add(key: string): void {
    this.#hash.text(key);
    if (this.#mayHaveHashed()) return;
    let layer = this.#layers.at(-1)!;
    if (layer.count >= (layer.bits.length * 8) / bitsPerKey && this.#layers.length < layersMax) {
      layer = emptyLayer(this.#layers.length);
      this.#layers.push(layer);
    }
    this.#set(layer.bits);
    layer.count++;
  }

  /**
   * For a snapshot: the layers' counts, then their bits, oldest first. The bits are not copied: what is added while they
   * are being written can only set more of them, which is harmless.
   */
  toBuffers(): Uint8Array[] {
    const counts = Float64Array.from(this.#layers, (layer) => layer.count);
    return [new Uint8Array(counts.buffer), ...this.#layers.map((layer) => layer.bits)];
  }

  /** From what `toBuffers` gave (it is copied); undefined when it is something else. */
  static fromBuffers(buffers: readonly Uint8Array[]): KnownKeys | undefined {
    const [head, ...bits] = buffers;
    if (head === undefined || bits.length === 0 || bits.length > layersMax) return undefined;
    if (head.length !== bits.length * 8 || bits.some((each, index) => each.length !== layerBytes(index)))
      return undefined;
    const counts = new Float64Array(Uint8Array.from(head).buffer);
    const keys = new KnownKeys();
    keys.#layers = bits.map((each, index) => ({ bits: Uint8Array.from(each), count: counts[index]! }));
    return keys;
  }

  /** Newest first: it has half of all keys. */
  #mayHaveHashed(): boolean {
    for (let i = this.#layers.length - 1; i >= 0; i--) {
      if (this.#test(this.#layers[i]!.bits)) return true;
    }
    return false;
  }

  /** Enhanced double hashing: two lanes make as many probes as are wanted. */
  #test(bits: Uint8Array): boolean {
    const mask = bits.length * 8 - 1;
    let { a, b } = this.#hash;
    for (let probe = 1; probe <= probeCount; probe++) {
      const index = a & mask;
      if ((bits[index >>> 3]! & (1 << (index & 7))) === 0) return false;
      a = (a + b) | 0;
      b = (b + probe) | 0;
    }
    return true;
  }

  #set(bits: Uint8Array) {
    const mask = bits.length * 8 - 1;
    let { a, b } = this.#hash;
    for (let probe = 1; probe <= probeCount; probe++) {
      const index = a & mask;
      bits[index >>> 3]! |= 1 << (index & 7);
      a = (a + b) | 0;
      b = (b + probe) | 0;
    }
  }
}

function layerBytes(index: number): number {
  return (firstLayerBits / 8) * 2 ** index;
}

function emptyLayer(index: number): Layer {
  return { bits: new Uint8Array(layerBytes(index)), count: 0 };
}
