import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missing, query } from '../stores/conformance/test-database.js';
import { verifyJournal } from '../stores/postgres/journal-verification.js';
import { call, registration, TestDatabases } from './provisioning-call.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const cluster = 'cluster-key-of-this-test';
const ccid = 'canaries';
const key = `tenant-key-of-${ccid}`;
/** Persons; those with an even number are erased. `PERSONS=1000` is the long form (scenario S43). */
const persons = Number(process.env.PERSONS ?? 50);
const itemsEach = 3;
/** In everything that tells of a person who is erased, and in nothing else. */
const canary = (person: number, what: string) =>
  `${person % 2 === 0 ? 'canary-gone' : 'canary-stays'}-${person}-${what}`;
const isErased = (person: number) => person % 2 === 0;

function item(person: number, n: number): object {
  const isByEmail = n === 1;
  return {
    captureId: canary(person, `capture${n}`),
    businessValue: (person * 7 + n) % 11,
    ...(!isByEmail && { customerId: canary(person, 'id') }),
    attributes: {
      kind: 'noise',
      name: canary(person, 'name'),
      address: { street: canary(person, 'street'), city: 'Bath' },
      contacts: isByEmail ? [{ email: canary(person, 'mail') }] : [],
    },
  };
}

describe('personal data', { skip: missing('TEST_DATABASE_URL') }, () => {
  const databases = new TestDatabases();
  const admin = process.env.TEST_DATABASE_URL ?? '';
  const name = databases.name('people');
  const backup = databases.name('backup');
  const registry = databases.name('registry');
  const urlOf = (database: string) =>
    Object.assign(new URL(process.env.TEST_DATABASE_URL!), { pathname: `/${database}` }).href;
  const url = () => urlOf(name);
  let server: ServerProcess;
  let order: string[];
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await call(server, key, method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  };
  const queue = async (): Promise<string[]> =>
    (await ask('GET', '/queue?limit=1000')).body.items.map(({ id }: { id: string }) => id);

  before(async () => {
    await query(admin, `CREATE DATABASE "${registry}" TEMPLATE template0`);
    server = await startServerProcess({
      DATABASE_URL: urlOf(registry),
      IWD_CLUSTER_APIKEY: cluster,
      IWD_MASTER_KEY: randomBytes(32).toString('hex'),
      IWD_LOG_LEVEL: 'debug',
      IWD_SNAPSHOT_INTERVAL: 'PT1S',
    });
    const made = await call(server, cluster, 'POST', '/provisioning', registration(ccid, name));
    assert.equal(made.status, 200, made.text);
    await fill();
    order = await queue();
    await server.server.stop();
    await query(admin, `CREATE DATABASE "${backup}" TEMPLATE "${name}"`);
    await server.restart();
  });
  after(async () => {
    await server?.stop();
    await databases.drop();
  });

  async function fill(): Promise<void> {
    const { categories } = (await ask('GET', '/settings/categories')).body;
    const marks = { pii: ['name', 'address.street'], subjectKeys: ['attributes.contacts.email', 'captureId'] };
    await ask('PUT', '/settings/categories', {
      categories: categories.map((category: object) => ({ ...category, ...marks })),
    });
    for (let person = 0; person < persons; person++) {
      const items = Array.from({ length: itemsEach }, (_, n) => item(person, n));
      const { results } = (await ask('POST', '/workitems/bulk', items)).body;
      const [first, second, third] = results.map(({ id }: { id: string }) => id);
      const reason = canary(person, 'reason');
      if (person % 5 < 2) await ask('POST', `/workitems/${first}/hold`, { reason });
      const resultCode = canary(person, 'code');
      if (person % 5 === 2) await ask('POST', `/workitems/${second}/complete`, { reason, resultCode });
      if (person % 5 === 3) await ask('POST', `/workitems/${second}/reprioritize`, { priority: 7, reason });
      if (person % 5 > 3)
        await ask('PATCH', `/workitems/${third}`, { attributes: { name: canary(person, 'married') } });
      if (person % 10 === 6) await ask('DELETE', `/workitems/${third}`);
      if (person % 5 === 4) await bulkActions(person, [first, second]);
      // One caller may have 200 filters.
      if (person % 10 < 4 && person < 200) await filters(person);
      if (person % 4 === 0) {
        const headers = {
          'x-api-key': key,
          'content-type': 'application/json',
          'idempotency-key': canary(person, 'key'),
        };
        const body = JSON.stringify({ ...item(person, 0), captureId: canary(person, 'keyed') });
        assert.equal((await fetch(`${server.url}/iwd/v3/workitems`, { method: 'POST', headers, body })).status, 201);
      }
    }
  }

  /** One by ids and one by a filter, with an Idempotency-Key; both write a reason. */
  async function bulkActions(person: number, ids: string[]): Promise<void> {
    const filter = { field: 'customerId', op: 'eq', value: canary(person, 'id') };
    const started: string[] = [];
    for (const what of [{ ids }, { filter }]) {
      const reason = canary(person, 'bulk');
      const body = JSON.stringify({ action: 'hold', ...what, arguments: { reason } });
      const headers = {
        ...{ 'x-api-key': key, 'content-type': 'application/json' },
        'idempotency-key': canary(person, `bulk${started.length}`),
      };
      const answer = await fetch(`${server.url}/iwd/v3/bulk-actions`, { method: 'POST', headers, body });
      assert.equal(answer.status, 202);
      started.push(((await answer.json()) as { id: string }).id);
    }
    for (const id of started) {
      for (let state = 'running'; state === 'running'; ) state = (await ask('GET', `/bulk-actions/${id}`)).body.state;
    }
  }

  /** One under another name, one under the person's, one that was changed and removed. */
  async function filters(person: number): Promise<void> {
    const byName = { field: 'attributes.name', op: 'eq', value: canary(person, 'name') };
    const byId = { field: 'customerId', op: 'in', value: ['somebody', canary(person, 'id')] };
    const saved = { name: `Items of ${canary(person, 'id')}`, shared: true, filter: { or: [byId, { not: byName }] } };
    for (const id of [`filter-${person}`, canary(person, 'id'), `removed-${person}`]) {
      await ask('PUT', `/settings/filters/${id}`, saved);
    }
    await ask('PUT', `/settings/filters/removed-${person}`, { ...saved, name: 'now removed', filter: byName });
    await ask('DELETE', `/settings/filters/removed-${person}`);
  }

  /** Where the text is found: every column of every table of both databases, every file beside them, the log. */
  async function placesOf(text: string): Promise<string[]> {
    const hex = Buffer.from(text).toString('hex');
    const places: string[] = [];
    for (const databaseUrl of [url(), urlOf(registry)]) {
      const tables = await query(
        databaseUrl,
        `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('iwd', 'iwd_cluster')`,
      );
      for (const { name: table } of tables) {
        const [row] = await query(
          databaseUrl,
          `SELECT count(*)::int AS n FROM ${table} AS t WHERE position($1 IN t::text) > 0 OR position($2 IN t::text) > 0`,
          [text, hex],
        );
        if ((row!.n as number) > 0) places.push(`${table}: ${row!.n} rows`);
      }
    }
    for (const file of readdirSync(server.dataDir, { recursive: true, encoding: 'utf8' })) {
      const path = join(server.dataDir, file);
      try {
        if (readFileSync(path).includes(text)) places.push(path);
      } catch (error) {
        if (!['EISDIR', 'ENOENT', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
    if (server.server.output.includes(text)) places.push('log');
    return places;
  }

  async function seenByClients(): Promise<string> {
    const pages = [
      '/workitems?limit=1000',
      '/queue?limit=1000',
      '/audit?limit=1000',
      '/settings/categories',
      '/settings/filters',
    ];
    pages.push('/bulk-actions?limit=1000');
    const texts = await Promise.all(pages.map(async (path) => (await ask('GET', path)).text));
    const histories: string[] = [];
    for (let from = 0; from < order.length; from += 50) {
      const some = order.slice(from, from + 50);
      histories.push(
        ...(await Promise.all(some.map(async (id) => (await ask('GET', `/workitems/${id}/history`)).text))),
      );
    }
    return [...texts, ...histories].join('\n');
  }

  test('before anything is erased the canaries are where they are looked for', async () => {
    const places = (await placesOf('canary-gone')).join();
    const items = ['iwd.work_item:', 'iwd.work_item_history', 'iwd.journal', 'iwd.idempotency_key'];
    for (const table of [...items, 'iwd.saved_filter', 'iwd.bulk_action', 'iwd.tenant_history', 'snapshot']) {
      assert.ok(places.includes(table), `${table} ${places}`);
    }
  });

  test('an export is complete', async () => {
    for (const person of [0, 1]) {
      const { items } = (await ask('POST', `/subjects/${canary(person, 'id')}/export`, {})).body;
      const { items: byMail } = (await ask('POST', `/subjects/${canary(person, 'mail')}/export`, {})).body;
      assert.equal(items.length, person === 0 ? itemsEach : itemsEach - 1);
      assert.equal(byMail.length, 1);
      assert.match(JSON.stringify(items), new RegExp(canary(person, 'street')));
    }
    const said = async (person: number) => (await ask('POST', `/subjects/${canary(person, 'id')}/export`, {})).body;
    assert.deepEqual(
      (await said(2)).savedFilters.map(({ id }: { id: string }) => id).sort(),
      [canary(2, 'id'), 'filter-2'].sort(),
    );
    assert.equal((await said(4)).bulkActions.length, 1);
  });

  test('erased persons are in no table, no file, no log and no answer; the queue stays, and so does everybody else', async () => {
    for (let person = 0; person < persons; person++) {
      if (!isErased(person)) continue;
      const { stores } = (await ask('POST', `/subjects/${canary(person, 'id')}/erase`, {})).body;
      assert.ok(stores.workItem.items >= 1);
      await ask('POST', `/subjects/${canary(person, 'mail')}/erase`, {});
    }
    assert.deepEqual(await placesOf('canary-gone'), []);
    assert.ok(!(await seenByClients()).includes('canary-gone'));
    assert.deepEqual(await queue(), order);
    const places = (await placesOf('canary-stays')).join();
    for (const table of [
      'iwd.work_item:',
      'iwd.work_item_history',
      'iwd.journal',
      'iwd.saved_filter',
      'iwd.bulk_action',
    ]) {
      assert.ok(places.includes(table), `${table} ${places}`);
    }
    const report = await verifyJournal(url(), []);
    assert.equal(report.firstBreak, undefined);
    assert.ok(report.erasedRows > 0);
    assert.equal(report.notErasedRows, 0);
  });

  test('they stay erased when the database comes back from a backup', async () => {
    await server.server.stop();
    await query(admin, `DROP DATABASE "${name}"`);
    await query(admin, `ALTER DATABASE "${backup}" RENAME TO "${name}"`);
    assert.ok((await placesOf('canary-gone')).length > 0, 'the backup was made before');
    await server.restart();
    assert.deepEqual(await queue(), order, 'the first answer');
    assert.deepEqual(await placesOf('canary-gone'), []);
    assert.ok(!(await seenByClients()).includes('canary-gone'));
    assert.equal((await verifyJournal(url(), [])).firstBreak, undefined);
  });
});
