import { hash, timingSafeEqual } from 'node:crypto';

/** Who calls: the tenant comes from the key and from nothing else that a request says. */
export interface Caller {
  tenantId: string;
  /** Name of the key, kept in the history; never the key itself. */
  keyName: string;
}

export interface Tenants {
  findByKey(key: string): Caller | undefined;
}

export interface ApiKey extends Caller {
  key: string;
}

/** Characters of the longest key; a longer header is no key of ours. */
const keyLengthMax = 512;

/**
 * Looks keys up by their SHA-256 digest, and holds only digests. The map is found by the digest, whose bytes a caller
 * cannot steer, and the whole digest is then compared in constant time: how long a refusal takes tells nothing of the
 * keys. Throws when one key is given twice, for two tenants would then share it.
 */
export function apiKeys(entries: Iterable<ApiKey>): Tenants {
  const byDigest = new Map<string, { digest: Buffer; caller: Caller }>();
  for (const { key, tenantId, keyName } of entries) {
    if (key === '' || key.length > keyLengthMax)
      throw new Error(`API key ${keyName} must have 1 to ${keyLengthMax} characters`);
    const digest = sha256(key);
    if (byDigest.has(slot(digest))) throw new Error(`API key ${keyName} is given twice`);
    byDigest.set(slot(digest), { digest, caller: Object.freeze({ tenantId, keyName }) });
  }
  return {
    findByKey(key) {
      if (key.length > keyLengthMax) return undefined;
      const digest = sha256(key);
      const found = byDigest.get(slot(digest));
      return found && timingSafeEqual(found.digest, digest) ? found.caller : undefined;
    },
  };
}

function sha256(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

function slot(digest: Buffer): string {
  return digest.toString('latin1', 0, 16);
}
