import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type CalendarDocument, weekdays } from '../engine/calendar.js';
import { CalendarOracle } from '../engine/calendar-oracle.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const hour = 3_600_000;
const day = 24 * hour;
let server: ServerProcess;

before(async () => {
  server = await startServerProcess();
});
after(() => server.stop());

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON of many shapes, and a test says what it expects of them
async function call(method: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: { 'x-api-key': server.apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { ...((await response.json()) as object), status: response.status };
}

/** The weekday that many days from now, in UTC. */
const dayFromNow = (days: number) => weekdays[(new Date(Date.now() + days * day).getUTCDay() + 6) % 7];
const always: CalendarDocument = {
  id: 'always',
  timeZone: 'UTC',
  weekly: weekdays.map((name) => ({ day: name, from: '00:00', to: '24:00' })),
};
/** Closed now, whenever the test runs. */
const later: CalendarDocument = {
  id: 'later',
  timeZone: 'UTC',
  weekly: [{ day: dayFromNow(3), from: '08:00', to: '12:00' }],
};
const schema = {
  id: 'seconds',
  origin: 'created',
  mode: 'linear',
  points: [
    { offset: 'PT0S', priority: 0 },
    { offset: 'PT1000S', priority: 1000 },
  ],
  calendar: 'later',
};
const sla = { sla: 'PT1H', defaults: { dueAfter: 'PT1H' } };
const categories = [
  { id: 'a', parent: null, name: 'A', rule: "item.departmentId == 'a'", schema: 'seconds', ...sla },
  { id: 'b', parent: 'a', name: 'B', calendar: 'always', clockStopsWhileHeld: true },
];

test('what names a calendar that does not exist is refused, and settings that are wrong say where', async () => {
  const refused = await call('PUT', '/settings/prioritization', { schemas: [schema] });
  assert.deepEqual([refused.status, refused.errors[0].pointer], [400, '/schemas/0/calendar']);
  const faulty = await call('PUT', '/settings/calendars', { calendars: [{ ...later, timeZone: 'Europe/Berlim' }] });
  assert.deepEqual([faulty.status, faulty.errors[0].pointer], [400, '/calendars/0/timeZone']);
  assert.equal((await call('GET', '/settings/calendars')).version, 0);
});

test('due time, SLA and priority follow the calendar, explain shows it, and it all outlives the server', async () => {
  assert.equal((await call('PUT', '/settings/calendars', { calendars: [always, later] })).version, 1);
  assert.equal((await call('PUT', '/settings/prioritization', { schemas: [schema] })).version, 1);
  const published = await call('PUT', '/settings/categories', { categories });
  assert.deepEqual(published.warnings, [], JSON.stringify(published));

  const { id, dueDateTime } = await call('POST', '/workitems', { departmentId: 'a' });
  const due = Date.parse(dueDateTime);
  const oracle = new CalendarOracle(later);
  assert.deepEqual([oracle.between(Date.now(), due), oracle.between(Date.now(), due - 1)], [hour, hour - 1]);
  const explained = await call('GET', `/workitems/${id}/explain`);
  assert.deepEqual([explained.priority, explained.slaDateTime], [0, dueDateTime]);
  assert.deepEqual(explained.clock, {
    ageMs: 0,
    calendar: 'later',
    timeZone: 'UTC',
    open: false,
    opensDateTime: new Date(due - hour).toISOString(),
  });
  assert.deepEqual(
    explained.nextChanges.map(({ at }: { at: string }) => Date.parse(at)),
    [due - hour + 1000 * 1000],
  );

  const held = (await call('POST', '/workitems', { category: 'a/b' })).id;
  await call('POST', `/workitems/${held}/hold`, {});
  const stopped = await call('GET', `/workitems/${held}/explain`);
  assert.deepEqual([stopped.clock.stopped, stopped.nextChanges], [true, []]);
  await call('POST', `/workitems/${held}/resume`, {});
  const resumed = await call('GET', `/workitems/${held}`);
  assert.ok(resumed.stoppedMs > 0);
  assert.equal(Date.parse(resumed.dueDateTime), Date.parse(resumed.createdDateTime) + hour + resumed.stoppedMs);

  await server.server.kill();
  await server.restart();
  assert.equal((await call('GET', `/workitems/${held}/explain`)).clock.stoppedMs, resumed.stoppedMs);
  assert.equal((await call('GET', `/workitems/${id}/explain`)).priority, 0);
});

test('a calendar in use that goes leaves a warning and the clock of the world, and its version stays readable', async () => {
  const { warnings } = await call('PUT', '/settings/calendars', { calendars: [always] });
  assert.deepEqual(warnings, ['schema seconds names calendar later, which does not exist: it is always open']);
  const { items } = await call('GET', '/queue');
  assert.ok(items.every(({ priority }: { priority: number }) => priority > 0));
  assert.equal((await call('GET', '/settings/calendars?version=1')).calendars.length, 2);
});
