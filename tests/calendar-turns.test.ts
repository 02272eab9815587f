import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weekdays } from '../engine/calendar.js';
import { bodyOf, encode, TenantWorld } from './tenant-world.js';

const zones = ['Europe/Paris', 'Europe/Rome', 'Europe/Madrid', 'Europe/Vienna', 'Europe/Oslo'];
const weekly = weekdays.map((day) => ({ day, from: '08:00', to: '17:00' }));
const calendars = zones.map((timeZone) => ({ id: timeZone.slice(7), timeZone, weekly }));
/** Spans of five years that a calendar is measured in. */
const spans = 47;

/** How many turns of the loop it takes. */
async function turnsOf(world: TenantWorld, work: () => Promise<unknown>): Promise<number> {
  const { runtime } = world;
  const soon = runtime.soon.bind(runtime);
  let turns = 0;
  runtime.soon = (fire) => {
    turns++;
    soon(fire);
  };
  await work();
  runtime.soon = soon;
  return turns;
}

test('calendars are measured a span a turn before they are used: when published, and when a tenant recovers', async () => {
  const world = await new TenantWorld().start();
  const put = () => world.ask({ op: 'putSettings', kind: 'calendars', body: encode({ calendars }) });
  const few = await turnsOf(world, () => world.create({ captureId: 'a' }));
  assert.ok(few < spans, `${few} turns for one item`);
  const published = await turnsOf(world, async () => {
    bodyOf(await put());
    await world.create({ captureId: 'b' });
  });
  assert.ok(published >= calendars.length * spans, `${published} turns for the calendars`);
  const again = await turnsOf(world, put);
  assert.ok(again < spans, `${again} turns for the same ones`);
  await world.projected();
  const fromTables = await turnsOf(world, () => world.crash());
  assert.ok(fromTables >= calendars.length * spans, `${fromTables} turns from the tables`);
  await world.actor.drain(5000);
  world.actor = world.newActor();
  const fromSnapshot = await turnsOf(world, () => world.start());
  assert.match(world.log.at(-1)!, /snapshot/);
  assert.ok(fromSnapshot >= calendars.length * spans, `${fromSnapshot} turns from the snapshot`);
  assert.ok((await turnsOf(world, () => world.create({ captureId: 'c' }))) < spans);
});
