import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileMapping, type FileRecord, type Mapping } from './mapping.js';

function compile(document: unknown): Mapping {
  const compiled = compileMapping(document);
  assert.ok('mapping' in compiled, JSON.stringify(compiled));
  return compiled.mapping;
}

function item(document: unknown, record: FileRecord): Record<string, unknown> {
  const mapped = compile(document).item(record);
  assert.ok('item' in mapped, JSON.stringify(mapped));
  return mapped.item;
}

const detailOf = (document: unknown, record: FileRecord) =>
  (compile(document).item(record) as { detail: string }).detail;

/** Pointer and detail of the only fault. */
function fault(document: unknown): string {
  const compiled = compileMapping(document);
  assert.ok('faults' in compiled);
  assert.equal(compiled.faults.length, 1, JSON.stringify(compiled.faults));
  return `${compiled.faults[0]!.pointer}: ${compiled.faults[0]!.detail}`;
}

test('a field comes from a column, a constant or a template', () => {
  const fields = { captureId: { template: 'crm/{Id}-{Part}' }, departmentId: 'Dept', processId: { constant: 'p' } };
  assert.deepEqual(item({ fields }, { Id: ' 7 ', Part: 'a', Dept: ' north ' }), {
    captureId: 'crm/7-a',
    departmentId: 'north',
    processId: 'p',
    attributes: {},
  });
});

test('an empty value leaves its field out or takes the default', () => {
  const document = {
    fields: { departmentId: 'A', processId: { column: 'B', default: 'none' } },
    attributes: ['A', 'C'],
  };
  assert.deepEqual(item(document, { A: '  ', B: '', C: 'c' }), { processId: 'none', attributes: { C: 'c' } });
});

test('a record whose captureId would be empty is refused, also half a template', () => {
  assert.match(detailOf({ fields: { captureId: 'Id' } }, { Id: '' }), /captureId would be empty/);
  assert.match(detailOf({ fields: { captureId: { template: '{A}-{B}' } } }, { A: '1' }), /captureId would be empty/);
});

test('times are read by format and zone, as epoch, or passed on as ISO', () => {
  const fields = {
    createdDateTime: { column: 'a', time: 'MM/DD/YYYY hh:mm:ss AM', zone: 'America/New_York' },
    dueDateTime: { column: 'b', time: 'epoch-seconds' },
    activationDateTime: { column: 'c', time: 'epoch-ms' },
    expirationDateTime: { column: 'd', time: 'iso' },
  };
  const record = { a: '07/04/2022 09:05:06 PM', b: '1651377603', c: 1651377603123, d: '2022-05-01T00:00:00+02:00' };
  assert.deepEqual(item({ fields }, record), {
    createdDateTime: '2022-07-05T01:05:06.000Z',
    dueDateTime: '2022-05-01T04:00:03.000Z',
    activationDateTime: '2022-05-01T04:00:03.123Z',
    expirationDateTime: '2022-05-01T00:00:00+02:00',
    attributes: {},
  });
  assert.match(detailOf({ fields }, { ...record, a: 'soon' }), /^createdDateTime is "soon"; expected a time as MM/);
  assert.match(detailOf({ fields }, { ...record, b: 'x' }), /^dueDateTime is "x"; expected a time as epoch-seconds/);
});

test('numbers are parsed with the signs of their country, and known number fields without being told', () => {
  const document = {
    fields: { businessValue: { column: 'v', number: { decimal: ',', group: '.' } }, sourceVersion: 'n' },
    attributes: { x: { column: 'x', number: true }, raw: 'x' },
  };
  assert.deepEqual(item(document, { v: '1.234,5', n: '12', x: '-0.5e2' }), {
    businessValue: 1234.5,
    sourceVersion: 12,
    attributes: { x: -50, raw: '-0.5e2' },
  });
  for (const x of ['0x10', '1 000', 'NaN', '1,5', '']) {
    const mapped = compile(document).item({ x: x || ' ' });
    if (x === '') assert.ok('item' in mapped);
    else assert.match((mapped as { detail: string }).detail, /^x is .*; expected a number$/);
  }
});

