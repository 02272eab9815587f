import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './imports-check.js';
import { completed, missingPackages } from './lock-platforms.js';

test('package-lock.json knows every platform, so that npm ci takes it (else: npm run lock:platforms)', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  assert.deepEqual(missingPackages(packages), []);
});

test('a platform that the registry lacks is added with what makes npm skip it elsewhere', () => {
  const packages = {
    'node_modules/tool': {
      version: '2.0.0',
      dev: true,
      license: 'MIT',
      optionalDependencies: { 'tool-linux-x64': '2.0.0', 'tool-linux-x64-musl': '2.0.0', 'tool-win32-arm64': '2.0.0' },
    },
    'node_modules/tool-linux-x64': { version: '2.0.0' },
  };
  const after = completed(packages);
  assert.deepEqual(missingPackages(after), []);
  assert.deepEqual(Object.keys(after).sort(), Object.keys(after));
  assert.deepEqual(after['node_modules/tool-linux-x64-musl'], {
    version: '2.0.0',
    os: ['linux'],
    cpu: ['x64'],
    libc: ['musl'],
    dev: true,
    license: 'MIT',
    optional: true,
  });
  assert.deepEqual(completed(after), after);
});

test('an optional package that does not say its platform is not made up', () => {
  assert.throws(() => completed({ a: { optionalDependencies: { fsevents: '2.3.3' } } }), /does not say its platform/);
});
