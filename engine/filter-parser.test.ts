import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Filter } from './filter.js';
import { matches } from './filter-match.js';
import { conditionsOf, parseFilter } from './filter-parser.js';
import { filterConditionsMax, filterDepthMax, filterValuesMax } from './limits.js';
import { isRejection } from './rejection.js';
import type { WorkItem } from './work-item.js';

const now = Date.UTC(2026, 2, 1);
const hour = 3_600_000;

const item: WorkItem = {
  id: '018f0000-0000-7000-8000-000000000001',
  seq: 1,
  version: 1,
  status: 'queued',
  category: 'noise/street',
  dueDateTime: now + hour,
  createdDateTime: now - hour,
  updatedDateTime: now,
  attributes: '{"region":"north","address":{"city":"Köln"},"a.b":1,"tags":["vip",7],"none":null}',
  fingerprint: '0',
};

function parsed(json: unknown): Filter {
  const filter = parseFilter(json);
  assert.ok(!isRejection(filter), JSON.stringify(filter));
  return filter;
}

function holds(json: unknown): boolean {
  return matches(parsed(json), item, now);
}

/** `code pointer` of each fault. */
function faults(json: unknown, reading = {}): string[] {
  const filter = parseFilter(json, reading);
  assert.ok(isRejection(filter), 'expected a rejection');
  return (filter.faults ?? []).map(({ code, pointer }) => `${code} ${pointer}`);
}

const queued = { field: 'status', op: 'eq', value: 'queued' };

test('the filter of the issue reads and holds', () => {
  const json = {
    and: [
      { field: 'status', op: 'in', value: ['queued', 'held'] },
      { field: 'attributes.region', op: 'eq', value: 'north' },
      { field: 'dueDateTime', op: 'lt', value: 'now+PT2H' },
      { not: { field: 'assignedTo', op: 'exists', value: true } },
      { or: [queued, { field: 'businessValue', op: 'gt', value: 5 }] },
    ],
  };
  assert.equal(holds(json), true);
  assert.equal(conditionsOf(parsed(json)), 6);
});

test('a field that is missing, or null, is only ne and not there', () => {
  for (const field of ['businessValue', 'attributes.none', 'attributes.nowhere', 'attributes.region.deeper']) {
    assert.equal(holds({ field, op: 'eq', value: 1 }), false, field);
    assert.equal(holds({ field, op: 'lt', value: 1 }), false, field);
    assert.equal(holds({ field, op: 'ge', value: 1 }), false, field);
    assert.equal(holds({ field, op: 'exists', value: true }), false, field);
    assert.equal(holds({ field, op: 'ne', value: 1 }), true, field);
    assert.equal(holds({ field, op: 'exists', value: false }), true, field);
    assert.equal(holds({ not: { field, op: 'lt', value: 1 } }), true, field);
  }
});

test('attributes are found by their path, compared within their type, and lists hold their elements', () => {
  assert.equal(holds({ field: 'attributes.address.city', op: 'startsWith', value: 'Kö' }), true);
  assert.equal(holds({ field: 'attributes.a\\.b', op: 'eq', value: 1 }), true);
  assert.equal(holds({ field: 'attributes.a\\.b', op: 'eq', value: '1' }), false);
  assert.equal(holds({ field: 'attributes.tags', op: 'contains', value: 'vip' }), true);
  assert.equal(holds({ field: 'attributes.tags', op: 'contains', value: 'vi' }), false);
  assert.equal(holds({ field: 'attributes.tags', op: 'contains', value: 7 }), true);
  assert.equal(holds({ field: 'attributes.region', op: 'contains', value: 'ort' }), true);
  assert.equal(holds({ field: 'attributes.tags.0', op: 'exists', value: true }), false);
  assert.equal(holds({ field: 'attributes.constructor', op: 'exists', value: true }), false);
});

test('relative times count from the moment at which the filter is asked', () => {
  const due = (op: string, value: string, at: number) => matches(parsed({ field: 'dueDateTime', op, value }), item, at);
  assert.equal(due('le', 'now+PT1H', now), true);
  assert.equal(due('lt', 'now+PT1H', now), false);
  assert.equal(due('lt', 'now', now + hour + 1), true);
  assert.equal(due('gt', 'now-PT1S', now + hour), true);
  assert.equal(due('eq', '2026-03-01T02:00:00+01:00', now), true);
});

