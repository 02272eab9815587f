import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { findRedisServer } from '../../stores/conformance/redis-server.js';
import { missing } from '../../stores/conformance/test-database.js';
import { judge } from './judge.js';
import { type CrashPlan, type CrashRun, runCrash } from './run.js';
import { type Spoilable, tamperings } from './tampering.js';
import type { ViolationName } from './violation.js';

/** The short form of `npm run test:crash`: every kind of fault lands at least once. */
const plan: CrashPlan = {
  seed: 5,
  clients: 128,
  faults: { server: 2, postgres: 1, redis: 1 },
  times: { calmMsMin: 800, calmMsMax: 1600, earlyShare: 0 },
};

const skip = findRedisServer() === undefined ? missing('TEST_REDIS_URL') || 'no redis-server on the PATH' : false;

let run: CrashRun;
let evidence: Spoilable;
before(async () => {
  if (skip) return;
  run = await runCrash(plan, {
    autopsy: async ({ operations, journal, tables }) => {
      const rows: Spoilable['journal'] = [];
      for await (const row of journal) rows.push(row);
      evidence = { operations: [...operations], journal: rows, tables };
    },
  });
});

test('server, Postgres and Redis are killed under load, and every promise holds', { skip }, (t) => {
  const { violations, looked } = run.verdict;
  const seen = violations.names.map((name) => [name, violations.count(name), ...violations.details(name)]);
  assert.deepEqual(seen, []);
  assert.ok(
    run.faults.every(({ landed }) => landed),
    JSON.stringify(run.faults),
  );
  assert.ok(looked.decisions > 100 && looked.candidatesMean > 5 && looked.epochs > 3, JSON.stringify(looked));
  // Beside other tests a slow machine may not carry the load that makes a run count; the full form insists on it.
  if (run.voidReasons.length > 0) t.skip(`void: ${run.voidReasons.join('; ')}`);
});

/** The rest of them is tried on a small sample (`judge.test.ts`). */
const tried: readonly ViolationName[] = ['lost-create', 'lost-change', 'gap', 'inversion'];
for (const { title, found, spoil } of tamperings.filter((one) => one.found.some((name) => tried.includes(name)))) {
  test(`in a copy of what the run left behind, the checkers find ${title}`, { skip }, async () => {
    const copy = structuredClone(evidence);
    spoil(copy);
    const { violations } = await judge(copy);
    for (const name of found) assert.ok(violations.names.includes(name), `${name} is not in ${violations.names}`);
  });
}
