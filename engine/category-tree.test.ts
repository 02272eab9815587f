import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CategoryDocument } from './category.js';
import { type CategoryTree, compileCategories } from './category-tree.js';
import { defaultCategories, defaultSchemas } from './default-settings.js';
import { categoriesMax } from './limits.js';
import type { Draft } from './work-item.js';

const schemas = new Set(['standard', 'urgent']);
const calendars = new Set(['office']);

function category(id: string, parent: string | null, more: Partial<CategoryDocument> = {}): CategoryDocument {
  return { id, parent, name: id, ...more };
}

function treeOf(...categories: CategoryDocument[]): CategoryTree {
  const compiled = compileCategories({ categories }, schemas, calendars);
  assert.ok('tree' in compiled, JSON.stringify(compiled));
  return compiled.tree;
}

function faultsOf(body: unknown): Record<string, string> {
  const compiled = compileCategories(body, schemas, calendars);
  assert.ok('faults' in compiled, 'accepted');
  return Object.fromEntries(compiled.faults.map(({ pointer, detail }) => [pointer, detail]));
}

const draft = (attributes: unknown): Draft => ({ attributes: JSON.stringify(attributes), fingerprint: '' });

const city = () =>
  treeOf(
    category('loud', 'noise', { rule: 'item.attributes.db > 90' }),
    category('noise', null, {
      rule: "item.attributes.type.startsWith('Noise')",
      schema: 'urgent',
      sla: 'PT8H',
      defaults: { dueAfter: 'PT4H' },
    }),
    category('street', 'noise', { rule: "item.attributes.type.endsWith('Street')", sla: 'PT1H' }),
    category('named', 'street'),
    category('other', null, { rule: 'true' }),
    category('never', null, { rule: 'true' }),
  );

test('the first sibling that matches wins, in document order, then its children', () => {
  const tree = city();
  assert.deepEqual(tree.classify(draft({ type: 'Rodent' })), { path: 'other', rule: 'other' });
  assert.deepEqual(tree.classify(draft({ type: 'Noise', db: 1 })), { path: 'noise', rule: 'noise' });
  assert.deepEqual(tree.classify(draft({ type: 'Noise - Street', db: 1 })), { path: 'noise/street', rule: 'street' });
  assert.deepEqual(tree.classify(draft({ type: 'Noise - Street', db: 99 })), { path: 'noise/loud', rule: 'loud' });
});

test('a category without a rule is reached only by its path', () => {
  const tree = city();
  assert.ok(tree.has('noise/street/named'));
  assert.ok(!tree.has('named') && !tree.has('noise/named'));
  assert.deepEqual(tree.paths, ['noise', 'noise/loud', 'noise/street', 'noise/street/named', 'other', 'never']);
});

test('a rule without an answer is an error that names the category; so is no match at all', () => {
  const missing = city().classify(draft({ type: 'Noise' }));
  assert.match('error' in missing ? missing.error : '', /category noise\/loud failed: No such key: db/);
  assert.deepEqual(treeOf(category('a', null, { rule: 'false' })).classify(draft({})), {
    error: 'no category rule matches',
  });
  assert.deepEqual(treeOf().classify(draft({})), { error: 'no category rule matches' });
});

test('settings come from the nearest ancestor that says something', () => {
  const tree = city();
  const settings = (path: string) => {
    const { schema, slaMs, dueAfterMs } = tree.resolve(path);
    return [schema, slaMs, dueAfterMs];
  };
  assert.deepEqual(settings('noise'), ['urgent', 8 * 3_600_000, 4 * 3_600_000]);
  assert.deepEqual(settings('noise/street/named'), ['urgent', 3_600_000, 4 * 3_600_000]);
  assert.deepEqual(settings('other'), [undefined, undefined, undefined]);
});

test('a path that no longer exists has the settings of its nearest ancestor that does', () => {
  const tree = city();
  assert.equal(tree.resolve('noise/street/gone/deep').slaMs, 3_600_000);
  assert.equal(tree.resolve('gone').schema, undefined);
  assert.equal(tree.resolve('gone/deep').schema, undefined);
});

