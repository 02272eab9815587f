import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Person, SessionStore } from '../actors/ports/people.js';
import type { Identity } from './caller.js';
import { personIdentity } from './person-identity.js';

const tokenBytes = 32;
const tokenShape = /^[\w-]{43}$/;
/** How long another server may still honour a session that was ended here. */
const cacheMs = 5000;
const cachedMax = 10_000;
/** The last use is written at most so often. */
const touchMsMax = 60_000;

export interface SessionSettings {
  /** A session that is not used ends after this. */
  idleMs: number;
  /** And whatever its use, after this. */
  totalMs: number;
}

interface Cached {
  identity: Identity;
  usedAt: number;
  writtenAt: number;
  expiresAt: number;
  readAt: number;
}

/**
 * Sessions of people in browsers. The cookie's value is random and only its digest is stored, so nobody who reads the
 * registry can sign in with what is there. Owns the cache of sessions that were read a moment ago; ending one here
 * is felt here at once, and by other servers within `cacheMs`.
 */
export class Sessions {
  readonly #store: SessionStore;
  readonly #settings: SessionSettings;
  readonly #now: () => number;
  readonly #cache = new Map<string, Cached>();
  /** Changes with each end of a session, so that a reading that began before it is not remembered. */
  #ends = 0;

  constructor(store: SessionStore, settings: SessionSettings, now: () => number = Date.now) {
    this.#store = store;
    this.#settings = settings;
    this.#now = now;
  }

  /** A new session; its token goes into the cookie and nowhere else. */
  async open(person: Person, from: string): Promise<{ token: string; expiresAt: number }> {
    const token = randomBytes(tokenBytes).toString('base64url');
    const now = this.#now();
    const expiresAt = now + this.#settings.totalMs;
    await this.#store.open(digestOf(token), person, now, expiresAt, from);
    return { token, expiresAt };
  }

  /** Whose session it is; undefined when there is none, or it has ended. */
  async find(token: string): Promise<Identity | undefined> {
    if (!tokenShape.test(token)) return undefined;
    const digest = digestOf(token);
    const name = digest.toString('latin1');
    const now = this.#now();
    let found = this.#cache.get(name);
    if (!found || now - found.readAt >= cacheMs) found = await this.#read(name, digest, now);
    if (!found) return undefined;
    if (now >= found.expiresAt || now - found.usedAt >= this.#settings.idleMs) {
      this.#cache.delete(name);
      await this.#store.close(digest);
      return undefined;
    }
    found.usedAt = now;
    if (now - found.writtenAt >= Math.min(touchMsMax, this.#settings.idleMs / 4)) {
      found.writtenAt = now;
      await this.#store.touch(digest, now);
    }
    return found.identity;
  }

  /** True when this token's session is in memory, so that finding it costs nothing. */
  isCached(token: string): boolean {
    return tokenShape.test(token) && this.#cache.has(digestOf(token).toString('latin1'));
  }

  async close(token: string): Promise<void> {
    if (!tokenShape.test(token)) return;
    const digest = digestOf(token);
    await this.#store.close(digest);
    this.#ends += 1;
    this.#cache.delete(digest.toString('latin1'));
  }

  /** The store has ended the sessions of these; the memory follows. */
  forget(those: (identity: Identity) => boolean): void {
    this.#ends += 1;
    for (const [name, { identity }] of this.#cache) if (those(identity)) this.#cache.delete(name);
  }

  /** Removes what has expired from the store; returns how many rows. */
  async sweep(): Promise<number> {
    return this.#store.forgetExpired(this.#now(), this.#settings.idleMs);
  }

  async #read(name: string, digest: Buffer, now: number): Promise<Cached | undefined> {
    const before = this.#cache.get(name);
    this.#cache.delete(name);
    const ends = this.#ends;
    const session = await this.#store.find(digest);
    if (!session || session.person.disabled) return undefined;
    const { usedAt, expiresAt } = session;
    const found = {
      identity: personIdentity(session.person),
      // This server may know of a later use than it has written.
      usedAt: Math.max(usedAt, before?.usedAt ?? 0),
      writtenAt: usedAt,
      expiresAt,
      readAt: now,
    };
    if (ends !== this.#ends) return found;
    if (this.#cache.size >= cachedMax) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(name, found);
    return found;
  }
}

/**
 * What a page must send back in `x-csrf-token` with everything that changes something: it follows from the session, so
 * another site, which can make the browser send the cookie but cannot read it, cannot know it.
 */
export function csrfToken(token: string): string {
  return createHmac('sha256', token).update('csrf').digest('base64url');
}

export function isCsrfToken(given: unknown, token: string): boolean {
  if (typeof given !== 'string') return false;
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', csrfToken(token), 'buffer'));
}

export function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}
