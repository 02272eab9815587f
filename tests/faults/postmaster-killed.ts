import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, measureStalls } from '../crash/faults.js';
import { Load } from '../crash/load.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 12;

/** Postgres dies of SIGKILL under load and comes back within a second. */
export const postmasterKilled: Scenario = {
  id: 'S10',
  what: 'kill -9 of the postmaster under load, 0.3 to 1 s down',
  needs: [],
  async run(trial) {
    const times = trial.pick(8, 1);
    const system = await trial.system();
    const http = trial.client(system, clients);
    const load = trial.start(new Load(http, 10), clients);
    const faults: (Fault & { downMs: number })[] = [];
    for (let i = 0; i < times; i++) {
      await sleep(1000);
      const at = performance.now();
      const landed = load.open > 0;
      await system.postgres.kill();
      await sleep(300 + (i % 3) * 250);
      await system.postgres.start();
      faults.push({ kind: 'postgres', at, landed, stallMs: 0, downMs: performance.now() - at });
      await system.untilServing();
    }
    await sleep(1000);
    await load.stop();
    measureStalls(faults, load.answeredAt);
    const beyond = faults.map(({ stallMs, downMs }) => stallMs - downMs);
    trial.exactly('answers 5xx or none', 0, http.failed, http.failures);
    trial.atMost('longest silence beyond the time Postgres was away', 1000, Math.max(...beyond), ' ms');
    trial.all('kills that landed', faults.filter(({ landed }) => landed).length, times);
    const down = faults.map(({ downMs }) => Math.round(downMs));
    trial.note(`${times} of 20 kills; Postgres was away (with its crash recovery) for ${down.join(', ')} ms`);
    await checkInvariants(trial, system, load.operations);
  },
};
