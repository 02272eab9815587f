import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { missing, query, testDatabase } from '../conformance/test-database.js';
import { clusterMigrations, migrate } from './migrations.js';

describe('migrations', { skip: missing('TEST_DATABASE_URL') }, () => {
  const database = testDatabase();
  const files = readdirSync(new URL('./migrations/', import.meta.url)).filter((name) => name.endsWith('.sql'));

  test('servers that start at once migrate an empty database once, each file in turn', async () => {
    await query(database.url, 'DROP SCHEMA iwd CASCADE');
    const steps: string[] = [];
    await Promise.all([1, 2, 3].map(() => migrate(database.url, (step) => steps.push(step))));
    assert.deepEqual(steps, files);
    await migrate(database.url, () => assert.fail('there is nothing left to do'));
  });

  test('the registry’s schema stands beside the tenant’s, with numbers of its own', async () => {
    const steps: string[] = [];
    await Promise.all([1, 2].map(() => migrate(database.url, (step) => steps.push(step), clusterMigrations)));
    assert.equal(steps[0], '0001_registry.sql');
    assert.equal(new Set(steps).size, steps.length, 'each once');
    await migrate(database.url, () => assert.fail('neither touches the other'));
  });

  test('a database that is newer than this release is refused', async () => {
    await query(database.url, "INSERT INTO iwd.migration VALUES (9999, '9999_future.sql', 'x')");
    await assert.rejects(migrate(database.url), /newer than this release.*9999_future/);
    await query(database.url, 'DELETE FROM iwd.migration WHERE number = 9999');
  });

  test('an applied migration that has changed since is refused', async () => {
    await query(database.url, "UPDATE iwd.migration SET checksum = 'other' WHERE number = 1");
    await assert.rejects(migrate(database.url), /0001_tables\.sql is not the one that was applied/);
  });
});
