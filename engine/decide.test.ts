import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from './command.js';
import { type Decision, decide } from './decide.js';
import { defaultCategories, defaultSchemas } from './default-settings.js';
import { parseDraft } from './draft.js';
import { isRejection, type Rejection } from './rejection.js';
import { TenantState } from './state.js';
import type { Draft, WorkItem } from './work-item.js';

const start = Date.UTC(2026, 0, 1);

/** A tenant whose commands are decided and applied at once. */
class Tenant {
  now = start;
  readonly state: TenantState;
  #ids = 0;

  constructor(categories = defaultCategories) {
    this.state = new TenantState({
      tenantId: 't',
      attributesBytesMax: 65_536,
      documentBytesMax: 1e9,
      schemas: defaultSchemas,
      categories,
    });
  }

  run(command: Command): Decision | Rejection {
    const newId = () => `00000000-0000-7000-8000-${(++this.#ids).toString(16).padStart(12, '0')}`;
    const decision = decide(this.state, command, this.now, newId);
    if (!isRejection(decision)) for (const event of decision.events) this.state.apply(event);
    return decision;
  }

  create(value: object, more: { mode?: 'create' | 'upsert'; key?: [string, string] } = {}): Decision | Rejection {
    const draft = parseDraft(value, { now: this.now }) as Draft;
    const key = more.key && { key: more.key[0], fingerprint: more.key[1] };
    return this.run({ type: 'create', draft, mode: more.mode ?? 'create', key });
  }

  item(decision: Decision | Rejection): WorkItem {
    assert.ok(!isRejection(decision), (decision as Rejection).detail);
    return this.state.mustDocument(decision.itemId as string);
  }
}

const code = (decision: Decision | Rejection) => (isRejection(decision) ? decision.code : decision.status);

test('the same captureId with the same content is the same item, in whatever order its keys come', () => {
  const tenant = new Tenant();
  const first = tenant.create({ captureId: 'c', businessValue: 1, attributes: { a: 1, b: [2] } });
  const again = tenant.create({ attributes: { b: [2], a: 1 }, businessValue: 1, captureId: 'c' });
  assert.deepEqual([code(first), code(again)], [201, 200]);
  assert.equal((again as Decision).itemId, (first as Decision).itemId);
  assert.deepEqual((again as Decision).events, []);
});

test('the same captureId with other content is refused and names the item, whether it is open or at its end', () => {
  const tenant = new Tenant();
  const { id } = tenant.item(tenant.create({ captureId: 'c', businessValue: 1 }));
  for (const end of [false, true]) {
    if (end) tenant.run({ type: 'complete', id });
    const refused = tenant.create({ captureId: 'c', businessValue: 2 });
    assert.ok(isRejection(refused));
    assert.deepEqual([refused.code, refused.facts], ['capture-conflict', { id }]);
    assert.equal(code(tenant.create({ captureId: 'c', businessValue: 1 })), 200);
  }
});

test('an upsert replaces what the source said and keeps what is the item’s own', () => {
  const tenant = new Tenant();
  const before = tenant.item(tenant.create({ captureId: 'c', businessValue: 1, departmentId: 'x' }));
  tenant.run({ type: 'assign', id: before.id, agentId: 'agent' });
  tenant.now += 1000;
  const after = tenant.item(tenant.create({ captureId: 'c', businessValue: 2 }, { mode: 'upsert' }));
  assert.equal(after.id, before.id);
  assert.equal(after.seq, before.seq);
  assert.equal(after.createdDateTime, before.createdDateTime);
  assert.deepEqual([after.businessValue, after.departmentId, after.status], [2, undefined, 'assigned']);
  assert.equal(after.assignedTo, 'agent');
  assert.equal(after.version, 3);
});

test('an upsert names as changed what the source says differently, and nothing else', () => {
  const tenant = new Tenant([{ id: 'a', parent: null, name: 'A', rule: 'true', defaults: { dueAfter: 'PT1H' } }]);
  const { id } = tenant.item(tenant.create({ captureId: 'c', businessValue: 1 }));
  tenant.run({ type: 'hold', id, reason: 'later' });
  const { events } = tenant.create({ captureId: 'c', businessValue: 2 }, { mode: 'upsert' }) as Decision;
  assert.equal(events[0].type, 'updated');
  assert.deepEqual((events[0] as { changed: string[] }).changed, ['businessValue']);
});

