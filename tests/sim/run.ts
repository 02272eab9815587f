import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { type Mutation, mutations } from './scenario.js';
import { minimalTrace, shrink } from './shrink.js';
import { type Failure, failureText, type Sweep, sweep } from './sweep.js';

const help = `npm run test:sim -- [--seeds N] [--seed FIRST] [--mutation NAME] [--until-failure] [--help]

Runs the real engine and actors against faulty memory stores in virtual time, one seed after the other, on one core.
A failed seed is run again in smaller and smaller forms; the smallest is printed with its trace. Exit code 1 then.

  --seeds N          how many seeds, 2000 unless said
  --seed FIRST       the first seed, 1 unless said; the same seed does the same every time
  --until-failure    stop at the first seed that fails
  --mutation NAME    break the protocol on purpose and see how many seeds notice; exit code 1 when none does:
                     ${mutations.join(', ')}`;

const progressMs = 5000;
const shownMax = 3;

function readArgs() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      mutation: { type: 'string' },
      'until-failure': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { mutation } = values;
  if (mutation !== undefined && !(mutations as readonly string[]).includes(mutation)) {
    throw new Error(`there is no mutation ${mutation}; there are ${mutations.join(', ')}`);
  }
  return {
    ...values,
    mutation: mutation as Mutation | undefined,
    seeds: whole(values.seeds),
    seed: whole(values.seed),
  };
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`expected a whole number, not ${text}`);
  return Number(text);
}

/** One line of figures. */
function figures(total: Sweep, ms: number): string {
  const { seeds, failedCount, events, virtualMs, acknowledged, decisions } = total;
  return (
    `${seeds} seeds, ${failedCount} failed; ${((seeds * 1000) / ms).toFixed(0)} seeds/s, ` +
    `${((events * 1000) / ms / 1e3).toFixed(0)}k events/s, ${(virtualMs / ms).toFixed(0)} x real time; ` +
    `${acknowledged} acknowledged requests, ${decisions} decisions compared with the oracle`
  );
}

const list = (counts: ReadonlyMap<string, number>) => [...counts].map(([name, count]) => `${name} ${count}`).join(', ');

async function main(): Promise<void> {
  const args = readArgs();
  if (args.help) {
    console.log(help);
    return;
  }
  setPriority(10);
  const begunAt = performance.now();
  let shownAt = begunAt;
  const total = await sweep({
    ...args,
    untilFailure: args['until-failure'],
    onSeed: (state) => {
      if (performance.now() - shownAt < progressMs) return;
      shownAt = performance.now();
      console.log(figures(state, shownAt - begunAt));
    },
  });
  console.log(figures(total, performance.now() - begunAt));
  console.log(`happened: ${list(total.landed)}; ${total.replayed} seeds ran twice`);
  if (args.mutation !== undefined) await reportMutation(args.mutation, total);
  else await reportFailures(total);
}

async function reportMutation(mutation: Mutation, total: Sweep): Promise<void> {
  const [first] = total.failed;
  if (first === undefined) {
    console.log(`${mutation}: NOT noticed`);
    process.exitCode = 1;
    return;
  }
  const { failedCount, seeds, byChecker } = total;
  console.log(`${mutation}: first noticed by seed ${first.scenario.seed}, by ${failedCount} of ${seeds} seeds`);
  console.log(`seeds by checker: ${list(byChecker)}`);
  await showSmallest(first);
}

async function reportFailures(total: Sweep): Promise<void> {
  if (total.failedCount > 0) process.exitCode = 1;
  for (const failure of total.failed.slice(0, shownMax)) await showSmallest(failure);
  const others = total.failed.slice(shownMax).map(({ scenario }) => scenario.seed);
  if (others.length > 0) console.log(`\nalso failed: ${others.join(', ')}`);
}

async function showSmallest(failure: Failure): Promise<void> {
  console.log(`\nFAILED ${failureText(failure)}`);
  const small = await shrink(failure.scenario, failure.result.violations[0].checker);
  console.log(`\nsmallest form: ${failureText(small)}\n${minimalTrace(small.result).join('\n')}`);
}

await main();
