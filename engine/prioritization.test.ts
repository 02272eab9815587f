import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePrioritization, type Prioritization } from './prioritization.js';

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const standard = {
  id: 'standard',
  origin: 'created',
  mode: 'step',
  points: [
    { offset: 'PT0S', priority: 100 },
    { offset: 'PT4H', priority: 300 },
  ],
  businessValueWeight: 0.1,
  segmentWeights: { gold: 50 },
};

function compiled(...schemas: unknown[]): Prioritization {
  const result = compilePrioritization({ schemas });
  assert.ok('prioritization' in result, JSON.stringify(result));
  return result.prioritization;
}

function pointers(body: unknown): string[] {
  const result = compilePrioritization(body);
  assert.ok('faults' in result);
  for (const { detail } of result.faults) assert.match(detail, /^\S.+\S$/);
  return result.faults.map(({ code, pointer }) => `${code} ${pointer}`);
}

test('steps hold the first priority before the first point, each point from its instant on, the last one for ever', () => {
  const schemas = compiled(standard);
  const item = { createdDateTime: start };
  const at = (t: number) => schemas.priorityAt(1, item, t);
  assert.deepEqual(
    [start - 1, start, start + 4 * hour - 1, start + 4 * hour, start + 9999 * hour].map(at),
    [100, 100, 100, 300, 300],
  );
});

test('a line passes straight between its points, rounded half up to a millionth when shown', () => {
  const schemas = compiled({
    ...standard,
    mode: 'linear',
    points: [...standard.points.slice(0, 1), { offset: 'PT3S', priority: 101 }],
  });
  const at = (ms: number) => schemas.priorityAt(1, { createdDateTime: start }, start + ms);
  assert.deepEqual(
    [-5, 0, 1, 1000, 2000, 1500, 3000, 9000].map(at),
    [100, 100, 100.000333, 100.333333, 100.666667, 100.5, 101, 101],
  );
  const slight = [
    { offset: 'PT0S', priority: 0 },
    { offset: 'PT0.002S', priority: -0.000001 },
  ];
  const half = compiled({ ...standard, mode: 'linear', points: slight });
  assert.equal(half.priorityAt(1, { createdDateTime: start }, start + 1), 0, 'half a millionth below 0 is shown as 0');
  assert.equal(half.priorityAt(1, { createdDateTime: start }, start + 2), -0.000001);
});

test('weights add to the curve; a segment without weight and a missing business value add nothing', () => {
  const schemas = compiled(standard);
  const score = (more: object) => schemas.priorityAt(1, { createdDateTime: start, ...more }, start);
  assert.equal(score({ businessValue: 25, customerSegment: 'gold' }), 152.5);
  assert.equal(score({ businessValue: -25, customerSegment: 'iron' }), 97.5);
  assert.equal(score({ customerSegment: 'constructor' }), 100);
});

test('an item without the time that its schema counts from keeps the first priority', () => {
  const schemas = compiled(
    { ...standard, id: 'due', origin: 'due' },
    { ...standard, id: 'activation', origin: 'activation' },
  );
  const late = start + 99 * hour;
  assert.equal(schemas.priorityAt(1, { createdDateTime: start }, late), 100);
  assert.equal(schemas.priorityAt(1, { createdDateTime: start, dueDateTime: start }, late), 300);
  assert.equal(schemas.priorityAt(2, { createdDateTime: start }, start + 4 * hour), 100);
  assert.equal(
    schemas.priorityAt(2, { createdDateTime: start, activationDateTime: start + hour }, start + 4 * hour),
    100,
  );
});

test('categories without a schema, and unknown schemas, have the constant 0', () => {
  const schemas = compiled(standard);
  assert.deepEqual(
    [undefined, 'none', 'gone', 'standard'].map((id) => schemas.indexOf(id)),
    [0, 0, 0, 1],
  );
  assert.equal(schemas.priorityAt(0, { createdDateTime: start, businessValue: 9 }, start), 0);
  assert.deepEqual(schemas.documents, [standard]);
});