test('an upsert that left its source earlier is ignored, by version or else by time', () => {
  const time = (seconds: number) => new Date(start + seconds * 1000).toISOString();
  const pairs = [
    [{ sourceVersion: 5 }, { sourceVersion: 4 }, true],
    [{ sourceVersion: 5 }, { sourceVersion: 6 }, false],
    [{ sourceVersion: 5 }, { sourceVersion: 5 }, false],
    [{ sourceUpdatedDateTime: time(5) }, { sourceUpdatedDateTime: time(4) }, true],
    [{ sourceUpdatedDateTime: time(5) }, { sourceUpdatedDateTime: time(6) }, false],
    [{ sourceVersion: 5, sourceUpdatedDateTime: time(5) }, { sourceVersion: 6, sourceUpdatedDateTime: time(4) }, false],
    [{ sourceVersion: 5 }, { sourceUpdatedDateTime: time(4) }, false],
    [{}, { sourceVersion: 1 }, false],
  ] as const;
  for (const [known, later, ignored] of pairs) {
    const tenant = new Tenant();
    const before = tenant.item(tenant.create({ captureId: 'c', ...known }));
    const decision = tenant.create({ captureId: 'c', businessValue: 9, ...later }, { mode: 'upsert' }) as Decision;
    assert.equal(decision.ignored === true, ignored, JSON.stringify([known, later]));
    assert.equal(tenant.item(decision).businessValue, ignored ? undefined : 9);
    assert.equal(tenant.item(decision).version, ignored ? before.version : before.version + 1);
  }
});

test('an Idempotency-Key answers as the first time, and refuses another request', () => {
  const tenant = new Tenant();
  const first = tenant.create({ businessValue: 1 }, { key: ['k', 'f'] });
  const again = tenant.create({ businessValue: 1 }, { key: ['k', 'f'] }) as Decision;
  assert.deepEqual([again.status, again.replayed, again.itemId], [201, true, (first as Decision).itemId]);
  assert.equal(code(tenant.create({ businessValue: 2 }, { key: ['k', 'g'] })), 'key-reused');
  const next = (fingerprint: string) => tenant.run({ type: 'next', agentId: 'a', key: { key: 'n', fingerprint } });
  const taken = next('f') as Decision;
  assert.equal((next('f') as Decision).itemId, taken.itemId, 'a retry takes no second item');
  assert.equal(code(next('g')), 'key-reused');
});

test('If-Match of another version is refused before anything else, with the version that it is', () => {
  const tenant = new Tenant();
  const { id } = tenant.item(tenant.create({}));
  for (const command of [
    { type: 'hold', id, ifMatch: 7 },
    { type: 'activate', id, ifMatch: 7 },
    { type: 'update', id, patch: { businessValue: 1 }, ifMatch: 7 },
    { type: 'replaceSettings', content: { kind: 'categories', document: [] }, ifMatch: 7 },
    { type: 'replaceSettings', content: { kind: 'prioritization', document: [] }, ifMatch: 7 },
  ] as Command[]) {
    assert.equal(code(tenant.run(command)), 'version-mismatch', command.type);
  }
  assert.equal(code(tenant.run({ type: 'hold', id, ifMatch: 1 })), 200);
});

test('what does not exist is not found', () => {
  const tenant = new Tenant();
  const id = '00000000-0000-7000-8000-00000000ffff';
  assert.equal(code(tenant.run({ type: 'complete', id })), 'not-found');
  assert.equal(code(tenant.run({ type: 'update', id, patch: {} })), 'not-found');
  assert.equal(code(tenant.run({ type: 'next', agentId: 'a' })), 204);
});

