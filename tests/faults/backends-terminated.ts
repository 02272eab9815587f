import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../crash/load.js';
import { Blocker, leaseRow } from './blocker.js';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 12;
const terminateAll = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = 'iwd' AND pid <> pg_backend_pid()`;

/** Every session of the server is ended again and again: every second time one of them is in the middle of a commit. */
export const backendsTerminated: Scenario = {
  id: 'S11',
  what: 'pg_terminate_backend of all sessions under load',
  needs: [],
  async run(trial) {
    const times = trial.pick(50, 6);
    const system = await trial.system();
    const http = trial.client(system, clients);
    const load = trial.start(new Load(http, 11), clients);
    await sleep(500);
    const epochBefore = await system.epoch();
    const startedAt = performance.now();
    for (let i = 0; i < times; i++) {
      await sleep(100 + (i % 7) * 30);
      if (i % 2 === 0) await system.query(terminateAll);
      else await terminateCommitting(system);
    }
    await sleep(500);
    const seconds = (performance.now() - startedAt) / 1000;
    await load.stop();
    await system.untilServing();
    const unknown = await system.metric('iwd_commits_total', 'outcome="unknown"');
    trial.exactly('answers 5xx or none', 0, http.failed, http.failures);
    trial.atLeast('commits that ended unknown', times / 2, unknown);
    trial.exactly(
      'epochs beyond one an unknown commit',
      0,
      (await system.epoch()) - epochBefore - unknown,
      endings(system),
    );
    trial.note(`${times} of 50 terminations, ${Math.round(load.answeredAt.length / seconds)} answers/s`);
    await checkInvariants(trial, system, load.operations);
  },
};

/** Why other terms ended, from the server's log. */
function endings(system: FaultSystem): string[] {
  return [...system.server.output.matchAll(/term of epoch \d+ ended: (?!unknown)[^"]*/g)].map(([line]) => line);
}

async function terminateCommitting(system: FaultSystem): Promise<void> {
  const blocker = await Blocker.hold(system, leaseRow);
  await blocker.waiter();
  await system.query(terminateAll);
  await blocker.release();
}