test('every fault is said at once, with its place and what was expected', () => {
  const json = {
    and: [
      { field: 'statsu', op: 'eq', value: 'queued' },
      { field: 'status', op: 'eq', value: 'open' },
      { field: 'dueDateTime', op: 'lt', value: 'tomorrow' },
      { field: 'dueDateTime', op: 'lt', value: 'now+P1Y' },
      { field: 'businessValue', op: 'contains', value: 'x' },
      { field: 'captureId', op: 'in', value: [] },
      { field: 'captureId', op: 'in', value: ['a', 7] },
      { field: 'captureId', op: 'exists', value: 'yes' },
      { field: 'captureId', op: 'eq', value: 'a', case: 'any' },
      { field: 'attributes.x', op: 'eq', value: null },
      { not: { anf: [] } },
      { or: [] },
      { and: [queued], or: [queued] },
      { op: 'eq' },
      'queued',
    ],
  };
  assert.deepEqual(faults(json, { pointer: '/filter' }), [
    'invalid-value /filter/and/0/field',
    'invalid-value /filter/and/1/value',
    'invalid-value /filter/and/2/value',
    'invalid-value /filter/and/3/value',
    'invalid-value /filter/and/4/op',
    'invalid-value /filter/and/5/value',
    'invalid-value /filter/and/6/value/1',
    'invalid-value /filter/and/7/value',
    'unknown-field /filter/and/8/case',
    'invalid-value /filter/and/9/value',
    'unknown-field /filter/and/10/not/anf',
    'invalid-value /filter/and/11/or',
    'invalid-value /filter/and/12',
    'missing-field /filter/and/13/field',
    'invalid-value /filter/and/14',
  ]);
});

test('a misspelt field and priority are answered with what to ask instead', () => {
  const detail = (field: string) => {
    const filter = parseFilter({ field, op: 'eq', value: 1 });
    return isRejection(filter) ? filter.detail : '';
  };
  assert.match(detail('dueDatetime'), /did you mean dueDateTime\?/);
  assert.match(detail('priority'), /function of time/);
  assert.match(detail('attributes'), /attributes\.address\.city/);
  assert.match(detail('attributes.'), /attributes\.address\.city/);
  assert.match(detail('fingerprint'), /not a field/);
  assert.match(detail('__proto__'), /not a field/);
});

test('depth, conditions, lists and texts have bounds', () => {
  const nested = (levels: number): unknown => (levels === 0 ? queued : { not: nested(levels - 1) });
  parsed(nested(filterDepthMax));
  assert.match(faults(nested(filterDepthMax + 1)).join(), /^too-deep (\/not){8}$/);
  assert.match(faults(nested(40)).join(), /too-deep/);
  parsed({ or: Array(filterConditionsMax).fill(queued) });
  const tooMany = { and: [{ or: Array(60).fill(queued) }, { or: Array(60).fill(queued) }] };
  assert.deepEqual(faults(tooMany), ['too-large /and/1/or/40']);
  const ids = Array.from({ length: filterValuesMax + 1 }, (_, at) => `c${at}`);
  parsed({ field: 'captureId', op: 'in', value: ids.slice(1) });
  assert.deepEqual(faults({ field: 'captureId', op: 'in', value: ids }), ['invalid-value /value']);
  assert.deepEqual(faults({ field: 'captureId', op: 'eq', value: 'x'.repeat(1025) }), ['invalid-value /value']);
  assert.deepEqual(faults({ field: 'captureId', op: 'eq', value: '\ud800' }), ['unsafe-text /value']);
  assert.deepEqual(faults({ field: 'seq', op: 'eq', value: 1e300 }), ['unsafe-number /value']);
});

test('a saved filter stands for its conditions, and only where one may be named', () => {
  const saved = (id: string) => (id === 'queue' ? parsed({ or: Array(60).fill(queued) }) : undefined);
  const filter = parseFilter({ not: { saved: 'queue' } }, { saved });
  assert.ok(!isRejection(filter));
  assert.equal(matches(filter, item, now), false);
  assert.deepEqual(faults({ saved: 'other' }, { saved }), ['invalid-value /saved']);
  assert.deepEqual(faults({ saved: ['queue'] }, { saved }), ['invalid-value /saved']);
  assert.deepEqual(faults({ and: [{ saved: 'queue' }, { saved: 'queue' }] }, { saved }), ['too-large /and/1/saved']);
  assert.deepEqual(faults({ saved: 'queue' }), ['invalid-value /saved']);
});
