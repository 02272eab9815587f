import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkEngines, includes, lockedPackages, tolerated } from './engines-check.js';

test('every locked package supports our oldest Node', () => {
  assert.deepEqual(checkEngines(lockedPackages()), []);
});

test('what is tolerated is in the tree, so that no exception outlives its reason', () => {
  const names = new Set(Object.keys(lockedPackages()).map((path) => path.replace(/^.*node_modules\//, '')));
  assert.deepEqual(
    Object.keys(tolerated).filter((name) => !names.has(name)),
    [],
  );
});

test('a package that wants a newer Node is told, wherever in the tree it sits', () => {
  const problems = checkEngines({
    '': { engines: { node: '>=20.19' } },
    'node_modules/a': { engines: { node: '>=20' } },
    'node_modules/a/node_modules/b': { engines: { node: '>=22' } },
    'node_modules/cookie': { engines: { node: '>=22' } },
  });
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /^b wants Node >=22; we promise 20\.19\.0/);
  assert.equal(checkEngines({}).length, 1);
});

test('the forms of ranges that engines fields use are understood', () => {
  for (const range of [
    '*',
    '>=20',
    '>= 10.x',
    '6.* || >= 10.*',
    '>=20.x',
    '^16 || ^18 || >=20',
    '20',
    '20.x',
    '^20.17.0 || >=22.9.0',
  ]) {
    assert.ok(includes(range, [20, 19, 0]), range);
  }
  for (const range of ['>=22', '^20.20.0 || >=22', '>=14 <20', '18', '20.18.0', '~20.18', '>20.19.0', 'latest']) {
    assert.ok(!includes(range, [20, 19, 0]), range);
  }
});
