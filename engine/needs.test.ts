import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultCategories, defaultSchemas } from './default-settings.js';
import { parseDraft } from './draft.js';
import { coldHeads, needsOf } from './needs.js';
import { TenantState } from './state.js';
import type { Draft, WorkItem } from './work-item.js';

const now = Date.UTC(2026, 0, 1);
const none: ReadonlySet<string> = new Set();
const idOf = (n: number) => `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;

/** `count` items as a recovery leaves them: columns and the filter, no documents. */
function recovered(count: number): TenantState {
  const state = new TenantState({
    tenantId: 't',
    attributesBytesMax: 65_536,
    documentBytesMax: 1e9,
    schemas: defaultSchemas,
    categories: defaultCategories,
  });
  for (let n = 1; n <= count; n++) {
    state.known.add(`c:c${n}`);
    state.restore(
      { id: idOf(n), seq: n, version: 1, status: 'queued', createdDateTime: now - 1000 + n, captureId: `c${n}` },
      now,
    );
  }
  return state;
}

const create = (captureId?: string) =>
  ({ type: 'create', mode: 'create', draft: parseDraft({ captureId }, { now }) as Draft }) as const;

test('a new item needs nothing, whether it has a captureId or not', () => {
  const state = recovered(100);
  assert.equal(needsOf(state, create(), none, now), undefined);
  assert.equal(needsOf(state, create('never seen'), none, now), undefined);
});

test('a known captureId is looked up once: what is absent is not asked for again', () => {
  const state = recovered(3);
  assert.deepEqual(needsOf(state, create('c2'), none, now), { ids: [], captureIds: ['c2'], keys: [] });
  assert.equal(needsOf(state, create('c2'), new Set(['c:c2']), now), undefined);
  state.documents.offer({ id: idOf(2), captureId: 'c2', version: 1, attributes: '{}' } as WorkItem);
  assert.equal(needsOf(state, create('c2'), none, now), undefined);
});

test('a command on an item needs its document; a key’s answer needs the item that it names', () => {
  const state = recovered(3);
  assert.deepEqual(needsOf(state, { type: 'hold', id: idOf(1) }, none, now)?.ids, [idOf(1)]);
  assert.equal(needsOf(state, { type: 'hold', id: idOf(1) }, new Set([idOf(1)]), now), undefined);
  const key = { key: 'k', fingerprint: 'f' };
  assert.equal(needsOf(state, { type: 'next', agentId: 'a', key }, none, now)?.keys.length, 0, 'a new key is new');
  state.known.add('k:k');
  assert.deepEqual(needsOf(state, { ...create(), key }, none, now)?.keys, ['k']);
  state.offerKey('k', { fingerprint: 'f', status: 201, itemId: idOf(2), at: now });
  assert.deepEqual(needsOf(state, { ...create(), key }, none, now), { ids: [idOf(2)], captureIds: [], keys: [] });
});

test('next needs the document of the first item only, and then reads the next heads with it', () => {
  const state = recovered(100);
  const needs = needsOf(state, { type: 'next', agentId: 'a' }, none, now)!;
  assert.equal(needs.ids.length, 64);
  assert.deepEqual(needs.ids, coldHeads(state, now));
  assert.equal(needs.ids[0], idOf(1), 'the oldest is first');
  state.documents.offer({ id: idOf(1), version: 1, attributes: '{}' } as WorkItem);
  assert.equal(needsOf(state, { type: 'next', agentId: 'a' }, none, now), undefined);
  assert.equal(needsOf(recovered(0), { type: 'next', agentId: 'a' }, none, now), undefined);
});
