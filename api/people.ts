import type { PeopleStore, SessionStore } from '../actors/ports/people.js';
import type { ClaimNames } from './oidc-claims.js';
import { Issuer, type IssuerSettings } from './oidc-issuer.js';
import { OidcSignIn } from './oidc-sign-in.js';
import { Passwords, type Strength } from './password.js';
import { PasswordSignIn } from './password-sign-in.js';
import { type SessionSettings, Sessions } from './session.js';
import { SessionCookies } from './session-cookie.js';

export interface PeopleOptions extends SessionSettings {
  store: PeopleStore;
  sessionStore: SessionStore;
  /** Tenant of a sign-in that names none. */
  homeTenant: string;
  /** Where browsers reach this server; without it the request's own host counts. */
  publicUrl?: string;
  /** With an identity provider, nobody signs in with a password. */
  oidc?: IssuerSettings & { claims: ClaimNames };
  /** The tests' own clock, and hashes that do not take long. */
  now?: () => number;
  strength?: Strength;
}

const sweepEveryMs = 10 * 60_000;

/** Everything about people that the front has: the parts, made for each other. `stop` ends what runs by itself. */
export class People {
  readonly store: PeopleStore;
  readonly sessionStore: SessionStore;
  readonly sessions: Sessions;
  readonly cookies: SessionCookies;
  readonly hashes: Passwords;
  /** Undefined where people sign in through the identity provider. */
  readonly passwords: PasswordSignIn | undefined;
  readonly oidc: OidcSignIn | undefined;
  readonly homeTenant: string;
  readonly now: () => number;
  readonly sessionMsMax: number;
  readonly #sweep: NodeJS.Timeout;

  /** @param onLockedOut somebody was refused for attempts that failed before. */
  constructor(options: PeopleOptions, onLockedOut: () => void = () => {}) {
    const { store, sessionStore, oidc, now } = options;
    this.store = store;
    this.sessionStore = sessionStore;
    this.homeTenant = options.homeTenant;
    this.now = now ?? Date.now;
    this.sessionMsMax = options.totalMs;
    this.sessions = new Sessions(sessionStore, options, now);
    this.cookies = new SessionCookies(options.publicUrl);
    this.hashes = new Passwords(options.strength);
    this.passwords = oidc ? undefined : new PasswordSignIn(store, this.hashes, now, onLockedOut);
    this.oidc =
      oidc &&
      new OidcSignIn({ issuer: new Issuer(oidc, now), names: oidc.claims, people: store, sessions: sessionStore }, now);
    // A registry that is away now is swept the next time.
    this.#sweep = setInterval(() => void this.sessions.sweep().catch(() => {}), sweepEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#sweep);
  }
}
