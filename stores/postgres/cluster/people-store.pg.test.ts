import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type NewPerson, PeopleUnavailable, type Person } from '../../../actors/ports/people.js';
import { missing, query, testDatabase } from '../../conformance/test-database.js';
import { clusterMigrations, migrate } from '../migrations.js';
import { PeopleConnection } from './people-connection.js';
import { PostgresPeople } from './people-store.js';
import { PostgresSessions } from './session-store.js';

const doer = { by: 'boss', from: '10.0.0.1' };
const ada: NewPerson = { tenantId: 'a', name: 'Ada', displayName: null, roles: ['IWD User'], password: '$scrypt$x' };
const hour = 3_600_000;

describe('people in Postgres', { skip: missing('TEST_DATABASE_URL') }, () => {
  const database = testDatabase();
  let connection: PeopleConnection;
  let people: PostgresPeople;
  let sessions: PostgresSessions;

  before(async () => {
    if (!database.url) return;
    await migrate(database.url, undefined, clusterMigrations);
    connection = new PeopleConnection(database.url);
    [people, sessions] = [new PostgresPeople(connection), new PostgresSessions(connection)];
  });
  after(() => connection?.close());
  beforeEach(async () => {
    await query(database.url, 'DELETE FROM iwd_cluster.tenant');
    await query(
      database.url,
      "INSERT INTO iwd_cluster.tenant (id, short_id, name) VALUES ('a', '1', 'acme'), ('b', '2', 'umbrella'), ('c', '9', 'umbrella')",
    );
  });

  const add = async (change: Partial<NewPerson> = {}) =>
    (await people.addPerson({ ...ada, ...change }, doer)) as Person;
  const openSession = async (person: Person, at = 1000, expiresAt = hour) => {
    const digest = randomBytes(32);
    await sessions.open(digest, person, at, expiresAt, '10.0.0.9');
    return digest;
  };
  const lastAudit = async () => {
    const rows = await query(database.url, 'SELECT entry::text FROM iwd_cluster.audit ORDER BY seq DESC LIMIT 1');
    return JSON.parse(rows[0]!.entry as string) as Record<string, unknown>;
  };

  test('a tenant is found by its id, its short id or its name, and by nothing that fits two', async () => {
    assert.deepEqual(await Promise.all(['a', '1', 'acme', 'b', '2'].map((called) => people.tenant(called))), [
      ...['a', 'a', 'a', 'b', 'b'],
    ]);
    assert.deepEqual(await Promise.all(['umbrella', '', 'x', "' OR 1=1"].map((called) => people.tenant(called))), [
      ...[undefined, undefined, undefined, undefined],
    ]);
  });

  test('a name is taken whatever its case, in its own tenant only', async () => {
    const first = await add();
    assert.deepEqual([first.name, first.roles, first.hasPassword, first.external], ['Ada', ['IWD User'], true, false]);
    assert.equal(await people.addPerson({ ...ada, name: 'aDA' }, doer), 'name-taken');
    assert.equal((await add({ tenantId: 'b' })).tenantId, 'b');
    assert.equal(await people.addPerson({ ...ada, tenantId: 'nobody' }, doer), 'no-tenant');
    assert.equal((await people.passwordOf('a', 'ADA'))?.password, '$scrypt$x');
    assert.equal(await people.passwordOf('c', 'Ada'), undefined);
  });

  test('nobody is found, changed or removed through another tenant', async () => {
    const { id } = await add();
    assert.equal(await people.person('b', id), undefined);
    assert.equal(await people.changePerson('b', id, { roles: ['Administrator'] }, doer), undefined);
    assert.equal(await people.removePerson('b', id, doer), false);
    assert.deepEqual((await people.person('a', id))?.roles, ['IWD User']);
  });

  test('people come in pages by name', async () => {
    for (const name of ['d', 'B', 'a', 'C']) await add({ name });
    const first = await people.people('a', 3);
    const rest = await people.people('a', 3, first.at(-1)!.name);
    assert.deepEqual(
      [...first, ...rest].map(({ name }) => name),
      ['a', 'B', 'C', 'd'],
    );
  });

  test('only the first person of a tenant is the first, however many servers start at once', async () => {
    const added = await Promise.all([1, 2, 3].map((n) => people.addFirstPerson({ ...ada, password: String(n) })));
    assert.equal(added.filter((one) => one !== undefined).length, 1);
    assert.equal(await people.addFirstPerson({ ...ada, name: 'other' }), undefined);
  });

  test('what own roles allow comes with the person, and a role in use cannot be removed', async () => {
    assert.equal(await people.putRole('a', 'night', ['iWD.Next.canExecute'], doer), 'created');
    const { id } = await add({ roles: ['night', 'gone'] });
    assert.deepEqual((await people.person('a', id))?.ownPrivileges, ['iWD.Next.canExecute']);
    assert.equal(await people.putRole('a', 'night', [], doer), 'updated');
    assert.deepEqual((await people.person('a', id))?.ownPrivileges, []);
    assert.equal(await people.removeRole('a', 'night', doer), 'in-use');
    assert.equal(await people.removeRole('b', 'night', doer), 'unknown');
    await people.changePerson('a', id, { roles: [] }, doer);
    assert.equal(await people.removeRole('a', 'night', doer), 'removed');
    assert.deepEqual(await people.roles('a'), []);
  });

  test('a tenant has a bounded number of roles', async () => {
    for (let n = 0; n < 100; n++) assert.equal(await people.putRole('a', `role ${n}`, [], doer), 'created');
    assert.equal(await people.putRole('a', 'one more', [], doer), 'too-many');
    assert.equal(await people.putRole('a', 'role 7', [], doer), 'updated');
  });

  test('new roles, a new password, being disabled or removed, and a changed role end the sessions of those concerned', async () => {
    await people.putRole('a', 'night', ['iWD.Next.canExecute'], doer);
    const ends = [
      (id: string) => people.changePerson('a', id, { roles: ['Agent'] }, doer),
      (id: string) => people.changePerson('a', id, { password: 'new' }, doer),
      (id: string) => people.changePerson('a', id, { disabled: true }, doer),
      (id: string) => people.removePerson('a', id, doer),
      () => people.putRole('a', 'night', [], doer),
    ];
    for (const [n, end] of ends.entries()) {
      const [one, other] = [await add({ name: `one ${n}`, roles: ['night'] }), await add({ name: `other ${n}` })];
      const [concerned, untouched] = [await openSession(one), await openSession(other)];
      await people.changePerson('a', one.id, { displayName: 'One' }, doer);
      assert.equal((await sessions.find(concerned))?.person.displayName, 'One');
      await end(one.id);
      assert.equal(await sessions.find(concerned), undefined, String(n));
      assert.ok(await sessions.find(untouched));
    }
  });

  test('a session that is one too many ends the oldest, and what has expired is forgotten', async () => {
    const person = await add();
    const digests: Buffer[] = [];
    for (let n = 0; n < 21; n++) digests.push(await openSession(person, 1000 + n));
    assert.equal(await sessions.find(digests[0]!), undefined);
    assert.ok(await sessions.find(digests[1]!));
    await sessions.touch(digests[1]!, 5000);
    assert.equal((await sessions.find(digests[1]!))?.usedAt, 5000);
    await sessions.touch(digests[1]!, 4000);
    assert.equal((await sessions.find(digests[1]!))?.usedAt, 5000);
    assert.equal(await sessions.forgetExpired(6000, 2000), 19);
    assert.ok(await sessions.find(digests[1]!));
    assert.equal(await sessions.forgetExpired(hour, hour * 2), 1);
  });

  test('the state of a sign-in is given once, even when two ask at once', async () => {
    const digest = randomBytes(32);
    const state = { nonce: 'n', verifier: 'v', returnTo: '/', expiresAt: hour };
    await sessions.keepState(digest, state);
    const other = new PeopleConnection(database.url);
    const taken = await Promise.all([sessions.takeState(digest), new PostgresSessions(other).takeState(digest)]);
    await other.close();
    assert.deepEqual(
      taken.filter((one) => one !== undefined),
      [state],
    );
  });

  test('somebody from the identity provider is one person however often, under a name that nobody else has', async () => {
    await add();
    const subject = { tenantId: 'a', subject: 'https://issuer 42', name: 'ada', displayName: 'Ada L.' };
    const first = (await people.signInSubject({ ...subject, roles: ['Agent'] })) as Person;
    assert.match(first.name, /^ada#[0-9a-f]{8}$/);
    assert.equal(first.external, true);
    const session = await openSession(first);
    const again = (await people.signInSubject({ ...subject, displayName: 'A.' })) as Person;
    assert.deepEqual([again.id, again.displayName, again.roles], [first.id, 'A.', ['Agent']]);
    assert.ok(await sessions.find(session), 'nothing was taken away');
    await people.signInSubject({ ...subject, roles: [] });
    assert.equal(await sessions.find(session), undefined, 'roles were taken away');
    assert.equal((await people.subject('a', subject.subject))?.id, first.id);
    assert.equal(await people.subject('b', subject.subject), undefined);
    assert.equal(await people.signInSubject({ ...subject, tenantId: 'nobody' }), 'no-tenant');
  });

  test('each change is in the audit log with who made it and from where, and without the password', async () => {
    const { id } = await add();
    assert.deepEqual(await lastAudit(), {
      ...{ type: 'personAdded', ...doer, tenantId: 'a' },
      details: { person: 'Ada', roles: ['IWD User'] },
    });
    await people.changePerson('a', id, { password: 'canary', disabled: true }, doer);
    const { details } = await lastAudit();
    assert.deepEqual(details, { person: 'Ada', disabled: true, passwordChanged: true });
    await people.putRole('a', 'night', ['iWD.Next.canExecute'], doer);
    assert.equal((await lastAudit()).type, 'rolePut');
    await people.removeRole('a', 'night', doer);
    assert.equal((await lastAudit()).type, 'roleRemoved');
    await people.removePerson('a', id, doer);
    assert.equal((await lastAudit()).type, 'personRemoved');
    await people.removePerson('a', randomUUID(), doer);
    await sessions.refused({ name: 'mallory', from: '10.9.9.9', tenantId: 'a' });
    assert.deepEqual(await lastAudit(), { type: 'signInFailed', by: 'mallory', from: '10.9.9.9', tenantId: 'a' });
    await openSession(await add({ name: 'Bob' }));
    assert.deepEqual(await lastAudit(), { type: 'signedIn', by: 'Bob', from: '10.0.0.9', tenantId: 'a' });
  });

  test('a database that is away is said so, and a later request finds it again', async () => {
    const away = new PeopleConnection('postgres://nobody@127.0.0.1:1/none');
    await assert.rejects(new PostgresPeople(away).tenant('a'), PeopleUnavailable);
    await assert.rejects(new PostgresPeople(away).addPerson(ada, doer), PeopleUnavailable);
    await away.close();
    await query(
      database.url,
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    assert.equal(await people.tenant('a'), 'a');
  });
});
