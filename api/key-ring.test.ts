import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectoryContent } from '../actors/ports/tenant-directory.js';
import { keyIdentity } from './caller.js';
import { KeyRing, sha256 } from './key-ring.js';

type Registered = DirectoryContent['keys'][number];

function registered(key: string, change: Partial<Registered> = {}): Registered {
  return {
    ...{ id: `id-${key}`, tenantId: 'a', name: 'crm', scope: 'tenant', role: null, provisioned: false },
    ...{ createdBy: null, createdAt: 0, expiresAt: null, lastUsedAt: null, revokedAt: null, digest: sha256(key) },
    ...change,
  };
}

test('keys of the registry open from the moment they are there and not a moment longer', () => {
  const ring = new KeyRing();
  assert.equal(ring.findByKey('one'), undefined);
  ring.replace([registered('one'), registered('two', { tenantId: null, scope: 'cluster', name: 'operator' })]);
  assert.deepEqual([ring.findByKey('one')?.tenantId, ring.findByKey('one')?.scope], ['a', 'tenant']);
  assert.deepEqual([ring.findByKey('two')?.tenantId, ring.findByKey('two')?.scope], ['', 'cluster']);
  ring.replace([registered('two')]);
  assert.equal(ring.findByKey('one'), undefined);
});

test('an expired key opens nothing, although nobody has taken it away', () => {
  const ring = new KeyRing();
  ring.replace([
    registered('old', { expiresAt: Date.now() - 1 }),
    registered('new', { expiresAt: Date.now() + 60_000 }),
  ]);
  assert.equal(ring.findByKey('old'), undefined);
  assert.ok(ring.findByKey('new'));
});

test('a key with a role may do what the role and its scope allow, and with an unknown role nothing', () => {
  const ring = new KeyRing();
  ring.replace([registered('agent', { role: 'Agent' }), registered('lost', { role: 'gone' })]);
  assert.ok(ring.findByKey('agent')!.privileges.has('iWD.Next.canExecute'));
  assert.ok(!ring.findByKey('agent')!.privileges.has('iWD.Keys.canUpdate'));
  assert.equal(ring.findByKey('lost')!.privileges.size, 0);
});

test('keys of the settings stay whatever the registry says, and win', () => {
  const ring = new KeyRing();
  ring.addFixed('demo', keyIdentity({ tenantId: 'demo', name: 'demo' }));
  ring.replace([registered('demo')]);
  ring.replace([]);
  assert.equal(ring.findByKey('demo')?.tenantId, 'demo');
});

test('uses of registered keys are told once, with their time', () => {
  const ring = new KeyRing();
  ring.replace([registered('one')]);
  ring.findByKey('one');
  ring.findByKey('other');
  const uses = ring.takeUses();
  assert.deepEqual([...uses.keys()], ['id-one']);
  assert.ok(Math.abs(uses.get('id-one')! - Date.now()) < 5000);
  assert.equal(ring.takeUses().size, 0);
});

test('a key that another process registered is found by looking again', async () => {
  const ring = new KeyRing(async () => ring.replace([registered('late')]));
  assert.equal(ring.findByKey('late'), undefined);
  assert.equal((await ring.findMissing('late'))?.tenantId, 'a');
});

test('however many unknown keys come, the registry is asked a few times a second at most', async () => {
  let looks = 0;
  const ring = new KeyRing(async () => void looks++);
  const flood = (prefix: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => ring.findMissing(`${prefix}${n}`)));
  await flood('a', 1000);
  assert.equal(looks, 1, 'those who come at once share one look, and beyond a bound have none');
  await flood('a', 30);
  assert.equal(looks, 1, 'what was missed a moment ago is not looked for again');
  const started = performance.now();
  await flood('b', 30);
  assert.equal(looks, 2);
  assert.ok(performance.now() - started > 100, 'the second look waited');
});

test('a registry that cannot be reached is a key that is not found', async () => {
  const ring = new KeyRing(() => Promise.reject(new Error('away')));
  assert.equal(await ring.findMissing('any'), undefined);
});
