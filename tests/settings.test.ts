import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Request } from '../actors/request.js';
import { bodyOf, codeOf, create, encode, TenantWorld } from './tenant-world.js';

const categories = (rule: string) => [{ id: 'all', parent: null, name: 'All', rule, schema: 'flat' }];
const schemas = (priority: number) => [
  { id: 'flat', origin: 'created', mode: 'step', points: [{ offset: 'PT0S', priority }] },
];
const importing = (file: object, more: { dryRun?: boolean } = {}): Request => ({
  op: 'importSettings',
  body: encode(file),
  by: 'admin',
  ...more,
});
const versionsOf = (kind: 'categories' | 'prioritization', limit = 10, cursor?: string): Request => ({
  op: 'settingsVersions',
  kind,
  limit,
  cursor,
});

test('versions are listed newest first with who published them, page by page', async () => {
  const world = await new TenantWorld().start();
  for (let n = 1; n <= 5; n++) {
    const put: Request = {
      op: 'putSettings',
      kind: 'prioritization',
      body: encode({ schemas: schemas(n) }),
      by: `user-${n}`,
    };
    assert.equal(codeOf(await world.ask(put)), 200);
  }
  const first = bodyOf(await world.ask(versionsOf('prioritization', 2)));
  assert.deepEqual(
    first.items.map(({ version, by }: { version: number; by: string }) => [version, by]),
    [
      [5, 'user-5'],
      [4, 'user-4'],
    ],
  );
  const rest = bodyOf(await world.ask(versionsOf('prioritization', 10, first.next)));
  assert.deepEqual(
    rest.items.map(({ version }: { version: number }) => version),
    [3, 2, 1],
  );
  assert.equal(rest.next, null);
  assert.deepEqual(bodyOf(await world.ask(versionsOf('categories'))).items, []);
  assert.equal(codeOf(await world.ask(versionsOf('categories', 1, 'nonsense'))), 'invalid-cursor');
});

const ours = (file: { filters: { id: string }[] }) => ({
  ...file,
  filters: file.filters.filter(({ id }) => id === 'mine' || id === 'yours'),
});

test('what one tenant exports another imports, in one commit, and then both export the same', async () => {
  const source = await new TenantWorld().start();
  const filter = { and: [{ field: 'status', op: 'eq', value: 'queued' }] };
  const filters = ['mine', 'yours'].map((id) => ({ id, name: id, shared: true, filter }));
  const file = {
    format: 'iwd-settings/1',
    categories: categories('true'),
    prioritization: schemas(5),
    calendars: [],
    filters,
  };
  const imported = bodyOf(await source.ask(importing(file)));
  assert.deepEqual(imported.published, [
    { kind: 'prioritization', version: 1 },
    { kind: 'categories', version: 1 },
    { kind: 'filter', id: 'mine', version: 3 },
    { kind: 'filter', id: 'yours', version: 4 },
  ]);
  const exported = bodyOf(await source.ask({ op: 'exportSettings' }));
  // With those that every tenant begins with.
  assert.ok(exported.filters.length > filters.length);
  assert.deepEqual(ours(exported), file);
  const target = await new TenantWorld().start();
  const rows = target.database.journal.length;
  bodyOf(await target.ask(importing(exported)));
  assert.equal(target.database.journal.length, rows + 1, 'one row of the journal holds all of it');
  assert.deepEqual(bodyOf(await target.ask({ op: 'exportSettings' })), exported);
  // What is in force already is not published again.
  assert.deepEqual(bodyOf(await target.ask(importing(exported))).published, []);
  const item = await target.create({ captureId: 'a' });
  assert.equal(JSON.parse(item.json as string).priority, 5);
});

test('a dry run says what would be published and publishes nothing', async () => {
  const world = await new TenantWorld().start();
  const before = bodyOf(await world.ask({ op: 'exportSettings' }));
  const tried = bodyOf(await world.ask(importing({ prioritization: schemas(9) }, { dryRun: true })));
  assert.deepEqual(tried, { dryRun: true, published: [{ kind: 'prioritization', version: 1 }] });
  assert.deepEqual(bodyOf(await world.ask({ op: 'exportSettings' })), before);
});

test('one fault in one kind keeps all kinds out, and its pointer says where it stands in the file', async () => {
  const world = await new TenantWorld().start();
  const before = bodyOf(await world.ask({ op: 'exportSettings' }));
  const cases: [object, string, string][] = [
    [{ prioritization: schemas(1), categories: categories('item.nope') }, 'invalid-value', '/categories/0/rule'],
    [{ prioritization: [{ id: 'x' }], categories: categories('true') }, 'missing-field', '/prioritization/0/origin'],
    [{ categories: categories('true') }, 'invalid-value', '/categories/0/schema'],
    [{ categories: [], secrets: [] }, 'unknown-field', '/secrets'],
    [{ format: 'iwd-settings/9', categories: [] }, 'invalid-value', '/format'],
    [{ categories: [], filters: [{ id: 'f', name: 'F', filter: {} }, 7] }, 'invalid-value', '/filters/1'],
    [{ filters: 'all' }, 'invalid-value', '/filters'],
    [{}, 'missing-field', ''],
    [{ categories: 5 }, 'invalid-value', '/categories'],
    [{ categories: [{ id: 'a', name: 'x\u0000', parent: null }] }, 'unsafe-text', '/categories/0/name'],
    [[], 'invalid-value', ''],
  ];
  for (const [file, code, pointer] of cases) {
    const reply = await world.ask(importing(file));
    assert.ok(reply.rejected, JSON.stringify(file));
    assert.equal(reply.code, 'invalid-settings');
    const found = reply.faults?.find((one) => one.pointer === pointer);
    assert.equal(found?.code, code, JSON.stringify(reply));
  }
  assert.deepEqual(bodyOf(await world.ask({ op: 'exportSettings' })), before);
});

test('an import whose commit has an unknown outcome is answered from the journal, and published once', async () => {
  const world = await new TenantWorld().start();
  await world.ask(create({ captureId: 'a' }));
  world.script.set('journal.commit', [{ kind: 'after' }]);
  const reply = bodyOf(await world.ask(importing({ prioritization: schemas(7), categories: categories('true') })));
  assert.deepEqual(reply.versions, { categories: 1, prioritization: 1, calendars: 0 });
});