test('attributes of NDJSON keep their types, and pointers reach inside', () => {
  const document = { attributes: { tags: 'tags', city: '/address/city', first: '/list/0', none: '/address/x/y' } };
  assert.deepEqual(item(document, { tags: ['a', 1], address: { city: 'Ulm' }, list: [7] }).attributes, {
    tags: ['a', 1],
    city: 'Ulm',
    first: 7,
  });
});

test('names of the prototype are columns like any other', () => {
  assert.deepEqual(item({ attributes: ['toString', 'constructor'] }, {}).attributes, {});
});

test('every fault is told with a pointer', () => {
  assert.match(fault([]), /^: expected an object$/);
  assert.match(fault({ field: {} }), /^\/field: not known here; did you mean fields\?$/);
  assert.match(fault({ fields: { captureID: 'x' } }), /^\/fields\/captureID: .*did you mean captureId/);
  assert.match(fault({ fields: { captureId: { colum: 'x', constant: 1 } } }), /^\/fields\/captureId\/colum: .*column/);
  assert.match(fault({ fields: { captureId: { column: 'x', constant: 1 } } }), /exactly one of/);
  assert.match(fault({ fields: { captureId: {} } }), /exactly one of/);
  assert.match(fault({ fields: { captureId: { template: 'fixed' } } }), /\/template: expected text with at least one/);
  assert.match(
    fault({ fields: { dueDateTime: { column: 'x', time: 'DD/MM' } } }),
    /^\/fields\/dueDateTime\/time: .*YYYY/,
  );
  assert.match(fault({ fields: { dueDateTime: { column: 'x', time: 'YYYY-MM-DD', zone: 'Mars' } } }), /time zone/);
  assert.match(fault({ fields: { dueDateTime: { column: 'x', zone: 'UTC' } } }), /a zone needs a time/);
  assert.match(fault({ attributes: ['a', 1] }), /^\/attributes\/1: expected the name of a column$/);
  assert.match(fault({ attributes: { 'a/b': 1 } }), /^\/attributes\/a~1b: expected an object$/);
  assert.match(fault({ attributes: { a: { column: 'x', number: { decimal: ',,' } } } }), /two different signs/);
});

test('the mapping for the city is without fault and names its columns', () => {
  const text = readFileSync(new URL('../../../examples/nyc-311-mapping.json', import.meta.url), 'utf8');
  const mapping = compile(JSON.parse(text));
  assert.ok(mapping.hasCaptureId);
  assert.ok(mapping.columns.includes('Created Date'));
});

test('values that JSON nests, and numbers that it cannot write, harm no line', () => {
  const compiled = compileMapping({
    fields: {
      captureId: 'id',
      customerId: { template: 'c-{id}' },
      createdDateTime: { column: 'when', time: 'epoch-ms' },
      businessValue: { column: 'value' },
    },
  });
  assert.ok('mapping' in compiled);
  const { mapping } = compiled;
  const hostile = { toString: 1, valueOf: 2, toJSON: 3 };
  assert.deepEqual(mapping.item({ id: hostile }), {
    item: { captureId: JSON.stringify(hostile), customerId: `c-${JSON.stringify(hostile)}`, attributes: {} },
  });
  // JSON would write null, and the item would have no value at all.
  assert.match((mapping.item({ id: 'a', value: '1e999' }) as { detail: string }).detail, /expected a number/);
  for (const column of ['when', 'value']) {
    assert.match((mapping.item({ id: 'a', [column]: hostile }) as { detail: string }).detail, /is "\{/);
  }
});

test('a mapping that names a column again and again does not multiply it without end', () => {
  const detailOf = (document: object) => {
    const compiled = compileMapping(document);
    assert.ok('mapping' in compiled);
    return (compiled.mapping.item({ a: 'x'.repeat(600_000) }) as { detail: string }).detail;
  };
  assert.match(detailOf({ fields: { captureId: { template: '{a}'.repeat(2000) } } }), /captureId would make the item/);
  const attributes = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`n${n}`, 'a']));
  assert.match(detailOf({ attributes }), /n1 would make the item longer than 1048576 characters/);
});
