import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findRedisServer } from '../../stores/conformance/redis-server.js';
import { keepEvidence } from './evidence.js';
import { reportOf, reportText } from './report.js';
import { type CrashPlan, runCrash } from './run.js';

const help = `npm run test:crash -- [--server N] [--postgres N] [--redis N] [--clients N] [--seed N] [--json FILE] [--evidence DIR] [--help]

Runs the real server on a Postgres and a Redis of its own under load (creates, bulk, next, complete, hold, resume, cancel
and more, retried with the same key until the outcome is known), kills them with SIGKILL one after the other, and checks
that nothing acknowledged is lost, doubled or owned twice, that the journal has no gap, that every item's history is
linearizable, and that every decision of next was the right one.

  --server, --postgres, --redis   kills of each: 25, 5 and 5 unless told
  --clients N     that ask as fast as they are answered: 128 unless told
  --seed N        of the clients' choices and of the order of the kills; drawn and printed unless told
  --json FILE     also writes the result there
  --evidence DIR  also keeps there what the clients saw and the journal; with violations both are kept anyway

Exit code: 0 passed, 1 violations, 2 void (under 500 operations/s, or a fault that did not land), 3 it could not run.`;

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: '25' },
    postgres: { type: 'string', default: '5' },
    redis: { type: 'string', default: '5' },
    clients: { type: 'string', default: '128' },
    seed: { type: 'string' },
    json: { type: 'string' },
    evidence: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  if (findRedisServer() === undefined) throw new Error('there is no redis-server on the PATH: install it first');
  const plan: CrashPlan = {
    seed: values.seed === undefined ? Math.floor(Math.random() * 1e6) : Number(values.seed),
    clients: Number(values.clients),
    faults: { server: Number(values.server), postgres: Number(values.postgres), redis: Number(values.redis) },
    times: { calmMsMin: 1500, calmMsMax: 4500, earlyShare: 0.2 },
  };
  console.log(`seed ${plan.seed}`);
  const aborted = new AbortController();
  process.once('SIGINT', () => aborted.abort(new Error('interrupted: nothing is judged')));
  const run = await runCrash(plan, {
    signal: aborted.signal,
    autopsy: async (evidence, { violations }) => {
      const dir = values.evidence ?? join(tmpdir(), `iwd-crash-evidence-${plan.seed}`);
      if (values.evidence === undefined && violations.total === 0) return;
      await keepEvidence(dir, evidence);
      console.log(`history and journal are in ${dir}`);
    },
    onFault: ({ kind, landed }, left) =>
      console.log(`killed ${kind}${landed ? '' : ' (did not land)'}; ${left} to come`),
  });
  const report = reportOf(run, plan);
  console.log(reportText(report, run));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return { passed: 0, failed: 1, void: 2 }[report.verdict];
}

if (values.help) console.log(help);
else {
  // Clients of a run that has failed would go on asking for a while.
  process.exit(
    await main().catch((error: unknown) => {
      console.error(error);
      return 3;
    }),
  );
}
