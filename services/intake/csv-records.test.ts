import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { CsvRecords, recordBytesMax } from './csv-records.js';

type Found = { cells: string[]; line: number } | { detail: string; line: number };

/** Reads the text in chunks of these sizes, again and again. */
function read(text: string | Buffer, sizes: readonly number[] = [7]): Found[] {
  const found: Found[] = [];
  const records = new CsvRecords({
    record: (cells, line) => found.push({ cells, line }),
    fault: (detail, line) => found.push({ detail, line }),
  });
  const bytes = Buffer.from(text);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length]!;
    records.push(bytes.subarray(at, at + size));
    at += size;
  }
  records.end();
  return found;
}

const cellsOf = (found: Found[]) => found.map((one) => ('cells' in one ? one.cells : one.detail));

test('records come with the line on which they end, whatever ends their lines', () => {
  assert.deepEqual(read('\ufeffa,b\r\n1,"x\r\ny"\n\r\n"",\n2,"say ""hi"", now"'), [
    { cells: ['a', 'b'], line: 1 },
    { cells: ['1', 'x\r\ny'], line: 3 },
    { cells: ['', ''], line: 5 },
    { cells: ['2', 'say "hi", now'], line: 6 },
  ]);
  assert.deepEqual(cellsOf(read('\ufeff"a"\r\n""\r\n')), [['a'], ['']]);
  assert.deepEqual(read(''), []);
  assert.deepEqual(read('\ufeff'), []);
});

test('a quote where none may stand costs its record, and no other', () => {
  const text = 'a,b\nx"y,1\n"x"y,2\n"x"\r3,4\n5,6\n';
  assert.deepEqual(cellsOf(read(text)), [
    ['a', 'b'],
    'a quote inside a cell that does not begin with one, on line 2',
    'text after the quote that closes a cell, on line 3',
    'text after the quote that closes a cell, on line 4',
    ['5', '6'],
  ]);
});

test('a quote that is never closed is told with the line that it stands on', () => {
  assert.deepEqual(read('a,b\n1,2\n3,"4\n5,6\n').at(-1), {
    detail: 'the quote that opens on line 3 is never closed',
    line: 5,
  });
});

test('a record that is too large, or has too many cells, is told, and the next one is read', () => {
  const large = 'x'.repeat(recordBytesMax + 1);
  for (const sizes of [[65_536], [1_000_000_000]]) {
    const found = read(`a\n"${large}"\n${large}\n${','.repeat(5000)}\nb`, sizes);
    assert.deepEqual(cellsOf(found), [
      ['a'],
      `a record of more than ${recordBytesMax} bytes`,
      `a record of more than ${recordBytesMax} bytes`,
      'a record of more than 1000 cells',
      ['b'],
    ]);
  }
});

test('what is not UTF-8 is told, not replaced', () => {
  const text = Buffer.concat([Buffer.from('a\n'), Buffer.from([0xff, 0x0a]), Buffer.from('ü\0\n')]);
  assert.deepEqual(cellsOf(read(text, [1])), [['a'], 'a cell that is not UTF-8 text, on line 2', ['ü\0']]);
});

test('any CSV is read as csv-parse reads it, however it is cut', () => {
  const cell = fc.string({
    unit: fc.constantFrom('a', 'ü', '"', ',', '\n', '\r', ' ', '=', '\u{1f6a7}'),
    maxLength: 6,
  });
  const written = fc.tuple(cell, fc.boolean()).map(([text, always]) => {
    const quoted = always || /[",\r\n]/.test(text);
    return quoted ? `"${text.replaceAll('"', '""')}"` : text;
  });
  const rows = fc.array(fc.array(written, { minLength: 1, maxLength: 4 }), { maxLength: 8 });
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(rows, fc.constantFrom('\n', '\r\n'), fc.boolean(), sizes, (table, end, isEnded, cuts) => {
      const text = table.map((row) => row.join(',')).join(end) + (isEnded ? end : '');
      const options = { relax_column_count: true, skip_empty_lines: true, record_delimiter: end };
      assert.deepEqual(cellsOf(read(text, cuts)), parse(text, options));
    }),
    { numRuns: 2000 },
  );
});