test('an explanation names origin, point reached and terms, and what comes next and when', () => {
  const schemas = compiled(standard);
  const item = { createdDateTime: start, businessValue: 10, customerSegment: 'gold' };
  assert.deepEqual(schemas.explain(1, item, start + hour), {
    schema: 'standard',
    origin: 'created',
    originAt: start,
    clock: { calendar: undefined, stopsWhileHeld: false },
    ageMs: hour,
    point: 0,
    curve: 100,
    businessValue: 1,
    segment: 50,
    priority: 151,
  });
  assert.deepEqual(schemas.changesAfter(1, item, start + hour, 5), [
    { at: start + 4 * hour, priority: 351, point: 1, sloped: false },
  ]);
  assert.deepEqual(schemas.changesAfter(1, item, start + 4 * hour, 5), []);
  assert.deepEqual(compiled({ ...standard, origin: 'due' }).changesAfter(1, item, start, 5), []);
});

test('on a line each bend is a change; flat stretches of the same height are none', () => {
  const offsets = ['-PT1H', 'PT0S', 'PT1H', 'PT2H'];
  const points = [5, 5, 9, 9].map((priority, at) => ({ offset: offsets[at], priority }));
  const schemas = compiled({ ...standard, mode: 'linear', points });
  assert.deepEqual(schemas.changesAfter(1, { createdDateTime: start }, start - 9 * hour, 9), [
    { at: start, priority: 5, point: 1, sloped: true },
    { at: start + hour, priority: 9, point: 2, sloped: false },
  ]);
});

test('every fault of a document is told at once, with a pointer from the root of the body', () => {
  const points = [
    { offset: 'PT1H', priority: 1 },
    { offset: 'PT1H', priority: 2 },
    { offset: 'P1Y', priority: Number.POSITIVE_INFINITY },
    { offset: 'PT2H', extra: 1 },
    7,
  ];
  const bad = {
    id: 'a b',
    origin: 'birth',
    mode: 'curve',
    points,
    businessValueWeight: '1',
    segmentWeights: { 'a/b~': 2e9 },
    x: 1,
  };
  assert.deepEqual(pointers({ schemas: [bad, { id: 'none' }, standard, standard, null], y: 1 }), [
    'unknown-field /y',
    'unknown-field /schemas/0/x',
    'invalid-value /schemas/0/id',
    'invalid-value /schemas/0/origin',
    'invalid-value /schemas/0/mode',
    'invalid-value /schemas/0/points/1/offset',
    'invalid-value /schemas/0/points/2/priority',
    'invalid-value /schemas/0/points/2/offset',
    'unknown-field /schemas/0/points/3/extra',
    'missing-field /schemas/0/points/3/priority',
    'invalid-value /schemas/0/points/4',
    'invalid-value /schemas/0/businessValueWeight',
    'invalid-value /schemas/0/segmentWeights/a~1b~0',
    'missing-field /schemas/1/origin',
    'missing-field /schemas/1/mode',
    'missing-field /schemas/1/points',
    'invalid-value /schemas/1/id',
    'invalid-value /schemas/3/id',
    'invalid-value /schemas/4',
  ]);
});

test('bodies of another shape, and lists beyond their bound, are refused', () => {
  assert.deepEqual(pointers(null), ['invalid-value ']);
  assert.deepEqual(pointers([]), ['invalid-value ']);
  assert.deepEqual(pointers({}), ['missing-field /schemas']);
  assert.deepEqual(pointers({ schemas: {} }), ['invalid-value /schemas']);
  assert.deepEqual(pointers({ schemas: Array(257).fill(standard) }), ['invalid-value /schemas']);
  assert.deepEqual(pointers({ schemas: [{ ...standard, points: [] }] }), ['invalid-value /schemas/0/points']);
  const many = Array.from({ length: 65 }, (_, at) => ({ offset: `PT${at}S`, priority: 0 }));
  assert.deepEqual(pointers({ schemas: [{ ...standard, points: many }] }), ['invalid-value /schemas/0/points']);
  assert.equal(pointers({ schemas: Array(256).fill({}) }).length, 100);
});
