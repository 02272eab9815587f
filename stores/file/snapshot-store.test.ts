import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { manifestOf, pattern, snapshotConformance } from '../conformance/snapshot.js';
import { openFileSnapshots } from './snapshot-store.js';

let parent: string;
let dir: string;
before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'iwd-snapshots-'));
  dir = join(parent, 'deep', 'snapshots');
});
after(() => rm(parent, { recursive: true }));

snapshotConformance(() => openFileSnapshots(dir));

test('only the owner may read the folder and its files', async () => {
  const store = await openFileSnapshots(dir);
  await store.save(manifestOf('mode', 1, []), []);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  assert.equal((await stat(join(dir, 'mode.snapshot'))).mode & 0o777, 0o600);
});

test('what a crash left behind is removed when the store is opened, and nothing else', async () => {
  await writeFile(join(dir, 'left.snapshot.123.tmp'), 'half');
  await writeFile(join(dir, 'other.txt'), 'kept');
  await openFileSnapshots(dir);
  const names = await readdir(dir);
  assert.equal(names.includes('left.snapshot.123.tmp'), false);
  assert.equal(names.includes('other.txt'), true);
});

test('a file that is cut anywhere, or is no snapshot, is refused and can be replaced', async () => {
  const store = await openFileSnapshots(dir);
  const path = join(dir, 'cut.snapshot');
  const chunks = [pattern(100), pattern(50)];
  const manifest = manifestOf('cut', 1, chunks);
  await store.save(manifest, chunks);
  const whole = await readFile(path);
  for (let bytes = 0; bytes < whole.length; bytes += 13) {
    await truncate(path, bytes);
    await assert.rejects(store.load('cut'));
    await writeFile(path, whole);
  }
  await writeFile(path, 'something else that is long enough');
  await assert.rejects(store.load('cut'), /not a snapshot/);
  await store.save(manifest, chunks);
  assert.deepEqual((await store.load('cut'))?.manifest, manifest);
});
