import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { parseDraft } from '../../engine/draft.js';
import { allColumns, csvHeader, type ExportFormat, exportLine, parseColumns } from '../../engine/export-columns.js';
import { isRejection } from '../../engine/rejection.js';
import type { Draft, WorkItem } from '../../engine/work-item.js';
import { exportedIntake } from './exported-record.js';
import type { FileRecord } from './mapping.js';

const now = Date.UTC(2026, 2, 2);

/** The draft as a stored item, with what the engine adds. */
function stored(draft: Draft): WorkItem {
  const own = { id: '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e', seq: 1, version: 3, status: 'held', updatedDateTime: now };
  return { createdDateTime: now - 1000, ...draft, ...own, preclassified: draft.category !== undefined } as WorkItem;
}

function exported(item: WorkItem, format: ExportFormat, columns = allColumns): FileRecord {
  const line = exportLine(format, columns, item, () => 7);
  if (format === 'ndjson') return JSON.parse(line) as FileRecord;
  return (parse(csvHeader(columns) + line, { columns: true }) as FileRecord[])[0]!;
}

function imported(record: FileRecord, format: ExportFormat): unknown {
  const intake = exportedIntake(format);
  assert.deepEqual(intake.headerFaults(Object.keys(record)), []);
  const read = intake.item(record);
  return 'item' in read ? read.item : read;
}

const text = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom("'=x", '=1+1', '-5', ' ', "'", '"'));
const drafts = fc
  .record(
    {
      captureId: text,
      category: fc.constantFrom('noise', 'noise/street'),
      customerSegment: text,
      channel: text,
      businessValue: fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      sourceVersion: fc.nat(),
      dueDateTime: fc.constantFrom('2026-03-02T09:00:00Z', '2026-03-02T09:00:00.123+01:00'),
      attributes: fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }),
    },
    { requiredKeys: [] },
  )
  .map((json) => parseDraft(json, { now }))
  .filter((draft): draft is Draft => !isRejection(draft));

for (const format of ['csv', 'ndjson'] as const) {
  test(`whatever was exported as ${format} comes back as it was`, () => {
    fc.assert(
      fc.property(drafts, (draft) => {
        const item = imported(exported(stored(draft), format), format);
        const again = parseDraft(item, { now }) as Draft;
        const { fingerprint, createdDateTime, ...rest } = again;
        const { fingerprint: _, ...meant } = draft;
        assert.equal(createdDateTime, now - 1000);
        assert.deepEqual(
          { ...rest, attributes: JSON.parse(rest.attributes) },
          { ...meant, attributes: JSON.parse(meant.attributes) },
        );
      }),
      { numRuns: 1000 },
    );
  });
}

test('what rules and categories gave is left for those of the new place', () => {
  const draft = parseDraft({ category: 'noise', dueDateTime: '2026-03-03T09:00:00Z' }, { now }) as Draft;
  const item = { ...stored(draft), preclassified: false, dueByCategory: true } as WorkItem;
  for (const format of ['csv', 'ndjson'] as const) {
    const back = imported(exported(item, format), format);
    assert.deepEqual(back, { createdDateTime: '2026-03-01T23:59:59.000Z', attributes: {} });
  }
});

test('single attributes are put where their paths lead', () => {
  const json = ['attributes.a.b', 'attributes.a.c', 'attributes.x\\.y', 'captureId'];
  const { columns } = parseColumns(json, '') as { columns: typeof allColumns };
  const draft = parseDraft({ captureId: 'c', attributes: { a: { b: '=1', c: 'two' }, 'x.y': '3' } }, { now }) as Draft;
  for (const format of ['csv', 'ndjson'] as const) {
    assert.deepEqual(imported(exported(stored(draft), format, columns), format), {
      captureId: 'c',
      attributes: JSON.parse(draft.attributes) as object,
    });
  }
});

test('names that are no fields, and names that come twice, are told with their place', () => {
  const intake = exportedIntake('csv');
  const faults = intake.headerFaults(['seq', 'captureID', 'seq', 'attributes.__proto__.x', '']);
  assert.deepEqual(
    faults.map(({ pointer, code }) => [pointer, code]),
    [
      ['/header/1', 'unknown-field'],
      ['/header/2', 'invalid-value'],
      ['/header/3', 'unknown-field'],
      ['/header/4', 'unknown-field'],
    ],
  );
  assert.match(faults[0]!.detail, /did you mean captureId/);
});

test('attributes that are no object, or in each other’s way, are refused', () => {
  const refused = (record: FileRecord) => {
    const read = exportedIntake('csv').item(record);
    return 'item' in read ? 'taken' : [read.code, read.faults?.[0]?.pointer];
  };
  assert.deepEqual(refused({ attributes: '[1]' }), ['invalid-value', '/attributes']);
  assert.deepEqual(refused({ attributes: '{"a":' }), ['invalid-json', '/attributes']);
  assert.deepEqual(refused({ attributes: '{"a":'.repeat(5000) }), ['invalid-json', '/attributes']);
  assert.deepEqual(refused({ attributes: `${'['.repeat(50_000)}${']'.repeat(50_000)}` }), ['too-deep', '/attributes']);
  assert.deepEqual(refused({ attributes: '{"a":1}', 'attributes.a.b': 'x' }), ['invalid-value', '/attributes.a.b']);
  const read = exportedIntake('ndjson').item(JSON.parse('{"attributes.constructor.prototype.evil":1}') as FileRecord);
  assert.equal(({} as Record<string, unknown>).evil, undefined);
  assert.ok('item' in read);
});
