import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * An envelope, byte for byte: format (1), id of the master key (8), nonce (12), ciphertext, tag (16). AES-256-GCM; what is
 * authenticated beside the ciphertext is everything before it and whose and what it is, so that an envelope moved to
 * another tenant, column or key does not open. Nonces are random: of 2^32 envelopes under one key, two share one with a
 * chance of 2^-32, and a registry has thousands.
 */
const format = 1;
const keyBytes = 32;
const keyIdBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + keyIdBytes + nonceBytes;

/** Whose secret it is and what it is: part of what is authenticated. */
export interface SealedPlace {
  tenantId: string;
  /** For instance `service/iWD`. */
  field: string;
}

/** It cannot be opened; the message says why and holds nothing of it. */
export class SealBroken extends Error {
  override name = 'SealBroken';
}

/** Seals with the newest master key and opens with any that it was given. Nothing of a key can be read from it. */
export class Sealer {
  readonly #keys: ReadonlyMap<string, Buffer>;
  /** Of the key that seals; hex, safe to print. */
  readonly keyId: string;

  /** @param keys of 32 bytes each, the one that seals first. */
  constructor(...keys: readonly [Buffer, ...Buffer[]]) {
    for (const key of keys) {
      if (key.length !== keyBytes) throw new Error(`a master key has ${keyBytes} bytes, not ${key.length}`);
    }
    this.#keys = new Map([...keys].reverse().map((key) => [keyIdOf(key), key]));
    this.keyId = keyIdOf(keys[0]);
  }

  /** Whether it has the master key of this id. */
  opens(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  seal(place: SealedPlace, secrets: Readonly<Record<string, string>>): Buffer {
    const head = Buffer.concat([Buffer.of(format), Buffer.from(this.keyId, 'hex'), randomBytes(nonceBytes)]);
    const cipher = createCipheriv('aes-256-gcm', this.#keys.get(this.keyId)!, head.subarray(1 + keyIdBytes));
    cipher.setAAD(authenticated(head, place));
    return Buffer.concat([head, cipher.update(JSON.stringify(secrets), 'utf8'), cipher.final(), cipher.getAuthTag()]);
  }

  /** Throws `SealBroken`: another key, another place, or damaged. */
  open(place: SealedPlace, sealed: Buffer): Record<string, string> {
    const where = `the secret ${place.field} of tenant ${place.tenantId}`;
    if (sealed.length < headBytes + tagBytes || sealed[0] !== format) {
      throw new SealBroken(`${where} is not an envelope that this release knows`);
    }
    const key = this.#keys.get(keyIdOfSealed(sealed));
    if (key === undefined) {
      throw new SealBroken(
        `${where} is sealed with master key ${keyIdOfSealed(sealed)}, this server has ${[...this.#keys.keys()].join(', ')}`,
      );
    }
    const head = sealed.subarray(0, headBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, head.subarray(1 + keyIdBytes));
    decipher.setAAD(authenticated(head, place));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    try {
      const text = Buffer.concat([decipher.update(sealed.subarray(headBytes, -tagBytes)), decipher.final()]);
      return JSON.parse(text.toString('utf8')) as Record<string, string>;
    } catch {
      throw new SealBroken(`${where} is damaged, or belongs to another place`);
    }
  }
}

/** Names a master key without telling anything of it: 64 bits of a digest. */
export function keyIdOf(key: Buffer): string {
  return createHash('sha256')
    .update('iwd master key')
    .update(key)
    .digest('hex')
    .slice(0, 2 * keyIdBytes);
}

/** Id of the master key that an envelope needs. */
export function keyIdOfSealed(sealed: Buffer): string {
  return sealed.toString('hex', 1, 1 + keyIdBytes);
}

function authenticated(head: Buffer, { tenantId, field }: SealedPlace): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([tenantId, field]))]);
}

/** A master key as settings give it: 32 bytes in hex (64 characters) or base64; undefined when it is neither. */
export function parseMasterKey(text: string): Buffer | undefined {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return undefined;
  const bytes = Buffer.from(trimmed, 'base64');
  return bytes.length === keyBytes ? bytes : undefined;
}
