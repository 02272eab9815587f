import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { scenarios } from './catalog.js';
import { missing } from './need.js';
import { aboutRun, type Outcome, resultOf, tableOf } from './report.js';
import { type Scenario, Trial } from './scenario.js';

const help = `npm run test:faults -- [--only S11,S32] [--quick] [--json FILE] [--help]

Breaks what the real server stands on - Postgres, Redis, the network between them, disk, clock, its own threads, hostile
clients - one scenario after the other, and holds what is seen against the pass figure of each. INV: nothing acknowledged
lost or doubled, no item with two owners, no gap in the journal, every item linearizable, every decision of next right.

  --only IDS   some scenarios, separated by commas
  --quick      few repetitions and short times: the figures stay
  --json FILE  also writes the table there

Gets toxiproxy (go install, into ~/.cache/iwd) when it is missing. Scenarios whose tools are not there are skipped and
say why. Exit code: 0 every figure met, 1 some missed, 3 interrupted.`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  const ids = values.only?.split(',').map((id) => id.trim());
  const unknown = ids?.filter((id) => !scenarios.some((scenario) => scenario.id === id)) ?? [];
  if (unknown.length > 0)
    throw new Error(`there is no ${unknown.join(', ')}; there are ${scenarios.map(({ id }) => id).join(', ')}`);
  const about = aboutRun();
  const outcomes: Outcome[] = [];
  for (const scenario of scenarios) {
    if (ids !== undefined && !ids.includes(scenario.id)) continue;
    const outcome = await runScenario(scenario);
    outcomes.push(outcome);
    console.log(tableOf([outcome]));
  }
  console.log(`\n${tableOf(outcomes)}`);
  if (values.json !== undefined) {
    mkdirSync(dirname(values.json), { recursive: true });
    writeFileSync(values.json, `${JSON.stringify(resultOf(about, outcomes), undefined, 2)}\n`);
  }
  return outcomes.every(({ figures, skipped }) => skipped !== undefined || figures.every(({ ok }) => ok)) ? 0 : 1;
}

let running: Trial | undefined;

async function runScenario(scenario: Scenario): Promise<Outcome> {
  const { id, what, needs } = scenario;
  const startedAt = performance.now();
  const trial = new Trial(values.quick);
  const seconds = () => Math.round((performance.now() - startedAt) / 100) / 10;
  const skipped = needs.map((need) => missing(need, true)).find((reason) => reason !== undefined);
  if (skipped !== undefined) return { id, what, figures: [], notes: [], seconds: 0, skipped };
  running = trial;
  try {
    await scenario.run(trial);
  } catch (error) {
    trial.exactly('errors of the scenario itself', 0, 1, [
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    ]);
  } finally {
    await trial.stop();
    running = undefined;
  }
  return { id, what, figures: trial.figures, notes: trial.notes, seconds: seconds() };
}

if (values.help) console.log(help);
else {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void Promise.resolve(running?.stop()).finally(() => process.exit(3));
    });
  }
  // A scenario that failed may have left clients behind that wait for answers.
  process.exit(await main());
}
