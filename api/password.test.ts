import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Passwords, standardStrength } from './password.js';

const quick = new Passwords({ ln: 4, r: 8, p: 1 });

test('a password is right for its own hash only, and no two hashes are the same', async () => {
  const [one, again] = [await quick.hash('correct horse'), await quick.hash('correct horse')];
  assert.notEqual(one, again);
  assert.ok(await quick.isRight('correct horse', one));
  assert.ok(await quick.isRight('correct horse', again));
  for (const wrong of ['', 'correct hors', 'correct horse ', 'Correct horse']) {
    assert.ok(!(await quick.isRight(wrong, one)), wrong);
  }
});

test('the same text typed on another keyboard is the same password', async () => {
  assert.ok(await quick.isRight('Zo\u0065\u0308', await quick.hash('Zo\u00eb')));
});

test('nobody has no password, not even an empty one', async () => {
  assert.ok(!(await quick.isRight('', undefined)));
  assert.ok(!(await quick.isRight('correct horse', undefined)));
});

test('a hash says how strong it is, and is checked with that strength whatever the standard is now', async () => {
  const standard = new Passwords();
  const hash = await standard.hash('correct horse');
  const { ln, r, p } = standardStrength;
  assert.match(hash, new RegExp(`^\\$scrypt\\$ln=${ln},r=${r},p=${p}\\$[\\w+/]{22}\\$[\\w+/]{43}$`));
  assert.ok(2 ** ln * r * p >= 2 ** 15 * 8 * 3, 'at least what OWASP asks for');
  assert.ok(await quick.isRight('correct horse', hash));
  assert.ok(await standard.isRight('correct horse', await quick.hash('correct horse')));
});

test('a stored text that is no hash of ours stops, and is not taken for a wrong password', async () => {
  await assert.rejects(quick.isRight('x', 'plain'), /format/);
});

test('more hashes at once than can wait are refused as overload', async () => {
  const slow = new Passwords({ ln: 12, r: 8, p: 1 });
  const results = await Promise.allSettled(Array.from({ length: 40 }, () => slow.hash('x')));
  const refused = results.filter((result) => result.status === 'rejected');
  assert.equal(refused.length, 6);
  for (const { reason } of refused as PromiseRejectedResult[]) assert.equal(reason.problem.code, 'overloaded');
  assert.ok(await quick.hash('x'), 'and later ones are not');
});
