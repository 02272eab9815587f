import { hash, timingSafeEqual } from 'node:crypto';
import type { DirectoryContent } from '../actors/ports/tenant-directory.js';
import { type Identity, keyIdentity } from './caller.js';
import { builtInRoles, noPrivileges } from './role.js';

export interface Tenants {
  findByKey(key: string): Identity | undefined;
  /** For a key that `findByKey` does not know: another process may have made it just now. */
  findMissing?(key: string): Promise<Identity | undefined>;
}

/** Characters of the longest key; a longer header is no key of ours. */
export const keyLengthMax = 512;

/** A key as it is looked for: by its digest, and never in the clear. */
interface Held {
  digest: Buffer;
  identity: Identity;
  /** Of the registry; absent for keys that settings give. */
  id?: string;
  /** Milliseconds since 1970, `Infinity` for never. */
  expiresAt: number;
}

/** A key that was not found is not looked for again in the registry for this long. */
const missedMs = 1000;
const missedMax = 1000;
/** Between two looks into the registry for keys that are not here. */
const lookMs = 250;
const lookersMax = 64;

/**
 * All keys that open anything here: those of the settings, which stay, and those of the registry, which come and go.
 * Keys are looked up by their SHA-256 digest. The map is found by the digest, whose bytes a caller cannot steer, and the
 * whole digest is then compared in constant time: how long a refusal takes tells nothing of the keys.
 */
export class KeyRing implements Tenants {
  readonly #fixed = new Map<string, Held>();
  #registered = new Map<string, Held>();
  #uses = new Map<string, number>();
  readonly #lookAgain: (() => Promise<void>) | undefined;
  /** Slots of keys that were looked for in vain, with the time until which that holds. */
  readonly #missed = new Map<string, number>();
  #looked = Number.NEGATIVE_INFINITY;
  #look: Promise<void> | undefined;
  #lookers = 0;

  /** @param lookAgain asks the registry, which another process may have changed, and calls `replace`. */
  constructor(lookAgain?: () => Promise<void>) {
    this.#lookAgain = lookAgain;
  }

  /** A key of the settings. Throws when it is there already, for two tenants would then share it. */
  addFixed(key: string, identity: Identity): void {
    if (key === '' || key.length > keyLengthMax)
      throw new Error(`API key ${identity.name} must have 1 to ${keyLengthMax} characters`);
    const digest = sha256(key);
    if (this.#fixed.has(slot(digest))) throw new Error(`API key ${identity.name} is given twice`);
    this.#fixed.set(slot(digest), { digest, identity, expiresAt: Number.POSITIVE_INFINITY });
  }

  /** The registry's keys from now on. */
  replace(keys: DirectoryContent['keys']): void {
    this.#registered = new Map(
      keys.map(({ id, digest, tenantId, name, scope, role, expiresAt }) => {
        // A role that is gone allows nothing.
        const restricted = role === null ? undefined : (builtInRoles.get(role)?.privileges ?? noPrivileges);
        const identity = keyIdentity({ tenantId: tenantId ?? '', name, scope }, restricted);
        return [slot(digest), { id, digest, identity, expiresAt: expiresAt ?? Number.POSITIVE_INFINITY }];
      }),
    );
    this.#missed.clear();
  }

  findByKey(key: string): Identity | undefined {
    if (key.length > keyLengthMax) return undefined;
    const digest = sha256(key);
    const found = this.#fixed.get(slot(digest)) ?? this.#registered.get(slot(digest));
    if (found === undefined || !timingSafeEqual(found.digest, digest)) return undefined;
    if (found.id !== undefined) {
      const now = Date.now();
      if (now >= found.expiresAt) return undefined;
      this.#uses.set(found.id, now);
    }
    return found.identity;
  }

  /**
   * Looks once more for a key that another process may have registered a moment ago: at most one look into the registry
   * every 250 ms, shared by all who wait, and none for a key that was missed within the last second.
   */
  async findMissing(key: string): Promise<Identity | undefined> {
    if (this.#lookAgain === undefined || key.length > keyLengthMax) return undefined;
    const missed = slot(sha256(key));
    if (Date.now() < (this.#missed.get(missed) ?? 0) || this.#lookers >= lookersMax) return undefined;
    this.#lookers++;
    try {
      await this.#lookSoon();
    } finally {
      this.#lookers--;
    }
    const found = this.findByKey(key);
    if (found === undefined) {
      if (this.#missed.size >= missedMax) this.#missed.clear();
      this.#missed.set(missed, Date.now() + missedMs);
    }
    return found;
  }

  /** When each key of the registry was last used, since this was asked before. */
  takeUses(): ReadonlyMap<string, number> {
    const uses = this.#uses;
    this.#uses = new Map();
    return uses;
  }

  #lookSoon(): Promise<void> {
    const waitMs = Math.max(0, this.#looked + lookMs - performance.now());
    this.#look ??= new Promise((resolve) => setTimeout(resolve, waitMs)).then(async () => {
      // Who comes from here on may have a key that this look is too early for.
      this.#look = undefined;
      this.#looked = performance.now();
      // A registry that does not answer knows no more keys; it is said in the log by whoever polls it.
      await this.#lookAgain?.().catch(() => {});
    });
    return this.#look;
  }
}

export function sha256(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

function slot(digest: Buffer): string {
  return digest.toString('latin1', 0, 16);
}
