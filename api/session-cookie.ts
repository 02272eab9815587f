import type { FastifyReply, FastifyRequest } from 'fastify';

/** Cookies looked at in one request; browsers send at most some hundred. */
const pairsMax = 200;

/**
 * Cookies of sessions. Where browsers come by https the names begin with `__Host-`: the browser then takes the cookie
 * only with Secure, from this very host, for all of its paths, and no other host of the domain can put one in its place.
 */
export class SessionCookies {
  readonly #origin: string | undefined;

  /** @param publicUrl where browsers reach this server; without it the request's own host and scheme count. */
  constructor(publicUrl: string | undefined) {
    this.#origin = publicUrl && new URL(publicUrl).origin;
  }

  read(request: FastifyRequest, name: 'session' | 'sign-in'): string | undefined {
    const wanted = `${this.#nameOf(request, name)}=`;
    const pairs = request.headers.cookie?.split(';', pairsMax) ?? [];
    return pairs
      .find((pair) => pair.trimStart().startsWith(wanted))
      ?.trim()
      .slice(wanted.length);
  }

  /** @param value made of characters that a cookie takes as they are: ours are base64url. */
  write(
    request: FastifyRequest,
    reply: FastifyReply,
    name: 'session' | 'sign-in',
    value: string,
    maxAgeMs: number,
  ): void {
    const seconds = Math.floor(maxAgeMs / 1000);
    const secure = this.#isSecure(request) ? '; Secure' : '';
    const cookie = `${this.#nameOf(request, name)}=${value}; Max-Age=${seconds}; Path=/; HttpOnly${secure}; SameSite=Lax`;
    // Fastify adds a second one to the first.
    reply.header('set-cookie', cookie);
  }

  clear(request: FastifyRequest, reply: FastifyReply, name: 'session' | 'sign-in'): void {
    this.write(request, reply, name, '', 0);
  }

  /**
   * Whether a browser says that another site made this request. Programs say nothing of it, and need not: it only
   * matters where a cookie is the credential, or is about to be given.
   */
  isForeign(request: FastifyRequest): boolean {
    const { origin } = request.headers;
    const site = request.headers['sec-fetch-site'];
    if (site === 'cross-site' || site === 'same-site') return true;
    if (origin === undefined) return false;
    // Behind a proxy that ends TLS, only the public URL says which scheme the browser sees.
    return this.#origin ? origin !== this.#origin : origin.replace(/^https?:\/\//, '') !== request.host;
  }

  originOf(request: FastifyRequest): string {
    return this.#origin ?? `${request.protocol}://${request.host}`;
  }

  #isSecure(request: FastifyRequest): boolean {
    return this.originOf(request).startsWith('https:');
  }

  #nameOf(request: FastifyRequest, name: string): string {
    return this.#isSecure(request) ? `__Host-iwd-${name}` : `iwd-${name}`;
  }
}