test('every fault of a document comes with its pointer', () => {
  const faults = faultsOf({
    categories: [
      category('ok', null),
      category('bad id', null),
      category('ok', null),
      category('a', null, {
        rule: 'item.chanel == "x"',
        schema: 'standart',
        sla: 'P1M',
        defaults: { dueAfter: '-PT1H' },
      }),
      { id: 'b', parent: 5, name: '', rul: 'true', defaults: { due: 'PT1H' } },
      'x',
      {},
      category('c', null, { sla: 'PT0S', rule: 7 as unknown as string }),
    ],
    more: 1,
  });
  assert.deepEqual(Object.keys(faults).sort(), [
    '/categories/1/id',
    '/categories/2/id',
    '/categories/3/defaults/dueAfter',
    '/categories/3/rule',
    '/categories/3/schema',
    '/categories/3/sla',
    '/categories/4/defaults/due',
    '/categories/4/name',
    '/categories/4/parent',
    '/categories/4/rul',
    '/categories/5',
    '/categories/6/id',
    '/categories/6/name',
    '/categories/6/parent',
    '/categories/7/rule',
    '/categories/7/sla',
    '/more',
  ]);
  assert.match(faults['/categories/3/schema']!, /did you mean standard/);
  assert.match(faults['/categories/3/rule']!, /did you mean channel/);
  assert.match(faults['/categories/4/rul']!, /did you mean rule/);
});

test('parents must exist, must not go round in a circle and must not be too many', () => {
  assert.deepEqual(Object.keys(faultsOf({ categories: [category('a', 'zzz')] })), ['/categories/0/parent']);
  const circle = faultsOf({
    categories: [category('r', null), category('a', 'b'), category('b', 'a'), category('c', 'b')],
  });
  assert.deepEqual(Object.keys(circle), ['/categories/1/parent', '/categories/2/parent', '/categories/3/parent']);
  assert.deepEqual(Object.keys(faultsOf({ categories: [category('a', 'a')] })), ['/categories/0/parent']);
  const chain = (length: number) => Array.from({ length }, (_, i) => category(`c${i}`, i === 0 ? null : `c${i - 1}`));
  assert.equal(treeOf(...chain(8)).paths.length, 8);
  assert.deepEqual(Object.keys(faultsOf({ categories: chain(9) })), ['/categories/8/parent']);
});

test('a body of another shape, too many categories or unsafe text is refused', () => {
  for (const body of [null, [], {}, { categories: {} }]) assert.ok('/categories' in faultsOf(body));
  const many = Array.from({ length: categoriesMax + 1 }, (_, i) => category(`c${i}`, null));
  assert.ok('/categories' in faultsOf({ categories: many }));
  assert.ok('/categories/0/name' in faultsOf({ categories: [category('a', null, { name: 'x\0' })] }));
});

test('a document full of faults is answered with the first hundred', () => {
  const many = Array.from({ length: categoriesMax }, (_, i) => category(`c${i}`, null, { schema: `standart${i}` }));
  assert.equal(Object.keys(faultsOf({ categories: many })).length, 100);
  const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`nam${i}`, i]));
  assert.equal(Object.keys(faultsOf({ categories: [wide] })).length, 100);
});

test('the documents come back as they were written', () => {
  const documents = [category('a', null, { rule: 'true', sla: 'PT8H' }), category('b', 'a')];
  assert.deepEqual(treeOf(...documents).documents, documents);
});

test('the settings of a new tenant compile and take every item', () => {
  const compiled = compileCategories(
    { categories: defaultCategories },
    new Set(defaultSchemas.map(({ id }) => id)),
    calendars,
  );
  assert.ok('tree' in compiled);
  assert.deepEqual(compiled.tree.classify(draft({})), { path: 'general', rule: 'general' });
  assert.equal(compiled.tree.resolve('general').schema, 'standard');
});
