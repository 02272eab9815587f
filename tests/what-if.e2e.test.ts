import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type ServerProcess, startServerProcess } from './server-process.js';

let server: ServerProcess;

before(async () => {
  server = await startServerProcess();
});
after(() => server.stop());

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON of many shapes, and a test says what it expects of them
async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<any> {
  const response = await fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: { 'x-api-key': server.apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  return { ...(text !== '' && JSON.parse(text)), status: response.status };
}

const ids = (items: { id: string }[]) => items.map(({ id }) => id);
const draft = {
  prioritization: [
    {
      id: 'standard',
      origin: 'created',
      mode: 'step',
      points: [{ offset: 'PT0S', priority: 0 }],
      businessValueWeight: -1,
    },
    { id: 'urgent', origin: 'created', mode: 'step', points: [{ offset: 'PT0S', priority: 1000 }] },
  ],
  categories: [
    { id: 'fire', parent: null, name: 'Fire', rule: "item.attributes.kind == 'fire'", schema: 'urgent' },
    { id: 'general', parent: null, name: 'General', rule: 'true', schema: 'standard' },
  ],
};

test('a what-if on the running server foretells the order that publishing its draft then makes', async () => {
  const items = Array.from({ length: 40 }, (_, n) => ({
    captureId: `w-${n}`,
    businessValue: (n * 7) % 40,
    attributes: { kind: n % 10 === 3 ? 'fire' : 'water' },
  }));
  const { accepted } = await call('POST', '/workitems/bulk', items);
  assert.equal(accepted, 40);
  const before = ids((await call('GET', '/queue?limit=100')).items);

  const foretold = await call('POST', '/what-if', { ...draft, top: 100, ratePerHour: 100 });
  assert.equal(foretold.status, 200, JSON.stringify(foretold));
  assert.deepEqual(ids(foretold.top.before), before);
  assert.deepEqual(foretold.queueLength, { before: 40, after: 40 });
  // Publishing alone leaves the items in their categories: only a restart would take the fires to theirs.
  assert.deepEqual(
    [foretold.reclassified.applied, foretold.reclassified.examined, foretold.reclassified.changed],
    [false, 40, 4],
  );
  assert.deepEqual(foretold.reclassified.transitions, [{ from: 'general', to: 'fire', items: 4 }]);
  const anew = await call('POST', '/what-if', { ...draft, top: 100, reclassify: true });

  // Nothing of it has been published.
  assert.deepEqual(ids((await call('GET', '/queue?limit=100')).items), before);
  assert.equal((await call('GET', '/settings/categories')).version, 0);

  assert.equal((await call('PUT', '/settings/import', draft)).status, 200);
  assert.deepEqual(ids((await call('GET', '/queue?limit=100')).items), ids(foretold.top.after));
  for (const id of before) assert.equal((await call('POST', `/workitems/${id}/restart`)).status, 200);
  const restarted = (await call('GET', '/queue?limit=100')).items;
  assert.deepEqual(ids(restarted), ids(anew.top.after));
  assert.equal(restarted[0].category, 'fire');
  assert.equal(anew.top.after[0].after.category, 'fire');

  const back = await call('POST', '/settings/prioritization/rollback', { version: 1 });
  assert.deepEqual([back.status, back.version], [200, 2]);
});

test('a faulty draft is refused with a pointer, and so is a question about the past', async () => {
  const faulty = await call('POST', '/what-if', {
    categories: [{ id: 'a', parent: null, name: 'A', rule: 'item.nope' }],
  });
  assert.deepEqual(
    [faulty.status, faulty.code, faulty.errors[0].pointer],
    [400, 'invalid-settings', '/categories/0/rule'],
  );
  const past = await call('POST', '/what-if', { ...draft, at: '2020-01-01T00:00:00Z', windw: 'PT1H' });
  assert.equal(past.status, 400);
  assert.deepEqual(past.errors.map(({ pointer }: { pointer: string }) => pointer).sort(), ['/at', '/windw']);
});

test('on the journal, the draft would have given other items out, and the settings of the day the same', async () => {
  for (let n = 0; n < 10; n++) {
    const { id } = await call('POST', '/workitems/next', { agentId: `agent-${n}` });
    assert.equal((await call('POST', `/workitems/${id}/complete`, {})).status, 200);
  }
  const inForce = await call('GET', '/settings/export');
  const turned = inForce.prioritization.map((schema: object) => ({ ...schema, businessValueWeight: 1 }));
  const other = await call('POST', '/what-if', { prioritization: turned, journalHours: 1, top: 3 });
  assert.equal(other.status, 200, JSON.stringify(other));
  assert.equal(other.decisions.taken, 10);
  assert.ok(other.decisions.different > 0);
  assert.equal(other.decisions.examples.length, 3);
  assert.ok(
    other.waiting.every(
      ({ before, after }: Record<string, { handedOut: number }>) => before.handedOut + after.handedOut > 0,
    ),
  );
  // What is measured at the journal is what a question without a rate assumes.
  const live = await call('POST', '/what-if', { prioritization: turned });
  assert.ok(live.sla.ratePerHour > 10);
  const { version } = await call('GET', '/settings/prioritization');
  assert.equal(version, 2, 'nothing of it was published');
});

test('a second what-if of the same tenant is refused while the first runs, and the tenant is free again after it', async () => {
  const leaving = new AbortController();
  const left = call('POST', '/what-if', draft, leaving.signal).catch((error: Error) => error.name);
  let second = await call('POST', '/what-if', draft);
  while (second.status === 200)
    second = (await Promise.all([call('POST', '/what-if', draft), call('POST', '/what-if', draft)]))[1];
  assert.deepEqual([second.status, second.code], [429, 'too-many-requests']);
  leaving.abort();
  await left;
  for (let tries = 0; ; tries++) {
    const again = await call('POST', '/what-if', draft);
    if (again.status === 200) break;
    assert.ok(tries < 100, 'the tenant is free again');
    await pause(20);
  }
});
