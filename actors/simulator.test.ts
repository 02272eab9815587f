import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import type { MessagePort } from 'node:worker_threads';
import { defaultCategories, defaultSchemas } from '../engine/default-settings.js';
import { Simulator } from './simulator.js';

const inForce = { categories: defaultCategories, prioritization: defaultSchemas, calendars: [] };
const draft = Buffer.from(JSON.stringify({ prioritization: defaultSchemas, ratePerHour: 1 }));
const simulators: Simulator[] = [];
after(() => Promise.all(simulators.map((simulator) => simulator.close())));

/** A simulator whose tenants' shards are silent: they are asked for a copy and never give one. */
function silent(timeoutMs: number): { simulator: Simulator; ports: MessagePort[] } {
  const ports: MessagePort[] = [];
  const simulator = new Simulator({
    file: new URL('../bin/simulation.js', import.meta.url),
    engine: {
      request: async () => ({ status: 200, json: JSON.stringify(inForce) }),
      copyTenant: (id, port) => {
        ports.push(port);
        return { id, databaseUrl: 'postgres://127.0.0.1:1/nowhere' };
      },
    },
    limits: { itemsMax: 10, eventsMax: 10 },
    attributesBytesMax: 1000,
    timeoutMs,
  });
  simulators.push(simulator);
  return { simulator, ports };
}

const codeOf = (reply: Awaited<ReturnType<Simulator['whatIf']>>) => (reply.rejected ? reply.code : reply.status);

test('a tenant has one simulation at a time; a client that goes away ends its own, and the tenant is free again', async () => {
  const { simulator, ports } = silent(60_000);
  const leaving = new AbortController();
  const first = simulator.whatIf('a', draft, leaving.signal);
  while (ports.length === 0) await new Promise(setImmediate);
  await once(ports[0], 'message');
  assert.equal(codeOf(await simulator.whatIf('a', draft, new AbortController().signal)), 'too-many-requests');
  leaving.abort();
  assert.equal(codeOf(await first), 'unavailable');
  const faulty = Buffer.from('{"prioritization":[{}]}');
  // A new thread has taken the place of the ended one.
  assert.equal(codeOf(await simulator.whatIf('a', faulty, new AbortController().signal)), 'invalid-settings');
});

test('a simulation that takes too long is ended, and one whose shard goes away says so', async () => {
  const { simulator, ports } = silent(1500);
  const late = await simulator.whatIf('a', draft, new AbortController().signal);
  assert.ok(
    late.rejected && late.code === 'unavailable' && /longer than 1.5 s/.test(late.detail),
    JSON.stringify(late),
  );
  const gone = simulator.whatIf('b', draft, new AbortController().signal);
  while (ports.length < 2) await new Promise(setImmediate);
  await once(ports[1], 'message');
  ports[1].close();
  const reply = await gone;
  assert.ok(reply.rejected && /shard went away/.test(reply.detail), JSON.stringify(reply));
});

test('beyond those that may wait, a simulation is refused at once', async () => {
  const { simulator } = silent(60_000);
  const leaving = new AbortController();
  const all = Array.from({ length: 12 }, (_, n) => simulator.whatIf(`tenant-${n}`, draft, leaving.signal));
  assert.equal(codeOf(await Promise.race(all)), 'too-many-requests');
  leaving.abort();
  const codes = (await Promise.all(all)).map(codeOf);
  assert.equal(codes.filter((code) => code === 'too-many-requests').length, 3, codes.join());
  assert.equal(codes.filter((code) => code === 'unavailable').length, 9, codes.join());
});
