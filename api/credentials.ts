import type { FastifyRequest } from 'fastify';
import type { Tenants } from './api-keys.js';
import { AttemptLimit, networkOf } from './attempt-limit.js';
import type { Identity } from './caller.js';
import type { OidcSignIn } from './oidc-sign-in.js';
import type { Problem } from './problem.js';
import { isCsrfToken, type Sessions } from './session.js';
import type { SessionCookies } from './session-cookie.js';

/** Unknown sessions and tokens that one address may show; each costs a look into the registry. */
const strangerLimits = { free: 50, firstWaitMs: 1000, waitMsMax: 60_000, forgetMs: 60_000, namesMax: 10_000 };

/** Characters of the longest bearer token looked at. */
const bearerLengthMax = 8192;

const readingMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

export type Found = Identity | Problem;

/** The ways in beside keys; a server without a registry of people has none. */
export interface PeopleCredentials {
  sessions: Sessions;
  cookies: SessionCookies;
  oidc?: OidcSignIn | undefined;
  now(): number;
}

/**
 * Who calls, by the first credential that a request shows: key, bearer token, session. One that is wrong is refused, and
 * never made up for by the next: whoever sends a key does not want to be taken for the cookie's owner.
 */
export class Credentials {
  readonly #tenants: Tenants;
  readonly #people: PeopleCredentials | undefined;
  readonly #strangers = new AttemptLimit(strangerLimits);
  readonly #onLockedOut: () => void;

  /** @param onLockedOut an address was refused for unknown credentials that it showed before. */
  constructor(tenants: Tenants, people?: PeopleCredentials, onLockedOut: () => void = () => {}) {
    this.#tenants = tenants;
    this.#people = people;
    this.#onLockedOut = onLockedOut;
  }

  /** Keys are found at once: they are what nearly every request has. */
  of(request: FastifyRequest): Found | Promise<Found> {
    const key = request.headers['x-api-key'];
    if (key !== undefined) return typeof key === 'string' ? this.#key(key) : unauthorized;
    const { authorization } = request.headers;
    if (authorization !== undefined) return this.#bearer(authorization, request.ip);
    const token = this.#people?.cookies.read(request, 'session');
    return token === undefined ? unauthorized : this.#session(token, request);
  }

  #key(key: string): Found | Promise<Found> {
    const found = this.#tenants.findByKey(key);
    if (found !== undefined || this.#tenants.findMissing === undefined) return found ?? unauthorized;
    return this.#tenants.findMissing(key).then((late) => late ?? unauthorized);
  }

  #bearer(authorization: string, from: string): Found | Promise<Found> {
    const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
    const { oidc } = this.#people ?? {};
    if (!oidc || !token || token.length > bearerLengthMax) return unauthorized;
    return this.#unlessStranger(from, () => oidc.bearer(token));
  }

  async #session(token: string, request: FastifyRequest): Promise<Found> {
    const { sessions, cookies } = this.#people!;
    const find = async () => (await sessions.find(token)) ?? ended;
    const found = await (sessions.isCached(token) ? find() : this.#unlessStranger(request.ip, find));
    if ('code' in found || readingMethods.has(request.method)) return found;
    if (cookies.isForeign(request)) return foreign;
    return isCsrfToken(request.headers['x-csrf-token'], token) ? found : noCsrfToken;
  }

  async #unlessStranger(from: string, find: () => Promise<Found>): Promise<Found> {
    const [address, now] = [networkOf(from), this.#people!.now()];
    const waitMs = this.#strangers.wait(address, now);
    if (waitMs > 0) {
      this.#onLockedOut();
      return { code: 'too-many-requests', detail: tooManyDetail, retryAfterSeconds: waitMs / 1000 };
    }
    const found = await find();
    if ('code' in found && found.code === 'unauthorized') this.#strangers.fail(address, now);
    return found;
  }
}

const tooManyDetail = 'Too many unknown credentials came from this address; wait before the next one.';
const unauthorized: Problem = {
  code: 'unauthorized',
  detail: 'Send a valid API key in the header x-api-key, or sign in.',
};
const ended: Problem = { code: 'unauthorized', detail: 'The session has ended; sign in again.' };
export const foreign: Problem = { code: 'cross-site', detail: 'Another site made this request.' };
const noCsrfToken: Problem = {
  code: 'cross-site',
  detail: 'With a session, what changes something needs the header x-csrf-token; GET /session says its value.',
};
