import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type pg from 'pg';
import { matcherOf } from '../../engine/filter-match.js';
import { parseFilter } from '../../engine/filter-parser.js';
import { isRejection } from '../../engine/rejection.js';
import { sampleFilter, sampleItem, sampleNow } from '../conformance/filter-sample.js';
import { missing, testDatabase } from '../conformance/test-database.js';
import { connect, readTimeouts } from './connection.js';
import { toSql } from './filter-sql.js';
import { columnNames, recordDefinition, recordValues, toJson } from './work-item-row.js';

const itemCount = 400;
const skip = missing('TEST_DATABASE_URL');
const database = testDatabase();

const items = Array.from(
  { length: itemCount },
  (_, index) => fc.sample(sampleItem(index + 1), { numRuns: 1, seed: index })[0]!,
);

/** Runs `work` on a connection to a table of the sample items. */
async function withItems(work: (client: pg.Client) => Promise<void>): Promise<void> {
  await database.empty();
  const client = await connect(database.url, readTimeouts);
  try {
    const insert = `INSERT INTO iwd.work_item (${columnNames})
      SELECT ${recordValues} FROM json_to_recordset($1::json) AS r (${recordDefinition})`;
    await client.query(insert, [`[${items.map(toJson).join(',')}]`]);
    await work(client);
  } finally {
    await client.end();
  }
}

test('a filter finds in Postgres exactly the items that it matches in memory', { skip }, () => withItems(agree));

async function agree(client: pg.Client): Promise<void> {
  let [some, all] = [0, 0];
  const property = fc.asyncProperty(sampleFilter, async (json) => {
    const filter = parseFilter(json);
    assert.ok(!isRejection(filter), JSON.stringify(filter));
    const matched = items.filter(matcherOf(filter, sampleNow)).map(({ seq }) => seq);
    const { text, values } = toSql(filter, sampleNow);
    const { rows } = await client.query(`SELECT seq FROM iwd.work_item WHERE ${text} ORDER BY seq`, values);
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      matched,
    );
    all++;
    if (matched.length > 0 && matched.length < itemCount) some++;
  });
  await fc.assert(property, { numRuns: Number(process.env.FILTER_RUNS ?? 2000) });
  assert.ok(some > all / 4, `only ${some} of ${all} filters tell items apart: too poor to show anything`);
}

test('what a client writes is never part of the statement', { skip }, () => withItems(attack));

async function attack(client: pg.Client): Promise<void> {
  const hostile = "'; DROP TABLE iwd.work_item; --";
  const filter = parseFilter({
    or: [
      { field: `attributes.${hostile}.${hostile}`, op: 'eq', value: hostile },
      { field: 'customerId', op: 'in', value: [hostile, '$1; --', '\\"'] },
      { field: 'category', op: 'contains', value: hostile },
    ],
  });
  assert.ok(!isRejection(filter));
  const { text, values } = toSql(filter, sampleNow);
  assert.ok(!text.includes('DROP') && !text.includes("'; "));
  const { rows } = await client.query(`SELECT 1 FROM iwd.work_item WHERE ${text}`, values);
  assert.equal(rows.length, 0);
}
