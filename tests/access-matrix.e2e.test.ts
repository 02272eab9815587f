import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { missing } from '../stores/conformance/test-database.js';
import { type Credential, expectedOf, faultOf, filled, hasName, type Row, rowsOf } from './access-cells.js';
import { canaryOf, Objects } from './access-objects.js';
import { type Reply, registration, TestDatabases } from './provisioning-call.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const clusterKey = 'cluster-key-of-the-matrix';
const password = 'a password for the whole matrix';
const tenants = ['acme', 'umbrella'] as const;
type TenantName = (typeof tenants)[number];
const otherOf = (tenant: TenantName): TenantName => (tenant === 'acme' ? 'umbrella' : 'acme');
const roleNames = ['IWD User', 'IWD Supervisor', 'IWD Business User', 'Administrator', 'Agent', 'nothing at all'];

describe('who may call what', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  let server: ServerProcess;
  let rows: Row[] = [];
  const credentials: Credential[] = [];
  const objects = {} as Record<TenantName, Objects>;
  /** Names of another tenant's things that a tenant has said itself: its own log repeats them. */
  const said = { acme: new Set<string>(), umbrella: new Set<string>() };

  before(async () => {
    server = await startServerProcess({ IWD_CLUSTER_APIKEY: clusterKey });
    const document = await fetch(`${server.url}/openapi.json`);
    rows = rowsOf(await document.json());
    credentials.push(
      { name: 'nobody', tenant: undefined, kind: 'none', headers: {} },
      { name: 'a wrong key', tenant: undefined, kind: 'none', headers: { 'x-api-key': 'no-such-key' } },
      { name: 'the cluster key', tenant: undefined, kind: 'cluster', headers: { 'x-api-key': clusterKey } },
    );
    for (const tenant of tenants) await addTenant(tenant);
  });
  after(async () => {
    await server?.stop();
    await databases.drop();
  });

  async function addTenant(tenant: TenantName): Promise<void> {
    const body = registration(tenant, databases.name(tenant));
    body.tenant.id = `short-${tenant}`;
    const cluster = find('the cluster key');
    const made = await ask({ method: 'POST', path: '/provisioning', media: 'application/json' }, cluster, body);
    assert.equal(made.status, 200, made.text);
    const { IWD_APIKEY_TENANT, IWD_APIKEY_IWDDM } = body.iwd.apiKeys;
    const key: Credential = {
      ...{ name: `key of ${tenant}`, tenant, kind: 'tenant' },
      headers: { 'x-api-key': IWD_APIKEY_TENANT },
    };
    credentials.push(key, {
      ...{ name: `data mart key of ${tenant}`, tenant, kind: 'datamart' },
      headers: { 'x-api-key': IWD_APIKEY_IWDDM },
    });
    objects[tenant] = new Objects(rows, tenant, (row, content) => ask(row, key, content));
    await addRevokedKey(tenant, key);
    await addPeople(tenant, key);
  }

  async function addRevokedKey(tenant: TenantName, key: Credential): Promise<void> {
    const post = { method: 'POST', path: '/keys', media: 'application/json' };
    const { body } = await ask(post, key, { name: 'revoked' });
    await ask({ method: 'DELETE', path: `/keys/${body.id}`, media: undefined }, key);
    credentials.push({
      ...{ name: `revoked key of ${tenant}`, tenant: undefined, kind: 'none' },
      headers: { 'x-api-key': body.key },
    });
  }

  async function addPeople(tenant: TenantName, key: Credential): Promise<void> {
    const json = 'application/json';
    await ask({ method: 'PUT', path: '/roles/nothing%20at%20all', media: json }, key, { privileges: [] });
    const { roles } = (await ask({ method: 'GET', path: '/roles', media: undefined }, key)).body;
    for (const role of tenant === 'acme' ? roleNames : ['Administrator']) {
      const name = `${role} person`;
      await ask({ method: 'POST', path: '/users', media: json }, key, { name, password, roles: [role] });
      const nobody = find('nobody');
      const signedIn = await ask({ method: 'POST', path: '/session', media: json }, nobody, { tenant, name, password });
      assert.equal(signedIn.status, 200, signedIn.text);
      const cookie = signedIn.headers.getSetCookie()[0]!.split(';', 1)[0]!;
      const privileges = new Set<string>(roles.find((one: { name: string }) => one.name === role).privileges);
      const person = { tenant, kind: 'user', privileges } as const;
      const headers = { cookie, 'x-csrf-token': signedIn.body.csrfToken };
      credentials.push({ ...person, name: `${role} of ${tenant}`, headers });
      if (role !== 'Administrator') continue;
      const name2 = `${role} of ${tenant} without the token`;
      credentials.push({ ...person, name: name2, withoutCsrfToken: true, headers: { cookie } });
    }
  }

  function find(name: string): Credential {
    return credentials.find((one) => one.name === name)!;
  }

  async function ask(
    { method, path, media }: { method: string; path: string; media: string | undefined },
    { headers }: Pick<Credential, 'headers'>,
    body?: unknown,
  ): Promise<Reply> {
    const response = await fetch(`${server.url}/iwd/v3${path}`, {
      method,
      redirect: 'manual',
      headers: { ...headers, ...(body !== undefined && { 'content-type': media ?? 'application/json' }) },
      ...(body !== undefined && { body: media?.includes('json') ? JSON.stringify(body) : String(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  }

  /** Those that end a credential come last. */
  const inOrder = () => [...rows].sort((a, b) => Number(a.id === 'signOut') - Number(b.id === 'signOut'));

  test('every operation answers every credential as its declared access says', async () => {
    const faults: string[] = [];
    let cells = 0;
    for (const row of inOrder().filter(({ id }) => id !== 'signOut')) {
      const own = hasName(row) && row.access !== 'cluster' ? await objects.acme.make(row.path) : undefined;
      for (const credential of credentials) {
        cells += 1;
        const refused = !['open', 'allowed'].includes(expectedOf(row, credential));
        // Even what exists is refused; what may be called is called for something that does not exist.
        const name = refused && own !== undefined ? own : randomUUID();
        if (credential.tenant) said[credential.tenant].add(name);
        const reply = await ask({ ...row, path: filled(row.path, name) }, credential, row.body);
        const fault = faultOf(row, credential, reply.status, reply.text);
        if (fault) faults.push(fault);
        if (credential.tenant) faults.push(...foreignBytes(row, credential.tenant, reply.text));
      }
    }
    assert.deepEqual(faults, []);
    assert.equal(cells, (rows.length - 1) * credentials.length);
    assert.ok(
      rows.length > 40 && credentials.length >= 15,
      `${rows.length} operations, ${credentials.length} credentials`,
    );
  });

  function foreignBytes(row: Row, tenant: TenantName, text: string): string[] {
    const other = otherOf(tenant);
    const heard = text.replaceAll(/canary-\w+-\d+/g, (name) => (said[tenant].has(name) ? '*' : name));
    return heard.includes(canaryOf(other)) || heard.includes(`tenant-key-of-${other}`)
      ? [`${row.id} told ${tenant} something of ${other}: ${text.slice(0, 300)}`]
      : [];
  }

  test('what has a name is found by its own tenant, and another tenant’s is answered like one that was guessed', async () => {
    const faults: string[] = [];
    for (const row of rows.filter((one) => hasName(one) && one.access !== 'cluster')) {
      for (const credential of [find('key of acme'), find('Administrator of acme')]) {
        const [own, foreign] = [await objects.acme.make(row.path), await objects.umbrella.make(row.path)];
        if (own === undefined || foreign === undefined) {
          faults.push(`${row.id}: nothing in the API makes what ${row.path} names; teach tests/access-objects.ts`);
          break;
        }
        const answer = async (name: string) => {
          const reply = await ask({ ...row, path: filled(row.path, name) }, credential, row.body);
          return {
            status: reply.status,
            text: reply.text.replaceAll(encodeURIComponent(name), '*').replaceAll(name, '*'),
          };
        };
        said.acme.add(foreign);
        const guessed = await answer(neighbourOf(own));
        const theirs = await answer(foreign);
        const mine = await answer(own);
        const where = `${row.id} as ${credential.name}`;
        if (theirs.status !== guessed.status)
          faults.push(`${where}: ${theirs.status} ${theirs.text}, guessed ${guessed.status}`);
        if (theirs.status >= 400 && theirs.text !== guessed.text)
          faults.push(`${where}: ${theirs.text} is not ${guessed.text}`);
        if (mine.status === 404) faults.push(`${where}: its own is not found: ${mine.text}`);
        faults.push(...foreignBytes(row, 'acme', theirs.text));
      }
    }
    assert.deepEqual(faults, []);
  });

  /** A name beside the given one: ids are no secret, and guessing one must not help. */
  function neighbourOf(name: string): string {
    if (!/^[0-9a-f-]{36}$/.test(name)) return `${name}-neighbour`;
    return `${name.slice(0, -1)}${name.endsWith('0') ? '1' : '0'}`;
  }

  test('whatever acme has done, umbrella’s things are as they were', async () => {
    const key = find('key of umbrella');
    // The things themselves and what happened to them; explanations change with time.
    const reads = rows.filter(
      ({ method, access, path }) => method === 'GET' && access.startsWith('iWD.') && /\}(\/history)?$/.test(path),
    );
    const named: { path: string; before: string }[] = [];
    for (const row of reads) {
      const name = await objects.umbrella.make(row.path);
      const path = filled(row.path, name!);
      named.push({ path, before: stable(await settled(path, key)) });
    }
    for (const row of rows.filter((one) => hasName(one) && one.method !== 'GET' && one.access.startsWith('iWD.'))) {
      const collection = row.path.slice(0, row.path.indexOf('/{'));
      for (const { path } of named.filter(({ path }) => path.startsWith(`${collection}/`))) {
        const name = decodeURIComponent(path.slice(collection.length + 1).split('/', 1)[0]!);
        said.acme.add(name);
        await ask({ ...row, path: filled(row.path, name) }, find('key of acme'), row.body);
      }
    }
    for (const { path, before } of named) {
      const after = await ask({ method: 'GET', path, media: undefined }, key);
      assert.equal(stable(after), before, path);
    }
    assert.ok(named.length >= 4, String(named.length));
  });

  /** What it says once that which runs in the background has ended. */
  async function settled(path: string, key: Credential): Promise<Reply> {
    for (let tries = 0; tries < 1000; tries++) {
      const reply = await ask({ method: 'GET', path, media: undefined }, key);
      if (reply.body?.state !== 'running') return reply;
    }
    throw new Error(`${path} runs for ever`);
  }

  /** An answer without what time changes. */
  function stable({ status, text }: Reply): string {
    return `${status} ${text.replaceAll(/"priority":[\d.e+-]+/g, '')}`;
  }

  test('ids and cursors of another tenant inside bodies and queries reach nothing of it', async () => {
    const foreign = (await objects.umbrella.make('/workitems/{id}'))!;
    const [acme, umbrella] = [find('key of acme'), find('key of umbrella')];
    await objects.umbrella.make('/workitems/{id}');
    const faults: string[] = [];
    for (const row of rows.filter(({ access }) => access.startsWith('iWD.'))) {
      if (hasName(row)) continue;
      if (row.method === 'GET') {
        const page = await ask({ ...row, path: `${row.path}?limit=1` }, umbrella);
        const cursor = page.body?.next as string | null | undefined;
        if (!cursor) continue;
        const reply = await ask({ ...row, path: `${row.path}?cursor=${encodeURIComponent(cursor)}` }, acme);
        faults.push(...foreignBytes(row, 'acme', reply.text));
      } else if (row.body !== undefined) {
        const text = JSON.stringify(row.body).replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, foreign);
        const reply = await ask(row, acme, JSON.parse(text));
        faults.push(...foreignBytes(row, 'acme', reply.text));
      }
    }
    const { status, body } = await ask({ method: 'GET', path: `/workitems/${foreign}`, media: undefined }, umbrella);
    assert.deepEqual([status, body.status, body.version], [200, 'queued', 1]);
    const bulk = rows.find(({ path, method }) => path === '/bulk-actions' && method === 'POST')!;
    const started = await ask(bulk, acme, { action: 'hold', ids: [foreign], arguments: {} });
    assert.equal(started.status, 202, started.text);
    const ended = await settled(`/bulk-actions/${started.body.id}`, acme);
    assert.equal(ended.body.done, 0, ended.text);
    const item = await ask({ method: 'GET', path: `/workitems/${foreign}`, media: undefined }, umbrella);
    assert.deepEqual([item.body.status, item.body.version], ['queued', 1]);
    assert.deepEqual(faults, []);
  });

  test('signing out ends that session and no other, and needs the token as well', async () => {
    const row = rows.find(({ id }) => id === 'signOut')!;
    const [one, other] = [find('Administrator of acme'), find('Administrator of umbrella')];
    const without = await ask(row, find('Administrator of acme without the token'));
    assert.equal(without.body.code, 'cross-site');
    assert.equal((await ask(row, find('nobody'))).status, 401);
    assert.equal((await ask(row, one)).status, 204);
    const who = { method: 'GET', path: '/session', media: undefined };
    assert.equal((await ask(who, one)).status, 401);
    assert.equal((await ask(who, other)).status, 200);
  });
});
