import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Operation } from './history.js';
import type { Row } from './journal-fold.js';
import type { Tables } from './tables.js';

/** Everything that a run left behind. */
export interface Evidence {
  operations: readonly Operation[];
  /** The rows of the journal, in order. */
  journal: AsyncIterable<Row> | Iterable<Row>;
  tables: Tables;
}

/** Keeps what the clients saw (`history.ndjson`) and the journal (`journal.ndjson`), one operation or row a line. */
export async function keepEvidence(dir: string, { operations, journal }: Evidence): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeLines(join(dir, 'history.ndjson'), operations);
  await writeLines(join(dir, 'journal.ndjson'), journal);
}

async function writeLines(path: string, values: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
  async function* lines() {
    for await (const value of values) yield `${JSON.stringify(value)}\n`;
  }
  await pipeline(Readable.from(lines()), createWriteStream(path));
}
