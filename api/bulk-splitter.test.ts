import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BulkFormat, type BulkLimits, BulkSplitter, type Piece } from './bulk-splitter.js';

const roomy: BulkLimits = { itemBytesMax: 10_000, itemsMax: 1000, sliceBytesMax: 200, sliceItemsMax: 5 };

function split(format: BulkFormat, chunks: Buffer[], limits = roomy): { pieces: Piece[]; stop: string | undefined } {
  const splitter = new BulkSplitter(format, limits);
  const pieces = chunks.flatMap((chunk) => splitter.push(chunk));
  pieces.push(...splitter.end());
  return { pieces, stop: splitter.stop };
}

/** Lines as the shard sees them: number and text. */
function linesOf(pieces: Piece[]): { line: number; text: string }[] {
  return pieces.flatMap((piece) => {
    if ('rejection' in piece) return [{ line: piece.line, text: piece.rejection.code }];
    const texts = piece.body.toString('utf8').replace(/\n$/, '').split('\n');
    const lines = texts
      .map((text, index) => ({ line: piece.firstLine + index, text }))
      .filter(({ text }) => text.trim());
    assert.equal(lines.length, piece.itemCount);
    return lines;
  });
}

function cut(bytes: Buffer, places: number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => Buffer.from(bytes.subarray(from, at[index] ?? bytes.length)));
}

const places = fc.array(fc.nat(), { maxLength: 12 });
const indent = fc.constantFrom(undefined, 1, '\t', '\n', '\r\n ');
/** Texts full of what a byte-level reader could trip over. */
const tricky = fc.string({
  unit: fc.constantFrom('"', '\\', '[', ']', '{', '}', ',', '\n', '\u2028', 'ü', '😀', 'a', ' '),
});
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    tricky,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constant(null),
    fc.boolean(),
    tie('list'),
    tie('record'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  record: fc.dictionary(tricky, tie('value'), { maxKeys: 4 }),
})).value;

test('the elements of an array cut at any bytes are those that JSON.parse finds, in order', () => {
  fc.assert(
    fc.property(fc.array(json, { maxLength: 30 }), indent, places, (values, space, cuts) => {
      const body = Buffer.from(JSON.stringify(values, null, space));
      const { pieces, stop } = split('array', cut(body, cuts));
      assert.equal(stop, undefined);
      const lines = linesOf(pieces);
      assert.deepEqual(
        lines.map(({ text }) => JSON.parse(text)),
        JSON.parse(body.toString()),
      );
      assert.deepEqual(
        lines.map(({ line }) => line),
        values.map((_, index) => index),
      );
    }),
    { numRuns: 2000 },
  );
});

test('how the network cuts a body changes nothing, whatever the body is', () => {
  const noise = fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '"', '\\', ',', '\n', '\r', ' ', '1', ':') });
  fc.assert(
    fc.property(noise, fc.constantFrom<BulkFormat>('array', 'ndjson'), places, (text, format, cuts) => {
      const body = Buffer.from(text);
      assert.deepEqual(split(format, cut(body, cuts)), split(format, [body]));
    }),
    { numRuns: 3000 },
  );
});

test('an array that JSON.parse takes is never called broken, and one that is called broken is never taken by it', () => {
  const noise = fc.string({ unit: fc.constantFrom('[', ']', '{}', '"', '\\', ',', ' ', '1'), maxLength: 12 });
  fc.assert(
    fc.property(noise, (text) => {
      const { stop } = split('array', [Buffer.from(`[${text}]`)]);
      if (stop === undefined) return;
      assert.throws(() => JSON.parse(`[${text}]`));
    }),
    { numRuns: 5000 },
  );
});

test('NDJSON lines keep their numbers over blank lines, CRLF and a last line without its end', () => {
  const line = fc.constantFrom('{"a":1}', '', '\r', '  ', '{"b":"\\n"}\r', 'bad');
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), fc.boolean(), places, (lines, ended, cuts) => {
      const body = Buffer.from(lines.join('\n') + (ended ? '\n' : ''));
      const expected = lines.map((text, index) => ({ line: index, text })).filter(({ text }) => text.trim() !== '');
      assert.deepEqual(linesOf(split('ndjson', cut(body, cuts)).pieces), expected);
    }),
    { numRuns: 2000 },
  );
});

test('no slice is larger than allowed, in bytes or in items', () => {
  const item = (size: number) => `"${'x'.repeat(size)}"`;
  fc.assert(
    fc.property(fc.array(fc.nat(150), { maxLength: 60 }), places, (sizes, cuts) => {
      const { pieces } = split('array', cut(Buffer.from(`[${sizes.map(item).join()}]`), cuts));
      for (const piece of pieces) {
        assert.ok(
          'body' in piece && piece.body.length <= roomy.sliceBytesMax && piece.itemCount <= roomy.sliceItemsMax,
        );
      }
    }),
  );
});

test('an item that is too large is refused alone, and its bytes are not kept', () => {
  const limits = { ...roomy, itemBytesMax: 10 };
  const body = Buffer.from(`[1,"${'x'.repeat(500)}",2]`);
  for (const chunks of [[body], cut(body, [3, 50, 200])]) {
    const lines = linesOf(split('array', chunks, limits).pieces);
    assert.deepEqual(lines, [
      { line: 0, text: '1' },
      { line: 1, text: 'too-large' },
      { line: 2, text: '2' },
    ]);
  }
});

test('a break in the array is reported at its line, and nothing after it is taken', () => {
  for (const [body, line] of [
    ['[1,2,,3]', 2],
    ['[1,2', 1],
    ['[1]]', 1],
    ['[}', 0],
    ['x', 0],
    ['', 0],
    ['[1,]', 1],
  ] as const) {
    const { pieces, stop } = split('array', [Buffer.from(body)]);
    assert.equal(stop, 'broken', body);
    assert.deepEqual(linesOf(pieces).at(-1), { line, text: 'invalid-json' }, body);
  }
});

test('of too many items exactly the allowed number goes on', () => {
  for (const format of ['array', 'ndjson'] as const) {
    const body = format === 'array' ? `[${'1,'.repeat(50)}1]` : '1\n'.repeat(51);
    const exact = split(format, [Buffer.from(body)], { ...roomy, itemsMax: 51 });
    assert.deepEqual([exact.stop, linesOf(exact.pieces).length], [undefined, 51]);
    const over = split(format, [Buffer.from(body)], { ...roomy, itemsMax: 50 });
    assert.deepEqual([over.stop, linesOf(over.pieces).length], ['too-many', 50]);
  }
});
