import { hash, randomBytes } from 'node:crypto';
import type { JWTPayload } from 'jose';
import type { PeopleStore, Person, SessionStore } from '../actors/ports/people.js';
import type { Identity } from './caller.js';
import { type ClaimNames, claimsOf } from './oidc-claims.js';
import { type Issuer, IssuerUnavailable, TokenRefused } from './oidc-issuer.js';
import { personIdentity } from './person-identity.js';
import type { Problem } from './problem.js';
import { digestOf } from './session.js';

/** How long somebody may take at the identity provider. */
export const signInMsMax = 10 * 60_000;
/** How long a bearer token's person is not looked up again. */
const cacheMs = 5000;
const cachedMax = 10_000;

/** What the browser brings back from the issuer. */
export interface Callback {
  state?: string;
  code?: string;
  iss?: string;
  error?: string;
}

/** Sign-in through the identity provider, and API calls with a token that it gave. */
export class OidcSignIn {
  readonly #issuer: Issuer;
  readonly #names: ClaimNames;
  readonly #people: PeopleStore;
  readonly #sessions: SessionStore;
  readonly #now: () => number;
  readonly #identities = new Map<string, { identity: Identity; readAt: number }>();

  constructor(
    parts: { issuer: Issuer; names: ClaimNames; people: PeopleStore; sessions: SessionStore },
    now: () => number = Date.now,
  ) {
    this.#issuer = parts.issuer;
    this.#names = parts.names;
    this.#people = parts.people;
    this.#sessions = parts.sessions;
    this.#now = now;
  }

  /** Where to send the browser, and the state that must come back both in the URL and in its cookie. */
  async begin(returnTo: string): Promise<{ url: string; state: string } | Problem> {
    const [state, nonce, verifier] = [random(), random(), random()];
    try {
      const challenge = hash('sha256', verifier, 'base64url');
      const url = await this.#issuer.authorizationUrl({ state, nonce, challenge });
      await this.#sessions.keepState(digestOf(state), {
        nonce,
        verifier,
        returnTo,
        expiresAt: this.#now() + signInMsMax,
      });
      return { url, state };
    } catch (error) {
      return problemOf(error);
    }
  }

  /** @param expected the state that this browser's cookie holds. */
  async finish(back: Callback, expected: string | undefined): Promise<{ person: Person; returnTo: string } | Problem> {
    if (!back.state || back.state !== expected) return notBegun;
    const state = await this.#sessions.takeState(digestOf(back.state));
    if (!state || state.expiresAt <= this.#now()) return notBegun;
    if (back.error !== undefined || !back.code) return denied;
    try {
      const payload = await this.#issuer.redeem(back.code, state.verifier, state.nonce, back.iss);
      const person = await this.#personOf(payload);
      return 'code' in person ? person : { person, returnTo: state.returnTo };
    } catch (error) {
      return problemOf(error);
    }
  }

  /** Who calls with this token. */
  async bearer(token: string): Promise<Identity | Problem> {
    try {
      const payload = await this.#issuer.verifyBearer(token);
      const name = hash('sha256', JSON.stringify(claimsOf(payload, this.#names) ?? ''), 'base64url');
      const cached = this.#identities.get(name);
      if (cached && this.#now() - cached.readAt < cacheMs) return cached.identity;
      this.#identities.delete(name);
      const person = await this.#personOf(payload);
      if ('code' in person) return person;
      const identity = personIdentity(person);
      if (this.#identities.size >= cachedMax) this.#identities.delete(this.#identities.keys().next().value!);
      this.#identities.set(name, { identity, readAt: this.#now() });
      return identity;
    } catch (error) {
      return problemOf(error);
    }
  }

  /** What people may do has changed: whoever comes next is looked up again. */
  forget(): void {
    this.#identities.clear();
  }

  /** The person in the registry, made or brought up to date where the token says something new. */
  async #personOf(payload: JWTPayload): Promise<Person | Problem> {
    const claims = claimsOf(payload, this.#names);
    const tenantId = claims?.tenant === undefined ? undefined : await this.#people.tenant(claims.tenant);
    if (!claims || tenantId === undefined) return noTenant;
    const known = await this.#people.subject(tenantId, claims.subject);
    const rolesHold = !claims.roles || sameTexts(known?.roles, claims.roles);
    const person =
      known && rolesHold && known.displayName === claims.displayName
        ? known
        : await this.#people.signInSubject({ ...claims, tenantId });
    if (person === 'no-tenant') return noTenant;
    if (person === 'too-many') return tooMany;
    return person.disabled ? disabled : person;
  }
}

function random(): string {
  return randomBytes(32).toString('base64url');
}

function sameTexts(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a?.length === b.length && a.every((text, index) => text === b[index]);
}

function problemOf(error: unknown): Problem {
  if (error instanceof TokenRefused) return { code: 'unauthorized', detail: error.message };
  if (error instanceof IssuerUnavailable) return issuerAway;
  throw error;
}

const issuerAway: Problem = {
  code: 'unavailable',
  detail: 'The identity provider does not answer; try again in a moment.',
  retryAfterSeconds: 5,
};
const notBegun: Problem = {
  code: 'unauthorized',
  detail: 'This sign-in was not begun in this browser, was finished already, or took too long: begin again.',
};
const denied: Problem = { code: 'unauthorized', detail: 'The identity provider did not let you in.' };
const noTenant: Problem = {
  code: 'forbidden',
  detail: 'The identity provider names no tenant of this server for you.',
};
const tooMany: Problem = { code: 'forbidden', detail: 'The tenant has as many people as it may have.' };
const disabled: Problem = { code: 'unauthorized', detail: 'This person may not sign in any more.' };
