import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { missing } from '../stores/conformance/test-database.js';
import { password, peopleWorld } from '../tests/people-world.js';
import { apiKeys } from './api-keys.js';
import { privileges } from './privilege.js';
import { builtInRoles } from './role.js';
import { buildServer } from './server.js';

type Json = Record<string, unknown>;

describe('people and roles', { skip: missing('TEST_DATABASE_URL') }, () => {
  const world = peopleWorld();
  beforeEach(async () => {
    if (!world.people) return;
    await world.query('DELETE FROM iwd_cluster.person');
    await world.query('DELETE FROM iwd_cluster.role');
  });

  const acme = (method: string, url: string, body?: unknown) =>
    world.browser().ask(method, url, body, { 'x-api-key': 'key-of-acme' });
  const umbrella = (method: string, url: string, body?: unknown) =>
    world.browser().ask(method, url, body, { 'x-api-key': 'key-of-umbrella' });
  const ada = { name: 'Ada', roles: ['IWD User'], password };

  test('a person is added, read, changed, listed and removed', async () => {
    const added = await acme('POST', '/users', { ...ada, displayName: 'Ada L.' });
    assert.equal(added.statusCode, 201, added.body);
    const person = added.json() as Json;
    assert.equal(added.headers.location, `/iwd/v3/users/${String(person.id)}`);
    const { id, createdDateTime, updatedDateTime, ...rest } = person;
    assert.deepEqual(rest, {
      ...{ name: 'Ada', displayName: 'Ada L.', roles: ['IWD User'] },
      ...{ disabled: false, hasPassword: true, external: false },
    });
    assert.deepEqual((await acme('GET', `/users/${String(id)}`)).json(), person);
    const changed = await acme('PUT', `/users/${String(id)}`, { roles: ['Agent'], displayName: null });
    assert.deepEqual(
      [(changed.json() as Json).roles, (changed.json() as Json).displayName, (changed.json() as Json).disabled],
      [['Agent'], null, false],
    );
    assert.equal((await acme('DELETE', `/users/${String(id)}`)).statusCode, 204);
    assert.equal((await acme('GET', `/users/${String(id)}`)).statusCode, 404);
    assert.equal((await acme('DELETE', `/users/${String(id)}`)).statusCode, 404);
  });

  test('the list goes through all people of the tenant in pages, and through nobody else', async () => {
    for (let n = 0; n < 7; n++) await world.add({ name: `person ${n}`, password: null });
    await world.add({ name: 'stranger', tenantId: 'umbrella', password: null });
    const names: unknown[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = (await acme('GET', `/users?limit=3${cursor && `&cursor=${cursor}`}`)).json() as {
        items: Json[];
        next: string | null;
      };
      names.push(...page.items.map(({ name }) => name));
      cursor = page.next;
    }
    assert.deepEqual(
      names,
      [0, 1, 2, 3, 4, 5, 6].map((n) => `person ${n}`),
    );
    assert.equal((await acme('GET', '/users?cursor=%00')).statusCode, 400);
  });

  test('bad bodies are refused with a pointer to the field, and add nobody', async () => {
    const cases: [Json, string][] = [
      [{ roles: [] }, '/name'],
      [{ ...ada, name: '' }, '/name'],
      [{ ...ada, name: ' a' }, '/name'],
      [{ ...ada, name: 'a\u0000' }, '/name'],
      [{ ...ada, name: 'a\nb' }, '/name'],
      [{ ...ada, name: 'x'.repeat(129) }, '/name'],
      [{ ...ada, password: 'short' }, '/password'],
      [{ ...ada, password: 'I am Ada indeed' }, '/password'],
      [{ ...ada, roles: ['Boss'] }, '/roles/0'],
      [{ ...ada, roles: 'Agent' }, '/roles'],
      [{ ...ada, roles: ['Agent', 'Agent'] }, '/roles'],
      [{ ...ada, tenantId: 'umbrella' }, '/tenantId'],
    ];
    for (const [body, pointer] of cases) {
      const refused = await acme('POST', '/users', body);
      assert.equal(refused.statusCode, 400, JSON.stringify(body));
      assert.equal((refused.json() as { errors: Json[] }).errors[0]!.pointer, pointer, refused.body);
    }
    assert.deepEqual(((await acme('GET', '/users')).json() as Json).items, []);
  });

  test('two people of one tenant cannot have one name, whatever the case', async () => {
    assert.equal((await acme('POST', '/users', ada)).statusCode, 201);
    const taken = await acme('POST', '/users', { ...ada, name: 'ADA' });
    assert.deepEqual([taken.statusCode, (taken.json() as Json).code], [409, 'conflict']);
    assert.equal((await umbrella('POST', '/users', ada)).statusCode, 201);
  });

  test('another tenant’s people and roles are not there', async () => {
    const { id } = await world.add({ name: 'ada' });
    await acme('PUT', '/roles/night', { privileges: ['iWD.Next.canExecute'] });
    for (const [method, url, body] of [
      ['GET', `/users/${id}`],
      ['PUT', `/users/${id}`, { roles: [] }],
      ['DELETE', `/users/${id}`],
      ['GET', '/roles/night'],
      ['DELETE', '/roles/night'],
    ] as const) {
      assert.equal((await umbrella(method, url, body)).statusCode, 404, `${method} ${url}`);
    }
    assert.equal((await umbrella('PUT', '/roles/night', { privileges: [] })).statusCode, 201, 'one of its own');
    const own = (await acme('GET', '/roles/night')).json() as Json;
    assert.deepEqual(own, { name: 'night', builtIn: false, privileges: ['iWD.Next.canExecute'] });
    assert.equal((await acme('GET', `/users/${id}`)).statusCode, 200);
  });

  test('an own role gives what it says, until it is changed; one that somebody has stays', async () => {
    const wanted = ['iWD.Workitems.canRead', 'iWD.Next.canExecute'];
    assert.equal((await acme('PUT', '/roles/Night%20shift', { privileges: wanted })).statusCode, 201);
    const { id } = await world.add({ name: 'ada', roles: ['Night shift'] });
    const browser = world.browser();
    await browser.signIn('ada');
    const { privileges: given } = (await browser.ask('GET', '/session')).json() as Json;
    assert.deepEqual(given, [...wanted].sort());
    assert.equal((await acme('PUT', '/roles/Night%20shift', { privileges: [] })).statusCode, 200);
    assert.equal((await browser.ask('GET', '/session')).statusCode, 401, 'the session has ended');
    await browser.signIn('ada');
    assert.deepEqual(((await browser.ask('GET', '/session')).json() as Json).privileges, []);
    assert.equal((await acme('DELETE', '/roles/Night%20shift')).statusCode, 409);
    await acme('PUT', `/users/${id}`, { roles: [] });
    assert.equal((await acme('DELETE', '/roles/Night%20shift')).statusCode, 204);
    assert.equal((await acme('GET', '/roles/Night%20shift')).statusCode, 404);
  });

  test('built-in roles are listed with what they allow, and cannot be changed', async () => {
    const { roles } = (await acme('GET', '/roles')).json() as { roles: Json[] };
    assert.deepEqual(
      roles.map(({ name, builtIn }) => [name, builtIn]),
      [...builtInRoles.keys()].map((name) => [name, true]),
    );
    assert.deepEqual(roles.find(({ name }) => name === 'Administrator')!.privileges, privileges);
    for (const name of builtInRoles.keys()) {
      const url = `/roles/${encodeURIComponent(name)}`;
      assert.equal((await acme('PUT', url, { privileges: [] })).statusCode, 409);
      assert.equal((await acme('DELETE', url)).statusCode, 409);
    }
    const unknown = await acme('PUT', '/roles/x', { privileges: ['iWD.Everything'] });
    assert.equal(unknown.statusCode, 400);
    assert.equal((await acme('PUT', '/roles/%20x', { privileges: [] })).statusCode, 400);
  });

  test('nobody gives, or lays hands on, more than they have themselves', async () => {
    await acme('PUT', '/roles/clerk', {
      privileges: ['iWD.Users.canRead', 'iWD.Users.canUpdate', 'iWD.Workitems.canRead'],
    });
    await acme('PUT', '/roles/night', { privileges: ['iWD.Next.canExecute'] });
    await acme('PUT', '/roles/reader', { privileges: ['iWD.Workitems.canRead'] });
    await world.add({ name: 'clerk', roles: ['clerk'] });
    const boss = await world.add({ name: 'boss', roles: ['Administrator'] });
    const other = await world.add({ name: 'other', roles: ['reader'] });
    const clerk = world.browser();
    await clerk.signIn('clerk');
    const refused: [string, string, unknown?][] = [
      ['POST', '/users', { ...ada, roles: ['Administrator'] }],
      ['PUT', `/users/${other.id}`, { roles: ['night'] }],
      ['PUT', `/users/${boss.id}`, { roles: ['Administrator'], password: 'a password of my own' }],
      ['PUT', `/users/${boss.id}`, { roles: [] }],
      ['DELETE', `/users/${boss.id}`],
      ['PUT', '/roles/clerk', { privileges: ['iWD.Users.canUpdate', 'iWD.Keys.canUpdate'] }],
      ['PUT', '/roles/night', { privileges: [] }],
      ['DELETE', '/roles/night'],
    ];
    for (const [method, url, body] of refused) {
      const answer = await clerk.ask(method, url, body);
      assert.deepEqual([answer.statusCode, (answer.json() as Json).code], [403, 'forbidden'], `${method} ${url}`);
    }
    assert.equal((await clerk.ask('POST', '/users', { ...ada, roles: ['reader'] })).statusCode, 201);
    assert.equal((await clerk.ask('PUT', `/users/${other.id}`, { roles: ['clerk'] })).statusCode, 200);
    assert.equal((await clerk.ask('DELETE', `/users/${other.id}`)).statusCode, 204);
  });

  test('a change that changes no rights leaves the sessions alone', async () => {
    const { id } = await world.add({ name: 'ada' });
    const browser = world.browser();
    await browser.signIn('ada');
    await acme('PUT', `/users/${id}`, { roles: ['IWD User'], displayName: 'Ada L.', disabled: false });
    assert.equal((await browser.ask('GET', '/session')).statusCode, 200);
  });

  test('a front without a registry of people says so, and keys work as before', async () => {
    const keysOnly = buildServer({
      engine: world.engine,
      loop: { p99Ms: () => 0 },
      tenants: apiKeys([{ key: 'k', tenantId: 'acme', name: 'n' }]),
    });
    const ask = (method: 'GET' | 'POST', url: string, payload?: object) =>
      keysOnly.inject({ method, url: `/iwd/v3${url}`, headers: { 'x-api-key': 'k' }, ...(payload && { payload }) });
    assert.equal((await ask('GET', '/users')).statusCode, 404);
    assert.equal((await ask('POST', '/session', { name: 'a', password })).statusCode, 404);
    assert.deepEqual((await ask('GET', '/session/methods')).json(), { password: false, oidc: false });
    assert.equal((await ask('GET', '/session')).statusCode, 200);
    await keysOnly.close();
  });
});
