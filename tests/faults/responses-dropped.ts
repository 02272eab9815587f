import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../crash/load.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 12;
const lostMs = 300;

/** Postgres does what it is asked to and its answers get lost: the classic of "executed, and told time-out". */
export const responsesDropped: Scenario = {
  id: 'S12',
  what: 'Postgres executes, its replies are dropped (toxiproxy)',
  needs: ['toxiproxy'],
  async run(trial) {
    const times = trial.pick(20, 3);
    const system = await trial.system({ proxied: ['postgres'] });
    const http = trial.client(system, clients);
    const load = trial.start(new Load(http, 12), clients);
    for (let i = 0; i < times; i++) {
      await sleep(400);
      await system.postgresProxy.drop('downstream');
      // The last one outlasts the commit's own time-out of 4 s, so that the server gives up by itself.
      await sleep(i === times - 1 && !trial.isQuick ? 5000 : lostMs);
      await system.postgresProxy.heal();
      await system.untilServing();
    }
    await sleep(400);
    await load.stop();
    const unknown = await system.metric('iwd_commits_total', 'outcome="unknown"');
    // A drop between two commits, or while everybody waits for a read, leaves none unknown.
    trial.atLeast('commits that ended unknown', times * 0.8, unknown);
    const verdict = await checkInvariants(trial, system, load.operations);
    const { violations } = verdict;
    const untrue =
      violations.count('lost-create') + violations.count('lost-change') + violations.count('foreign-answer');
    trial.exactly('answers that differ from the database', 0, untrue);
    trial.exactly(
      'blind retries (anything done twice)',
      0,
      violations.count('doubled') + violations.count('two-owners'),
    );
    trial.note(`${times} of 50 times; client-visible 503 while replies were lost: ${http.count(503)}`);
  },
};
