import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { missing } from '../stores/conformance/test-database.js';
import { hour, password, peopleWorld } from '../tests/people-world.js';
import { itemId } from './scripted-engine.js';

const item = `/workitems/${itemId}`;

describe('sessions', { skip: missing('TEST_DATABASE_URL') }, () => {
  const world = peopleWorld();
  beforeEach(async () => {
    if (world.people) await world.query('DELETE FROM iwd_cluster.person');
    world.engine.asked.length = 0;
    // Far enough for what an earlier test has failed to be forgotten.
    world.clock.now += 24 * hour;
  });
  const codeOf = (response: { json(): unknown }) => (response.json() as { code: string }).code;

  test('a person signs in, is told who they are, acts under their own name, and signs out', async () => {
    await world.add({ name: 'Ada', roles: ['IWD Supervisor'] });
    const browser = world.browser();
    const signedIn = await browser.signIn('ada', password, 'acme.example');
    assert.equal(signedIn.statusCode, 200, signedIn.body);
    const cookie = String(signedIn.headers['set-cookie']);
    assert.match(cookie, /^iwd-session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax$/);
    const session = (await browser.ask('GET', '/session')).json() as Record<string, unknown>;
    assert.deepEqual(
      [session.kind, session.name, session.tenantId, session.csrfToken],
      ['user', 'Ada', 'acme', browser.csrfToken],
    );
    assert.ok((session.privileges as string[]).includes('iWD.Workitems.Hold.canExecute'));
    assert.equal((await browser.ask('POST', `${item}/hold`, {})).statusCode, 200);
    assert.deepEqual([world.engine.asked[0]!.tenantId, world.engine.last.by], ['acme', 'Ada']);
    const other = world.browser();
    other.cookies.set('iwd-session', browser.cookies.get('iwd-session')!);
    assert.equal((await browser.ask('DELETE', '/session')).statusCode, 204);
    assert.equal(browser.cookies.size, 0);
    assert.equal((await other.ask('GET', '/session')).statusCode, 401, 'the cookie was kept, the session is over');
  });

  test('what the roles do not allow is refused by name, and reaches nobody', async () => {
    await world.add({ name: 'ada', roles: ['IWD User'] });
    const browser = world.browser();
    await browser.signIn('ada');
    const refused = await browser.ask('POST', `${item}/hold`, {});
    assert.deepEqual([refused.statusCode, codeOf(refused)], [403, 'forbidden']);
    assert.equal((refused.json() as { privilege: string }).privilege, 'iWD.Workitems.Hold.canExecute');
    assert.equal(world.engine.asked.length, 0);
  });

  test('an agent takes work under the own name only, whoever may assign takes it for others', async () => {
    await world.add({ name: 'ada', roles: ['Agent'] });
    await world.add({ name: 'boss', roles: ['Administrator'] });
    const [agent, boss] = [world.browser(), world.browser()];
    await agent.signIn('ada');
    await boss.signIn('boss');
    const other = await agent.ask('POST', '/workitems/next', { agentId: 'bob' });
    assert.deepEqual([other.statusCode, codeOf(other)], [403, 'forbidden']);
    assert.equal(world.engine.asked.length, 0);
    assert.equal((await agent.ask('POST', '/workitems/next', { agentId: 'ada' })).statusCode, 200);
    assert.equal((await boss.ask('POST', '/workitems/next', { agentId: 'bob' })).statusCode, 200);
  });

  test('a wrong password, a wrong name, a wrong tenant and a disabled person get the same answer', async () => {
    const { id } = await world.add({ name: 'ada' });
    await world.add({ name: 'bob', password: null });
    const browser = world.browser();
    const answers = [
      await browser.signIn('ada', 'wrong'),
      await browser.signIn('nobody'),
      await browser.signIn('bob'),
      await browser.signIn('ada', password, 'umbrella'),
      await browser.signIn('ada', password, 'nowhere'),
    ];
    await world.people.changePerson('acme', id, { disabled: true }, { by: 'test', from: '' });
    answers.push(await browser.signIn('ada'));
    for (const { statusCode, body } of answers) assert.deepEqual([statusCode, body], [401, answers[0]!.body]);
    assert.equal(browser.cookies.size, 0);
  });

  test('what changes something needs the token of this very session', async () => {
    await world.add({ name: 'ada', roles: ['IWD Supervisor'] });
    const [browser, other] = [world.browser(), world.browser()];
    await browser.signIn('ada');
    await other.signIn('ada');
    const tokens = [undefined, '', 'x', other.csrfToken, `${browser.csrfToken}x`, browser.csrfToken!.toLowerCase()];
    const own = browser.csrfToken;
    for (const token of tokens) {
      browser.csrfToken = token;
      const refused = await browser.ask('POST', `${item}/hold`, {});
      assert.deepEqual([refused.statusCode, codeOf(refused)], [403, 'cross-site'], String(token));
    }
    assert.equal((await browser.ask('GET', item)).statusCode, 200, 'reading needs none');
    browser.csrfToken = own;
    assert.equal((await browser.ask('POST', `${item}/hold`, {})).statusCode, 200);
  });

  test('another site can neither use a session nor plant one, even with the right token', async () => {
    await world.add({ name: 'ada', roles: ['IWD Supervisor'] });
    const browser = world.browser();
    const marks: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://iwd.example.evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const mark of marks) {
      const refused = await browser.ask('POST', '/session', { name: 'ada', password }, mark);
      assert.deepEqual([refused.statusCode, codeOf(refused)], [403, 'cross-site'], JSON.stringify(mark));
    }
    await browser.signIn('ada');
    for (const mark of marks) {
      const refused = await browser.ask('POST', `${item}/hold`, {}, mark);
      assert.deepEqual([refused.statusCode, codeOf(refused)], [403, 'cross-site'], JSON.stringify(mark));
    }
    const own = { origin: 'https://iwd.example', 'sec-fetch-site': 'same-origin' };
    assert.equal((await browser.ask('POST', `${item}/hold`, {}, own)).statusCode, 200);
  });

  test('a form, which another site could send without asking, cannot sign anybody in', async () => {
    await world.add({ name: 'ada' });
    const refused = await world.server.inject({
      method: 'POST',
      url: '/iwd/v3/session',
      headers: { 'content-type': 'text/plain' },
      payload: JSON.stringify({ name: 'ada', password }),
    });
    assert.equal(refused.statusCode, 415);
  });

  test('a session ends after half an hour without use, and after twelve hours whatever its use', async () => {
    await world.add({ name: 'ada' });
    const browser = world.browser();
    await browser.signIn('ada');
    for (let minutes = 0; minutes < 12 * 60 - 20; minutes += 20) {
      world.clock.now += 20 * 60_000;
      assert.equal((await browser.ask('GET', item)).statusCode, 200, `after ${minutes + 20} minutes`);
    }
    world.clock.now += 20 * 60_000;
    assert.equal((await browser.ask('GET', item)).statusCode, 401, 'twelve hours');
    await browser.signIn('ada');
    world.clock.now += 30 * 60_000;
    assert.equal((await browser.ask('GET', item)).statusCode, 401, 'half an hour');
    assert.deepEqual(await world.query('SELECT 1 FROM iwd_cluster.session'), []);
  });

  test('a new password, new roles and being disabled end the sessions, on other servers a moment later', async () => {
    const { id } = await world.add({ name: 'ada' });
    const other = world.another();
    const changes: object[] = [
      { password: 'another long sentence', roles: ['IWD User'] },
      { roles: ['IWD User', 'Agent'] },
      { roles: [], disabled: true },
    ];
    let known = password;
    for (const change of changes) {
      const browser = world.browser();
      assert.equal((await browser.signIn('ada', known)).statusCode, 200);
      const elsewhere = () =>
        other.inject({
          url: `/iwd/v3/session`,
          headers: { cookie: `iwd-session=${browser.cookies.get('iwd-session')}` },
        });
      assert.equal((await elsewhere()).statusCode, 200);
      const changed = await world.browser().ask('PUT', `/users/${id}`, change, { 'x-api-key': 'key-of-acme' });
      assert.equal(changed.statusCode, 200, changed.body);
      assert.equal((await browser.ask('GET', '/session')).statusCode, 401, JSON.stringify(change));
      world.clock.now += 5000;
      assert.equal((await elsewhere()).statusCode, 401, JSON.stringify(change));
      known = (change as { password?: string }).password ?? known;
    }
  });

  test('people change their own password with the old one, and must sign in again everywhere', async () => {
    await world.add({ name: 'ada' });
    const [browser, other] = [world.browser(), world.browser()];
    await browser.signIn('ada');
    await other.signIn('ada');
    const change = (current: string, next: string) =>
      browser.ask('POST', '/session/password', { current, password: next });
    assert.equal((await change('wrong', 'a new long sentence')).statusCode, 401);
    const weak = await change(password, 'adaadaadaada');
    assert.deepEqual(
      [weak.statusCode, (weak.json() as { errors: { pointer: string }[] }).errors[0]!.pointer],
      [...[400, '/password']],
    );
    assert.equal((await change(password, 'short')).statusCode, 400);
    assert.equal((await change(password, 'a new long sentence')).statusCode, 204);
    assert.equal((await other.ask('GET', '/session')).statusCode, 401);
    assert.equal((await browser.signIn('ada', password)).statusCode, 401);
    assert.equal((await browser.signIn('ada', 'a new long sentence')).statusCode, 200);
    const byKey = await world
      .browser()
      .ask('POST', '/session/password', { current: password, password }, { 'x-api-key': 'key-of-acme' });
    assert.equal(byKey.statusCode, 403, 'a key has no password');
  });

  test('guessing one account is slowed down more and more, and the right password does not help before its time', async () => {
    await world.add({ name: 'ada' });
    const browser = world.browser();
    for (let n = 0; n < 5; n++) assert.equal((await browser.signIn('ADA', `guess ${n}`)).statusCode, 401);
    const waits: number[] = [];
    for (let n = 0; n < 8; n++) {
      const held = await browser.signIn('ada', password);
      assert.deepEqual([held.statusCode, codeOf(held)], [429, 'too-many-requests']);
      waits.push(Number(held.headers['retry-after']));
      world.clock.now += waits.at(-1)! * 1000;
      assert.equal((await browser.signIn('ada', 'guess')).statusCode, 401);
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    await world.add({ name: 'bob' });
    assert.equal((await browser.signIn('bob')).statusCode, 200, 'others are not held up');
    world.clock.now += 60_000;
    assert.equal((await browser.signIn('ada')).statusCode, 200);
    assert.equal((await browser.signIn('ada', 'guess')).statusCode, 401, 'and the count begins anew');
    assert.equal((await browser.signIn('ada')).statusCode, 200);
  });

  test('guesses at once count each', async () => {
    await world.add({ name: 'ada' });
    const browser = world.browser();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => browser.signIn('ada', `guess ${n}`)));
    const checked = answers.filter(({ statusCode }) => statusCode === 401).length;
    assert.equal(checked, 5);
  });

  test('one address that tries many accounts is slowed down too', async () => {
    const browser = world.browser();
    let checked = 0;
    for (let n = 0; n < 30; n++) checked += (await browser.signIn(`nobody ${n}`)).statusCode === 401 ? 1 : 0;
    assert.equal(checked, 21);
  });

  test('a wrong key or token is refused although the cookie beside it is good', async () => {
    await world.add({ name: 'ada' });
    const browser = world.browser();
    await browser.signIn('ada');
    for (const headers of [
      { 'x-api-key': 'wrong' },
      { authorization: 'Bearer a.b.c' },
      { authorization: 'Basic eDp5' },
    ]) {
      assert.equal((await browser.ask('GET', item, undefined, headers as never)).statusCode, 401);
    }
    const both = await browser.ask('GET', '/session', undefined, { 'x-api-key': 'key-of-umbrella' });
    const { kind, tenantId, csrfToken } = both.json() as Record<string, unknown>;
    assert.deepEqual([kind, tenantId, csrfToken], ['key', 'umbrella', undefined]);
  });

  test('an address that shows many unknown sessions is not looked up for ever', async () => {
    const browser = world.browser();
    const codes: number[] = [];
    const blacklisted = async () => {
      const { body } = await world.server.inject({ url: '/metrics' });
      return Number(/^iwd_api_blacklist (\d+)$/m.exec(body)![1]);
    };
    const before = await blacklisted();
    for (let n = 0; n < 60; n++) {
      browser.cookies.set('iwd-session', Buffer.from(String(n).padEnd(32, '-')).toString('base64url').slice(0, 43));
      codes.push((await browser.ask('GET', item)).statusCode);
    }
    assert.equal(codes.indexOf(429), 51);
    const refused = codes.filter((code) => code === 429).length;
    assert.equal((await blacklisted()) - before, refused);
    // A password that is tried too often is another lock, counted by the same name.
    await world.add({ name: 'ada' });
    const guesses: number[] = [];
    for (let n = 0; n < 8; n++) guesses.push((await browser.signIn('ada', 'wrong')).statusCode);
    const held = guesses.filter((code) => code === 429).length;
    assert.deepEqual([held > 0, (await blacklisted()) - before], [true, refused + held]);
  });

  test('neither token nor password stands anywhere in the registry', async () => {
    await world.add({ name: 'ada' });
    const browser = world.browser();
    await browser.signIn('ada');
    const token = browser.cookies.get('iwd-session')!;
    const rows = await world.query(
      'SELECT row_to_json(s)::text AS a FROM iwd_cluster.session s UNION ALL SELECT row_to_json(p)::text FROM iwd_cluster.person p UNION ALL SELECT entry::text FROM iwd_cluster.audit',
    );
    const text = JSON.stringify(rows);
    const hex = Buffer.from(token, 'base64url').toString('hex');
    for (const secret of [token, hex, password, browser.csrfToken!]) assert.ok(!text.includes(secret));
    assert.ok(text.includes('$scrypt$ln='));
  });

  test('sign-ins and refusals are in the audit log', async () => {
    await world.add({ name: 'ada' });
    const browser = world.browser();
    await browser.signIn('ada', 'wrong', 'acme.example');
    await browser.signIn('ada');
    const rows = await world.query('SELECT entry::text FROM iwd_cluster.audit ORDER BY seq DESC LIMIT 2');
    const [signedIn, failed] = rows.map(({ entry }) => JSON.parse(entry as string) as Record<string, unknown>);
    assert.deepEqual(signedIn, { type: 'signedIn', by: 'ada', from: '127.0.0.1', tenantId: 'acme' });
    assert.deepEqual([failed!.type, failed!.by, failed!.tenantId], ['signInFailed', 'ada', 'acme']);
  });
});

describe('sessions where browsers come by https', { skip: missing('TEST_DATABASE_URL') }, () => {
  const world = peopleWorld(() => ({ publicUrl: 'https://iwd.example' }));

  test('the cookie is one that only this host can set, and only https carries', async () => {
    await world.add({ name: 'ada', roles: ['IWD Supervisor'] });
    const browser = world.browser();
    const cookie = String((await browser.signIn('ada')).headers['set-cookie']);
    assert.match(cookie, /^__Host-iwd-session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const plain = await browser.ask('POST', `${item}/hold`, {}, { origin: 'http://iwd.example' });
    assert.equal(plain.statusCode, 403, 'a page that came without TLS is another site');
    assert.equal((await browser.ask('POST', `${item}/hold`, {}, { origin: 'https://iwd.example' })).statusCode, 200);
  });
});
