import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';

/** Signatures by a private key that only the issuer has: never `none`, and never a secret that both sides know. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** How far the issuer's clock and ours may be apart. */
export const clockSkewSeconds = 60;
const answerMsMax = 5000;
const answerBytesMax = 256 * 1024;
/** How long what the issuer says of itself is believed, and how soon an issuer that was away is asked again. */
const believedMs = 3_600_000;
const retryMs = 5000;

export interface IssuerSettings {
  issuer: string;
  clientId: string;
  /** Without it the client is a public one, and PKCE is all that it shows. */
  clientSecret?: string;
  /** Whom a bearer token of an API call must be for. */
  audience: string;
  /** Where the issuer sends people back to. */
  redirectUrl: string;
}

interface Description {
  authorizationEndpoint: string;
  tokenEndpoint: string;
  /** `client_secret_post` instead of the usual header. */
  secretInBody: boolean;
  namesItself: boolean;
  keys: JWTVerifyGetKey;
}

/** The issuer does not answer, or answers what nobody can use: not the caller's fault. */
export class IssuerUnavailable extends Error {
  override name = 'IssuerUnavailable';
}

/** What was shown is not good; the message says why, and holds nothing of it. */
export class TokenRefused extends Error {
  override name = 'TokenRefused';
}

/** One OpenID Connect issuer, known by its discovery document. Every call has a time limit and a size limit. */
export class Issuer {
  readonly settings: IssuerSettings;
  readonly #now: () => number;
  #description: { at: number; known: Promise<Description> } | undefined;

  constructor(settings: IssuerSettings, now: () => number = Date.now) {
    this.settings = settings;
    this.#now = now;
  }

  /** Where to send a browser; `challenge` is the S256 digest of the verifier. */
  async authorizationUrl(ask: { state: string; nonce: string; challenge: string }): Promise<string> {
    const { authorizationEndpoint } = await this.#describe();
    const url = new URL(authorizationEndpoint);
    const { clientId, redirectUrl } = this.settings;
    const parameters = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUrl,
      scope: 'openid profile email',
      state: ask.state,
      nonce: ask.nonce,
      code_challenge: ask.challenge,
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Turns the code that came back into a verified identity. @param iss what the answer says of who gave it (RFC 9207). */
  async redeem(code: string, verifier: string, nonce: string, iss: string | undefined): Promise<JWTPayload> {
    const description = await this.#describe();
    if (iss === undefined ? description.namesItself : iss !== this.settings.issuer) {
      throw new TokenRefused('The answer comes from another issuer.');
    }
    const payload = await this.#verify(await this.#exchange(description, code, verifier), this.settings.clientId);
    if (payload.nonce !== nonce) throw new TokenRefused('The ID token belongs to another sign-in.');
    if (payload.azp !== undefined && payload.azp !== this.settings.clientId) {
      throw new TokenRefused('The ID token was given to another client.');
    }
    return payload;
  }

  /** Verifies a token that came with an API call. */
  verifyBearer(token: string): Promise<JWTPayload> {
    return this.#verify(token, this.settings.audience);
  }

  async #verify(token: string, audience: string): Promise<JWTPayload> {
    const { keys } = await this.#describe();
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: this.settings.issuer,
        audience,
        algorithms,
        clockTolerance: clockSkewSeconds,
        requiredClaims: ['sub', 'exp', 'iat'],
        currentDate: new Date(this.#now()),
      });
      return payload;
    } catch (error) {
      throw refusalOf(error);
    }
  }

  async #exchange({ tokenEndpoint, secretInBody }: Description, code: string, verifier: string): Promise<string> {
    const { clientId, clientSecret, redirectUrl } = this.settings;
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUrl,
      code_verifier: verifier,
    });
    const headers: Record<string, string> = { accept: 'application/json' };
    if (clientSecret === undefined || secretInBody) body.set('client_id', clientId);
    if (clientSecret !== undefined && secretInBody) body.set('client_secret', clientSecret);
    if (clientSecret !== undefined && !secretInBody) {
      // Both halves are form-encoded before they are joined (RFC 6749, 2.3.1).
      const pair = [clientId, clientSecret]
        .map((half) => new URLSearchParams({ v: half }).toString().slice(2))
        .join(':');
      headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    }
    const { status, json } = await fetchJson(tokenEndpoint, { method: 'POST', headers, body });
    if (status >= 400 && status < 500) throw new TokenRefused('The issuer does not take the code.');
    if (status !== 200 || typeof json.id_token !== 'string') {
      throw new IssuerUnavailable(`the issuer answered ${status} to the exchange of a code`);
    }
    return json.id_token;
  }

  /** Asked once for all who wait; one that failed is asked again after a pause. */
  #describe(): Promise<Description> {
    const now = this.#now();
    if (this.#description && now - this.#description.at < believedMs) return this.#description.known;
    const known = this.#discover();
    const description = { at: now, known };
    this.#description = description;
    known.catch(() => {
      description.at = now - believedMs + retryMs;
    });
    return known;
  }

  async #discover(): Promise<Description> {
    const { issuer } = this.settings;
    const { status, json } = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {});
    if (status !== 200) throw new IssuerUnavailable(`the issuer's description answered ${status}`);
    // Otherwise whoever serves this document could speak for any issuer.
    if (json.issuer !== issuer)
      throw new IssuerUnavailable('the issuer calls itself something else than IWD_OIDC_ISSUER');
    const methods = json.token_endpoint_auth_methods_supported;
    return {
      authorizationEndpoint: endpoint(json, 'authorization_endpoint'),
      tokenEndpoint: endpoint(json, 'token_endpoint'),
      secretInBody: Array.isArray(methods) && !methods.includes('client_secret_basic'),
      namesItself: json.authorization_response_iss_parameter_supported === true,
      keys: createRemoteJWKSet(new URL(endpoint(json, 'jwks_uri')), { timeoutDuration: answerMsMax }),
    };
  }
}

/** True for what may carry tokens: https, or this very machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname));
}

function endpoint(json: Record<string, unknown>, name: string): string {
  const url = json[name];
  if (typeof url === 'string' && isSafeUrl(url)) return url;
  throw new IssuerUnavailable(`the issuer's description has no usable ${name}`);
}

async function fetchJson(url: string, init: RequestInit): Promise<{ status: number; json: Record<string, unknown> }> {
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(answerMsMax) });
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += (part as Uint8Array).length;
      if (bytes > answerBytesMax) throw new Error('too long');
      parts.push(part as Uint8Array);
    }
    const json = JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
    return {
      status: response.status,
      json: typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {},
    };
  } catch (error) {
    throw new IssuerUnavailable('the issuer does not answer as one should', { cause: error });
  }
}

function refusalOf(error: unknown): Error {
  if (error instanceof errors.JWTExpired) return new TokenRefused('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new TokenRefused(`The token's claim ${error.claim} is not what is expected here.`);
  }
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) {
    return new IssuerUnavailable('the keys of the issuer cannot be had', { cause: error });
  }
  // The key set's answer was no key set, or not 200.
  if (error.code === 'ERR_JOSE_GENERIC' || error.code === 'ERR_JWKS_INVALID') {
    return new IssuerUnavailable('the keys of the issuer cannot be had', { cause: error });
  }
  return new TokenRefused('The token is not signed by the issuer, or is no token.');
}