test('an item without a category is errorheld with the reason, and resume or restart asks the rules again', () => {
  const rule = (text: string) => [{ id: 'a', parent: null, name: 'A', rule: text }];
  const tenant = new Tenant(rule("item.departmentId == 'x'"));
  const { id, error } = tenant.item(tenant.create({ departmentId: 'y' }));
  assert.equal(error, 'no category rule matches');
  assert.equal(tenant.item(tenant.run({ type: 'resume', id })).status, 'errorheld');
  tenant.run({ type: 'replaceSettings', content: { kind: 'categories', document: rule("item.departmentId == 'y'") } });
  const resumed = tenant.item(tenant.run({ type: 'resume', id }));
  assert.deepEqual([resumed.status, resumed.category, resumed.rule, resumed.error], ['queued', 'a', 'a', undefined]);
  tenant.run({
    type: 'replaceSettings',
    content: { kind: 'categories', document: rule('item.attributes.missing == 1') },
  });
  const failed = tenant.item(tenant.run({ type: 'restart', id }));
  assert.deepEqual([failed.status, failed.category, failed.rule], ['errorheld', undefined, undefined]);
  assert.match(failed.error!, /the rule of category a failed/);
  tenant.run({ type: 'replaceSettings', content: { kind: 'categories', document: rule('true') } });
  const again = tenant.item(tenant.run({ type: 'resume', id }));
  assert.deepEqual([again.status, again.rule, again.preclassified], ['queued', 'a', undefined]);
});

test('a category that the source names is kept, also while it does not exist yet', () => {
  const tenant = new Tenant();
  const { id, error } = tenant.item(tenant.create({ category: 'later' }));
  assert.match(error!, /the source named category later, which does not exist/);
  tenant.run({
    type: 'replaceSettings',
    content: { kind: 'categories', document: [{ id: 'later', parent: null, name: 'L' }] },
  });
  const { status, category, preclassified } = tenant.item(tenant.run({ type: 'resume', id }));
  assert.deepEqual([status, category, preclassified], ['queued', 'later', true]);
});

test('the category’s time to the due date counts from activation, else from creation, and never moves a given one', () => {
  const tenant = new Tenant([{ id: 'a', parent: null, name: 'A', rule: 'true', defaults: { dueAfter: 'PT1H' } }]);
  const iso = (ms: number) => new Date(ms).toISOString();
  const due = (value: object) => tenant.item(tenant.create(value)).dueDateTime! - start;
  assert.equal(due({}), 3_600_000);
  assert.equal(due({ createdDateTime: iso(start - 1000) }), 3_599_000);
  assert.equal(due({ activationDateTime: iso(start + 5000) }), 3_605_000);
  assert.equal(due({ dueDateTime: iso(start + 7) }), 7);
});

test('a create that is repeated after its item has expired is answered as the first time', () => {
  const tenant = new Tenant();
  const value = { captureId: 'c', expirationDateTime: new Date(start + 10).toISOString() };
  const keyed = { key: ['k', 'f'] as [string, string] };
  const first = tenant.create(value, keyed);
  tenant.now += 10;
  const [repeated, replayed] = [tenant.create(value), tenant.create(value, keyed)];
  assert.deepEqual([first, repeated, replayed].map(code), [201, 200, 201]);
  assert.equal((repeated as Decision).itemId, (first as Decision).itemId);
});

test('an item does not come in after its expiration, nor does an upsert end it before it was created', () => {
  const tenant = new Tenant();
  const iso = (ms: number) => new Date(ms).toISOString();
  assert.equal(code(tenant.create({ expirationDateTime: iso(start) })), 'invalid-value');
  tenant.create({ captureId: 'c' });
  tenant.now += 10;
  const upsert = (at: number) => tenant.create({ captureId: 'c', expirationDateTime: iso(at) }, { mode: 'upsert' });
  assert.deepEqual([upsert(start), upsert(start + 1)].map(code), ['invalid-value', 200]);
});

test('an expiration that has passed does not end a restarted item at once', () => {
  const tenant = new Tenant();
  const { id } = tenant.item(tenant.create({ expirationDateTime: new Date(start + 10).toISOString() }));
  tenant.now += 10;
  assert.equal(tenant.item(tenant.run({ type: 'expire', id })).status, 'expired');
  const { status, expirationDateTime } = tenant.item(tenant.run({ type: 'restart', id }));
  assert.deepEqual([status, expirationDateTime], ['queued', undefined]);
});
