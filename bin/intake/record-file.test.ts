import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { type FileFormat, type FileLine, openRecords } from './record-file.js';

const folder = mkdtempSync(join(tmpdir(), 'iwd-records-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'file');

async function read(content: string | Buffer, format: FileFormat, columns: string[] = []): Promise<FileLine[]> {
  writeFileSync(path, content);
  const lines: FileLine[] = [];
  for await (const { record, ...line } of openRecords(path, format, columns).lines) {
    lines.push({ ...line, ...(record && { record: { ...record } }) });
  }
  return lines;
}

test('CSV records come with the line on which they end', async () => {
  assert.deepEqual(await read('\ufeffa,b\r\n1,"x\ny"\r\n\r\n2,"say ""hi"", now"\r\n', 'csv', ['a']), [
    { line: 3, record: { a: '1', b: 'x\ny' } },
    { line: 5, record: { a: '2', b: 'say "hi", now' } },
  ]);
});

test('a CSV row with a column too many is told with its line and harms no other', async () => {
  const lines = await read('a,b\n1,2\n1,2,3\n4,5\n', 'csv');
  assert.deepEqual(
    lines.map(({ line, record }) => [line, record?.a]),
    [
      [2, '1'],
      [3, undefined],
      [4, '4'],
    ],
  );
  assert.match(lines.find(({ line }) => line === 3)!.detail!, /3 cells, where the header has 2/);
});

test('a quote that is never closed is told, not swallowed', async () => {
  const lines = await read('a,b\n1,2\n3,"4\n5,6\n', 'csv');
  assert.deepEqual(lines[0], { line: 2, record: { a: '1', b: '2' } });
  assert.equal(lines.length, 2);
  assert.match(lines[1]!.detail!, /the quote that opens on line 3 is never closed/);
});

test('a CSV without a needed column is refused with the columns that it has', async () => {
  await assert.rejects(read('a,b\n1,2\n', 'csv', ['a', 'Id']), /no column "Id"; it has a, b/);
});

test('a file that is not there is refused', async () => {
  for (const format of ['csv', 'ndjson'] as const) {
    await assert.rejects(async () => {
      for await (const _ of openRecords(join(folder, 'none'), format, []).lines);
    }, /ENOENT/);
  }
});

test('NDJSON lines are read one by one; blank ones are skipped, faulty ones told', async () => {
  const bad = Buffer.concat([
    Buffer.from('\ufeff{"a":1}\r\n\n[1]\n{"a":\n{"a":"'),
    Buffer.from([0xff]),
    Buffer.from('"}\n{"a":2}'),
  ]);
  const lines = await read(bad, 'ndjson');
  assert.deepEqual(
    lines.map(({ line, record }) => [line, record?.a]),
    [
      [1, 1],
      [3, undefined],
      [4, undefined],
      [5, undefined],
      [6, 2],
    ],
  );
  assert.match(lines[1]!.detail!, /expected a JSON object/);
});

test('a line beyond the bound is told once and the next one is read', async () => {
  const lines = await read(`{"a":1}\n{"a":"${'x'.repeat(3_000_000)}"}\n{"a":2}\n`, 'ndjson');
  assert.deepEqual(
    lines.map(({ line, record }) => [line, record?.a]),
    [
      [1, 1],
      [2, undefined],
      [3, 2],
    ],
  );
  assert.match(lines[1]!.detail!, /longer than 1048576 bytes/);
});

test('whatever was written as NDJSON or CSV is read back', async () => {
  const cell = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[\r]/.test(text) && text.trim() === text);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ a: cell, b: cell }, { noNullPrototype: true }), { minLength: 1, maxLength: 20 }),
      async (records) => {
        const json = await read(records.map((record) => JSON.stringify(record)).join('\n'), 'ndjson');
        assert.deepEqual(
          json.map(({ record }) => ({ ...record })),
          records,
        );
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const csv = await read(`a,b\n${records.map(({ a, b }) => `${quote(a)},${quote(b)}\n`).join('')}`, 'csv');
        assert.deepEqual(
          csv.map(({ record }) => ({ ...record })),
          records,
        );
      },
    ),
    { numRuns: 50 },
  );
});
