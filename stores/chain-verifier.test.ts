import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ChainedRow, ChainVerifier, type Head } from './chain-verifier.js';
import { digestOf, nextLink, noLink } from './journal-chain.js';

/** Rows as they are stored. */
interface Stored {
  seq: number;
  epoch: number;
  eventCount: number;
  at: Buffer;
  bytes: Buffer;
  digest: Buffer;
  link: Buffer;
  erased: { seq: number; digest: Uint8Array }[];
}

function journalOf(counts: readonly number[]): Stored[] {
  let link: Uint8Array = noLink;
  let seq = 1;
  return counts.map((eventCount, index) => {
    const bytes = Buffer.from(`events ${index}`);
    const row = {
      seq,
      epoch: 1 + (index >> 2),
      eventCount,
      at: Buffer.alloc(8, index),
      bytes,
      digest: digestOf(bytes),
    };
    link = nextLink(link, row, row.digest);
    seq += eventCount;
    return { ...row, link: Buffer.from(link), erased: [] };
  });
}

function headOf(rows: readonly Stored[]): Head {
  const last = rows.at(-1);
  return last === undefined ? { seq: 0, link: noLink } : { seq: last.seq + last.eventCount - 1, link: last.link };
}

function verify(rows: readonly Stored[], head: Head, heads: readonly Head[] = []) {
  const verifier = new ChainVerifier(heads);
  for (const row of rows) verifier.add({ ...row, actual: digestOf(row.bytes) } satisfies ChainedRow);
  return verifier.end(head);
}

const journals = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 20 }).map(journalOf);
const flipped = (bytes: Buffer, bit: number) => {
  const copy = Buffer.from(bytes);
  copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7);
  return copy;
};

test('a journal that nobody touched is whole, up to the head that was noted', () => {
  fc.assert(
    fc.property(journals, (rows) => {
      const half = rows.slice(0, rows.length >> 1);
      const report = verify(rows, headOf(rows), [headOf(half), headOf(rows)]);
      assert.equal(report.firstBreak, undefined);
      assert.deepEqual(report.head, headOf(rows));
      assert.equal(report.chainedFrom, 1);
    }),
  );
});

type Tamper = (rows: Stored[], at: number, other: number, bit: number) => Stored[];
const changed =
  (change: (row: Stored, bit: number) => Partial<Stored>): Tamper =>
  (rows, at, _other, bit) =>
    rows.map((row, index) => (index === at ? { ...row, ...change(row, bit) } : row));
const tampers: Record<string, Tamper> = {
  'events changed': changed(({ bytes }, bit) => ({ bytes: flipped(bytes, bit) })),
  'events and their digest changed': changed(({ bytes }, bit) => {
    const other = flipped(bytes, bit);
    return { bytes: other, digest: digestOf(other) };
  }),
  'events, digest and link changed': changed((row, bit) => {
    const bytes = flipped(row.bytes, bit);
    return { bytes, digest: digestOf(bytes), link: nextLink(row.link, row, digestOf(bytes)) };
  }),
  'epoch changed': changed(({ epoch }) => ({ epoch: epoch + 1 })),
  'time changed': changed(({ at }, bit) => ({ at: flipped(at, bit) })),
  'count changed': changed(({ eventCount }) => ({ eventCount: eventCount + 1 })),
  'link changed': changed(({ link }, bit) => ({ link: flipped(link, bit) })),
  'row taken out': (rows, at) => rows.filter((_, index) => index !== at),
  'row taken out, the later ones moved up': (rows, at) => {
    const gone = rows[at]!;
    return rows
      .filter((row) => row !== gone)
      .map((row) => (row.seq > gone.seq ? { ...row, seq: row.seq - gone.eventCount } : row));
  },
  'row put in twice': (rows, at) => [...rows.slice(0, at + 1), ...rows.slice(at)],
  'two rows exchanged': (rows, at, other) =>
    rows.map((row, index) => {
      const from = rows[index === at ? other : index === other ? at : index]!;
      return { ...from, seq: row.seq };
    }),
  'end cut off': (rows, at) => rows.slice(0, at),
};

for (const [name, tamper] of Object.entries(tampers)) {
  test(`every tampered journal is found: ${name}`, () => {
    const numbers = fc.tuple(fc.nat(), fc.nat(), fc.nat(4000));
    fc.assert(
      fc.property(journals, numbers, (rows, [first, second, bit]) => {
        const at = first % rows.length;
        const other = (at + 1 + (second % (rows.length - 1))) % rows.length;
        const report = verify(tamper(rows, at, other, bit), headOf(rows));
        assert.ok(report.firstBreak !== undefined);
      }),
    );
  });
}

test('an end that was cut off with the lease’s head is found when a later head was noted', () => {
  fc.assert(
    fc.property(journals, fc.nat(), (rows, cut) => {
      const left = rows.slice(0, cut % rows.length);
      assert.equal(verify(left, headOf(left)).firstBreak, undefined, 'nothing in the journal itself tells');
      const found = verify(left, headOf(left), [headOf(rows)]);
      assert.equal(found.firstBreak?.seq, headOf(left).seq + 1);
    }),
  );
});

test('a journal that was written anew behind a noted head is found', () => {
  const rows = journalOf([1, 2, 3]);
  const forged = journalOf([1, 2, 3]).map((row) => ({ ...row, epoch: 9 }));
  let link: Uint8Array = noLink;
  for (const row of forged) {
    link = nextLink(link, row, row.digest);
    row.link = Buffer.from(link);
  }
  assert.equal(verify(forged, headOf(forged)).firstBreak, undefined);
  assert.equal(verify(forged, headOf(forged), [headOf(rows)]).firstBreak?.seq, 6);
});

test('a row that was rewritten as an erasure announced is whole; any other content of it is not', () => {
  const rows = journalOf([1, 1, 1, 1]);
  const left = Buffer.from('events [erased]');
  rows[3]!.erased = [{ seq: 2, digest: digestOf(left) }];
  assert.deepEqual(pick(verify(rows, headOf(rows))), [undefined, 0, 1], 'announced, not done');
  rows[1]!.bytes = left;
  assert.deepEqual(pick(verify(rows, headOf(rows))), [undefined, 1, 0]);
  rows[1]!.bytes = Buffer.from('events forged');
  assert.equal(verify(rows, headOf(rows)).firstBreak?.seq, 2);
});

test('rows from before the chain are passed over, one without a link after it is a break', () => {
  const rows = journalOf([2, 2, 2]);
  const old = { ...rows[0]!, digest: null, link: null };
  const verifier = new ChainVerifier();
  let link: Uint8Array = noLink;
  verifier.add({ ...old, actual: digestOf(old.bytes) });
  for (const row of rows.slice(1)) {
    link = nextLink(link, row, row.digest);
    verifier.add({ ...row, link, actual: row.digest });
  }
  const report = verifier.end({ seq: 6, link });
  assert.deepEqual([report.firstBreak, report.chainedFrom], [undefined, 3]);
  const late = new ChainVerifier();
  late.add({ ...rows[0]!, actual: rows[0]!.digest });
  late.add({ ...rows[1]!, digest: null, link: null, actual: rows[1]!.digest });
  assert.equal(late.end(headOf(rows)).firstBreak?.seq, 3);
});

function pick({ firstBreak, erasedRows, notErasedRows }: ReturnType<ChainVerifier['end']>) {
  return [firstBreak, erasedRows, notErasedRows];
}
