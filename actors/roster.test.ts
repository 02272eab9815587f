import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TenantWorld } from '../tests/tenant-world.js';
import { Roster } from './roster.js';

const tenant = (databaseUrl: string) => ({ id: 't', databaseUrl });

test('a tenant whose database changes starts on the new one when it has left the old one', async () => {
  const worlds = { 'postgres://old': new TenantWorld(), 'postgres://new': new TenantWorld() };
  const roster = new Roster(({ databaseUrl }) => worlds[databaseUrl as keyof typeof worlds].actor);
  const [old, fresh] = [worlds['postgres://old'], worlds['postgres://new']];
  roster.put(tenant('postgres://old'));
  await old.runtime.until(() => old.actor.mode === 'serving');
  roster.put(tenant('postgres://old'));
  assert.equal(old.actor.mode, 'serving', 'what is as it was goes on undisturbed');
  roster.put(tenant('postgres://new'));
  assert.deepEqual(roster.modes(), [['t', 'stopped']]);
  await old.runtime.until(() => old.actor.mode === 'stopped');
  assert.equal(old.database.lease.released, true);
  await fresh.runtime.until(() => fresh.actor.mode === 'serving');
  assert.deepEqual(roster.modes(), [['t', 'serving']]);
});

test('a tenant that comes again while it leaves starts when it has left', async () => {
  const world = new TenantWorld();
  const again = world.newActor();
  const actors = [world.actor, again];
  const roster = new Roster(() => actors.shift()!);
  roster.put(tenant('postgres://t'));
  await world.runtime.until(() => world.actor.mode === 'serving');
  const removed = roster.remove('t', 1000);
  roster.put(tenant('postgres://t'));
  await world.runtime.until(() => again.mode === 'serving');
  await removed;
  assert.equal(world.actor.mode, 'stopped');
  assert.equal(roster.find('t'), again);
});
