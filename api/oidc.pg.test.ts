import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import Provider from 'oidc-provider';
import { missing } from '../stores/conformance/test-database.js';
import { type Browser, password, peopleWorld } from '../tests/people-world.js';
import { itemId } from './scripted-engine.js';

type Json = Record<string, unknown>;

const item = `/workitems/${itemId}`;
const client = { id: 'iwd', secret: 'secret of the client, with + and % in it' };
const redirectUrl = 'https://iwd.example/iwd/v3/session/oidc/callback';

/** What the issuer says of whoever signs in; the tests change it. */
const claims: Record<string, Json> = {};
const keys = await generateKeyPair('RS256', { extractable: true });
const privateJwk: JWK = { ...(await exportJWK(keys.privateKey)), kid: 'test-key', use: 'sig', alg: 'RS256' };

/** A real OpenID Connect provider on the loopback. */
async function startIssuer(): Promise<{ issuer: string; server: Server }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [privateJwk] },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [redirectUrl],
        grant_types: ['authorization_code', 'client_credentials'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => true },
    cookies: { keys: ['cookies of a test'] },
    claims: { openid: ['sub', 'tenant', 'roles'], profile: ['name', 'preferred_username'], email: ['email'] },
    conformIdTokenClaims: false,
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, ...claims[id] }),
    }),
    extraTokenClaims: () => ({ tenant: 'acme', roles: ['Agent'] }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://iwd.example/api',
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'openid',
          audience: client.id,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  return { issuer, server };
}

/** A browser at the issuer: follows its redirects, fills in its forms, and stops where it is sent back to us. */
async function signInAtIssuer(url: string, login: string): Promise<string> {
  const cookies = new Map<string, string>();
  let next = url;
  let form: Record<string, string> | undefined;
  for (let steps = 0; steps < 12; steps++) {
    const response = await fetch(next, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      cookies.set(name!, value!);
    }
    form = undefined;
    const location = response.headers.get('location');
    if (location !== null) {
      next = new URL(location, next).href;
      if (next.startsWith(redirectUrl)) return next;
      continue;
    }
    const page = await response.text();
    assert.equal(response.status, 200, page);
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
    assert.ok(prompt, page);
    next = new URL(/action="([^"]+)"/.exec(page)![1]!, next).href;
    form = { prompt, login, password: 'any' };
  }
  throw new Error('the issuer never sent the browser back');
}

