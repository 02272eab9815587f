import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ServerProcess, startServerProcess } from './server-process.js';

let server: ServerProcess;
before(async () => {
  server = await startServerProcess();
});
after(() => server?.stop());

const printed = /First administrator: (\S+), password (\S+)/;

function signIn(name: string, password: string): Promise<Response> {
  return fetch(`${server.url}/iwd/v3/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password }),
  });
}

test('the first start prints an administrator’s password, once; it is nowhere else, and holds after a restart', async () => {
  // The announcement comes right after the server is ready.
  await server.server.stop();
  const [, name, password] = printed.exec(server.server.output) ?? [];
  assert.ok(name && password, server.server.output);
  await server.restart();
  const signedIn = await signIn(name, password);
  const session = (await signedIn.json()) as { tenantId: string; privileges: string[] };
  assert.deepEqual([signedIn.status, session.tenantId], [200, 'demo']);
  assert.ok(session.privileges.includes('iWD.Users.canUpdate'));
  assert.equal((await signIn(name, `${password}x`)).status, 401);
  await server.server.stop();
  assert.doesNotMatch(server.server.output, printed);
  assert.ok(!server.server.output.includes(password));
});

test('with an identity provider nobody gets a password, and the server starts while the provider is away', async () => {
  const other = await startServerProcess({
    IWD_OIDC_ISSUER: 'http://127.0.0.1:9',
    IWD_OIDC_CLIENT_ID: 'iwd',
    IWD_PUBLIC_URL: 'https://iwd.example',
  });
  try {
    const methods = await fetch(`${other.url}/iwd/v3/session/methods`);
    assert.deepEqual(await methods.json(), { password: false, oidc: true });
    const begun = await fetch(`${other.url}/iwd/v3/session/oidc`, { redirect: 'manual' });
    assert.equal(begun.status, 503);
    const byKey = await fetch(`${other.url}/iwd/v3/queue`, { headers: { 'x-api-key': other.apiKey } });
    assert.equal(byKey.status, 200);
    await other.server.stop();
    assert.doesNotMatch(other.server.output, printed);
  } finally {
    await other.stop();
  }
});
