import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { csvLine, plainText } from './csv.js';

test('a formula becomes text, a number stays a number', () => {
  const line = csvLine(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '\nx', -1.5, 7, true, null, undefined, 'a=b']);
  const [cells] = parse(line);
  assert.deepEqual(cells, [
    "'=1+1",
    "'+1",
    "'-1",
    "'@SUM(A1)",
    "'\tx",
    "'\rx",
    "'\nx",
    '-1.5',
    '7',
    'true',
    '',
    '',
    'a=b',
  ]);
});

test('whatever a text holds, plainText gives it back exactly, and no cell is a formula', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('"', '""', ',', '\r\n', '=', "'=", "''-1", "'", "'a", '=cmd|"/C calc"!A0', 'ü,\u{1f6a7}'),
  );
  fc.assert(
    fc.property(fc.array(text, { minLength: 2, maxLength: 6 }), (texts) => {
      const [cells] = parse(csvLine(texts), { relax_column_count: true, skip_empty_lines: false }) as string[][];
      const isFormula = (cell: string) => '=+-@\t\r\n'.includes(cell[0] ?? 'x');
      assert.deepEqual(cells!.map(plainText), texts);
      for (const [n, text] of texts.entries()) if (isFormula(text)) assert.equal(cells![n], `'${text}`);
      assert.ok(!cells!.some(isFormula));
    }),
  );
});

test('what JSON nests is JSON text in its cell', () => {
  assert.equal(csvLine([{ a: [1, 'x'] }, []]), '"{""a"":[1,""x""]}",[]\r\n');
});