describe('sign-in through an identity provider', { skip: missing('TEST_DATABASE_URL') }, () => {
  let issuer = '';
  let issuerServer: Server;
  const shift = { ms: 0 };
  before(async () => {
    ({ issuer, server: issuerServer } = await startIssuer());
  });
  const oidc = () => ({
    ...{ issuer, redirectUrl, clientId: client.id, clientSecret: client.secret, audience: client.id },
    claims: { roles: 'roles', tenant: 'tenant' },
  });
  const world = peopleWorld(() => ({
    publicUrl: 'https://iwd.example',
    now: () => Date.now() + shift.ms,
    oidc: oidc(),
  }));
  after(() => issuerServer?.close());
  beforeEach(async () => {
    shift.ms = 0;
    claims.ada = { tenant: 'acme.example', roles: ['IWD Supervisor', 'Unheard of'], name: 'Ada Lovelace' };
    if (world.people) await world.query('DELETE FROM iwd_cluster.person');
  });

  /** Goes as far as the issuer's answer, which is not handed in yet. */
  async function toCallback(browser: Browser, login = 'ada', returnTo = ''): Promise<{ url: URL; begun: URL }> {
    const begun = await browser.ask('GET', `/session/oidc${returnTo && `?returnTo=${encodeURIComponent(returnTo)}`}`);
    assert.equal(begun.statusCode, 302, begun.body);
    const location = String(begun.headers.location);
    return { url: new URL(await signInAtIssuer(location, login)), begun: new URL(location) };
  }
  const handIn = (browser: Browser, url: URL) => browser.ask('GET', `/session/oidc/callback${url.search}`);
  const refusal = (response: { statusCode: number; json(): unknown }) => [
    response.statusCode,
    (response.json() as Json).code,
  ];

  test('somebody is sent there and back, and has the roles and the tenant that the issuer says', async () => {
    const browser = world.browser();
    const { url, begun } = await toCallback(browser, 'ada', '/queue?x=1');
    const asked = Object.fromEntries(begun.searchParams);
    assert.deepEqual(
      [asked.response_type, asked.client_id, asked.redirect_uri, asked.code_challenge_method, asked.scope],
      ['code', client.id, redirectUrl, 'S256', 'openid profile email'],
    );
    for (const secret of ['state', 'nonce', 'code_challenge']) assert.match(asked[secret]!, /^[\w-]{43}$/);
    const finished = await handIn(browser, url);
    assert.deepEqual([finished.statusCode, finished.headers.location], [302, '/queue?x=1'], finished.body);
    assert.deepEqual([...browser.cookies.keys()], ['__Host-iwd-session'], 'the state’s cookie is gone');
    const session = (await browser.ask('GET', '/session')).json() as Json;
    assert.deepEqual([session.name, session.tenantId, session.kind], ['ada', 'acme', 'user']);
    assert.ok((session.privileges as string[]).includes('iWD.Workitems.Hold.canExecute'));
    assert.ok(!(session.privileges as string[]).includes('iWD.Workitems.canCreate'));
    const [person] = await world.people.people('acme', 10);
    assert.deepEqual([person!.external, person!.hasPassword, person!.displayName], [true, false, 'Ada Lovelace']);
  });

  test('fewer roles at the next sign-in end the sessions that had more', async () => {
    const [first, second] = [world.browser(), world.browser()];
    await handIn(first, (await toCallback(first)).url);
    claims.ada = { tenant: 'acme', roles: ['IWD User'] };
    await handIn(second, (await toCallback(second)).url);
    assert.equal((await world.people.people('acme', 10)).length, 1);
    shift.ms = 6000;
    assert.equal((await first.ask('GET', '/session')).statusCode, 401);
    const { privileges } = (await second.ask('GET', '/session')).json() as Json;
    assert.ok(!(privileges as string[]).includes('iWD.Workitems.Hold.canExecute'));
  });

  test('without roles from the issuer, those that an administrator gave hold', async () => {
    claims.ada = { tenant: 'acme' };
    const browser = world.browser();
    await handIn(browser, (await toCallback(browser)).url);
    const [person] = await world.people.people('acme', 10);
    assert.deepEqual(person!.roles, []);
    await world.people.changePerson('acme', person!.id, { roles: ['Agent'] }, { by: 'test', from: '' });
    await handIn(browser, (await toCallback(browser)).url);
    const { privileges } = (await browser.ask('GET', '/session')).json() as Json;
    assert.ok((privileges as string[]).includes('iWD.Next.canExecute'));
  });

  test('an answer of the issuer counts once, in the browser that began, and not for ever', async () => {
    const browser = world.browser();
    const { url } = await toCallback(browser);
    assert.deepEqual(refusal(await handIn(world.browser(), url)), [401, 'unauthorized'], 'another browser');
    const state = browser.cookies.get('__Host-iwd-sign-in')!;
    assert.equal((await handIn(browser, url)).statusCode, 302);
    browser.cookies.set('__Host-iwd-sign-in', state);
    assert.deepEqual(refusal(await handIn(browser, url)), [401, 'unauthorized'], 'replayed');
    const late = world.browser();
    const { url: lateUrl } = await toCallback(late);
    shift.ms = 11 * 60_000;
    assert.deepEqual(refusal(await handIn(late, lateUrl)), [401, 'unauthorized'], 'after eleven minutes');
  });

  test('a changed state, code, verifier, nonce or issuer lets nobody in', async () => {
    const changes: [string, (url: URL) => unknown][] = [
      ['state', (url) => url.searchParams.set('state', 'x'.repeat(43))],
      ['no state', (url) => url.searchParams.delete('state')],
      ['code', (url) => url.searchParams.set('code', 'x'.repeat(43))],
      ['no code', (url) => url.searchParams.delete('code')],
      ['issuer', (url) => url.searchParams.set('iss', 'https://evil.example')],
      ['no issuer', (url) => url.searchParams.delete('iss')],
      ['error', (url) => url.searchParams.set('error', 'access_denied')],
      ['verifier', () => world.query("UPDATE iwd_cluster.sign_in_state SET verifier = repeat('x', 43)")],
      ['nonce', () => world.query("UPDATE iwd_cluster.sign_in_state SET nonce = 'another'")],
    ];
    for (const [what, change] of changes) {
      const browser = world.browser();
      const { url } = await toCallback(browser);
      await change(url);
      const refused = await handIn(browser, url);
      assert.deepEqual(refusal(refused), [401, 'unauthorized'], `${what}: ${refused.body}`);
      assert.ok(!browser.cookies.has('__Host-iwd-session'), what);
    }
    assert.deepEqual(await world.people.people('acme', 10), []);
  });

  test('nobody is sent to another site after signing in', async () => {
    for (const returnTo of ['https://evil.example', '//evil.example', '/\\evil.example', 'queue', '/\tx', '/a b']) {
      const refused = await world.browser().ask('GET', `/session/oidc?returnTo=${encodeURIComponent(returnTo)}`);
      assert.deepEqual(refusal(refused), [400, 'invalid-value'], returnTo);
    }
  });

  test('who has no tenant here, or may not sign in any more, is told so', async () => {
    for (const tenant of [undefined, 'nowhere', 7, '']) {
      claims.ada = { tenant, roles: ['Administrator'] };
      const browser = world.browser();
      assert.deepEqual(refusal(await handIn(browser, (await toCallback(browser)).url)), [403, 'forbidden']);
    }
    claims.ada = { tenant: 'acme', roles: ['Agent'] };
    const browser = world.browser();
    await handIn(browser, (await toCallback(browser)).url);
    const [person] = await world.people.people('acme', 10);
    await world.people.changePerson('acme', person!.id, { disabled: true }, { by: 'test', from: '' });
    assert.deepEqual(refusal(await handIn(browser, (await toCallback(browser)).url)), [401, 'unauthorized']);
    const token = await sign({ sub: 'ada' });
    assert.equal((await bearer(token)).statusCode, 401, 'not with a token either');
  });

  test('there are no passwords where there is an identity provider', async () => {
    await world.add({ name: 'bob' });
    assert.deepEqual(refusal(await world.browser().signIn('bob', password)), [403, 'forbidden']);
    const methods = await world.browser().ask('GET', '/session/methods');
    assert.deepEqual(methods.json(), { password: false, oidc: true });
  });

  const bearer = (token: string, method = 'GET', url = item) =>
    world.browser().ask(method, url, method === 'GET' ? undefined : {}, { authorization: `Bearer ${token}` });

  /** A token signed by the issuer's own key. */
  function sign(
    payload: JWTPayload & Json,
    header: { alg?: string; kid?: string } = {},
    key: Parameters<SignJWT['sign']>[0] = keys.privateKey,
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const whole = {
      iss: issuer,
      aud: client.id,
      iat: now,
      exp: now + 300,
      tenant: 'acme',
      roles: ['Agent'],
      ...payload,
    };
    return new SignJWT(whole).setProtectedHeader({ alg: 'RS256', kid: 'test-key', ...header }).sign(key);
  }

  test('a token of the issuer opens the API as whom it names, with nothing but a header', async () => {
    const token = await sign({ sub: 'bot-7', preferred_username: 'bot' });
    assert.equal((await bearer(token)).statusCode, 200);
    assert.deepEqual([world.engine.asked.at(-1)!.tenantId, world.engine.last.by], ['acme', 'bot']);
    assert.equal((await bearer(token, 'POST', `${item}/hold`)).statusCode, 200, 'no cookie, no CSRF token');
    assert.deepEqual(refusal(await bearer(token, 'POST', `${item}/cancel`)), [403, 'forbidden'], 'an agent’s role');
  });

  test('the access token that the issuer gives a program opens the API', async () => {
    const { token_endpoint } = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Json;
    const encoded = [client.id, client.secret].map(encodeURIComponent).join(':');
    const response = await fetch(String(token_endpoint), {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(encoded).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    const { access_token } = (await response.json()) as { access_token: string };
    assert.equal(access_token.split('.').length, 3);
    // Programs have no subject of their own: the issuer names the client.
    assert.equal((await bearer(access_token)).statusCode, 200);
  });

  test('a token of yesterday, of tomorrow, for somebody else, from somebody else, or forged in any way is refused', async () => {
    const now = Math.floor(Date.now() / 1000);
    const stranger = await generateKeyPair('RS256');
    const good = await sign({ sub: 'bot' });
    const [head, body, signature] = good.split('.') as [string, string, string];
    const unsigned = new UnsecuredJWT({ sub: 'bot', tenant: 'acme', roles: ['Administrator'] })
      .setIssuer(issuer)
      .setAudience(client.id)
      .setIssuedAt()
      .setExpirationTime('5m')
      .encode();
    const symmetric = (secret: string) => {
      const text = `${Buffer.from('{"alg":"HS256","kid":"test-key"}').toString('base64url')}.${body}`;
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    };
    const raised = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), roles: ['Administrator'] }),
    ).toString('base64url');
    const tokens: Record<string, string> = {
      expired: await sign({ sub: 'bot', exp: now - 61 }),
      'not yet valid': await sign({ sub: 'bot', nbf: now + 120 }),
      'another audience': await sign({ sub: 'bot', aud: 'another' }),
      'another issuer': await sign({ sub: 'bot', iss: 'https://evil.example' }),
      'no subject': await sign({ sub: undefined as unknown as string }),
      'no end': await sign({ sub: 'bot', exp: undefined as unknown as number }),
      'another key': await sign({ sub: 'bot' }, {}, stranger.privateKey),
      'an unknown key': await sign({ sub: 'bot' }, { kid: 'unknown' }, stranger.privateKey),
      'alg none': unsigned,
      'alg none with a signature': `${unsigned}${signature}`,
      'the client’s secret as key': symmetric(client.secret),
      'the public key as secret': symmetric(await exportSPKI(keys.publicKey)),
      'a changed body': `${head}.${raised}.${signature}`,
      'a cut signature': good.slice(0, -4),
      'no token': 'x.y.z',
    };
    for (const [what, token] of Object.entries(tokens)) {
      const refused = await bearer(token);
      assert.deepEqual(refusal(refused), [401, 'unauthorized'], `${what}: ${refused.body}`);
      assert.ok(!refused.body.includes(token), 'the answer does not repeat it');
    }
    assert.equal((await bearer(good)).statusCode, 200);
  });

  test('clocks may differ by a minute', async () => {
    const now = Math.floor(Date.now() / 1000);
    assert.equal((await bearer(await sign({ sub: 'bot', exp: now - 30 }))).statusCode, 200);
    assert.equal((await bearer(await sign({ sub: 'bot', nbf: now + 30, iat: now + 30 }))).statusCode, 200);
  });

  test('an issuer that is away is not the caller’s fault, and keys go on working', async () => {
    const closed = await startIssuer();
    closed.server.close();
    await once(closed.server, 'close');
    const other = world.another({ oidc: { ...oidc(), issuer: closed.issuer } });
    const begun = await other.inject({ url: '/iwd/v3/session/oidc' });
    assert.deepEqual(refusal(begun), [503, 'unavailable']);
    assert.ok(Number(begun.headers['retry-after']) > 0);
    const called = await other.inject({
      url: `/iwd/v3${item}`,
      headers: { authorization: `Bearer ${await sign({ sub: 'b' })}` },
    });
    assert.deepEqual(refusal(called), [503, 'unavailable']);
    assert.equal(
      (await other.inject({ url: `/iwd/v3${item}`, headers: { 'x-api-key': 'key-of-acme' } })).statusCode,
      200,
    );
  });

  test('a token’s person is looked up again soon, so that taking roles away is felt', async () => {
    const token = await sign({ sub: 'carol', roles: undefined });
    assert.equal((await bearer(token)).statusCode, 403, 'no roles yet');
    const person = (await world.people.people('acme', 10)).find(({ name }) => name === 'carol')!;
    await world.people.changePerson('acme', person.id, { roles: ['Agent'] }, { by: 'test', from: '' });
    shift.ms = 6000;
    assert.equal((await bearer(token)).statusCode, 200);
    await world.people.changePerson('acme', person.id, { disabled: true }, { by: 'test', from: '' });
    shift.ms = 12_000;
    assert.equal((await bearer(token)).statusCode, 401);
  });
});
