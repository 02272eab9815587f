import { hash, timingSafeEqual } from 'node:crypto';
import type { KeyScope } from '../actors/ports/tenant-directory.js';
import { type Identity, keyIdentity } from './caller.js';
import type { Privilege } from './privilege.js';

export interface Tenants {
  findByKey(key: string): Identity | undefined;
}

export interface ApiKey {
  key: string;
  /** Empty for the scope `cluster`. */
  tenantId: string;
  name: string;
  /** By default `tenant`. */
  scope?: KeyScope;
  /** What a key with a role may do, at most; absent: everything of its scope. */
  privileges?: ReadonlySet<Privilege>;
}

/** Characters of the longest key; a longer header is no key of ours. */
const keyLengthMax = 512;

/**
 * Looks keys up by their SHA-256 digest, and holds only digests. The map is found by the digest, whose bytes a caller
 * cannot steer, and the whole digest is then compared in constant time: how long a refusal takes tells nothing of the
 * keys. Throws when one key is given twice, for two tenants would then share it.
 */
export function apiKeys(entries: Iterable<ApiKey>): Tenants {
  const byDigest = new Map<string, { digest: Buffer; identity: Identity }>();
  for (const { key, privileges, ...owner } of entries) {
    if (key === '' || key.length > keyLengthMax)
      throw new Error(`API key ${owner.name} must have 1 to ${keyLengthMax} characters`);
    const digest = sha256(key);
    if (byDigest.has(slot(digest))) throw new Error(`API key ${owner.name} is given twice`);
    byDigest.set(slot(digest), { digest, identity: keyIdentity(owner, privileges) });
  }
  return {
    findByKey(key) {
      if (key.length > keyLengthMax) return undefined;
      const digest = sha256(key);
      const found = byDigest.get(slot(digest));
      return found && timingSafeEqual(found.digest, digest) ? found.identity : undefined;
    },
  };
}

function sha256(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

function slot(digest: Buffer): string {
  return digest.toString('latin1', 0, 16);
}
