import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../crash/load.js';
import { checkInvariants } from './invariant.js';
import type { Scenario, Trial } from './scenario.js';

const clients = 8;
/** The lease's time to live and half a second. */
const takeoverMsMax = 3500;

/** SIGTERM meets a database that is away: the process must end by itself, and its successor must not wait long. */
export const stoppedWithoutDatabase: Scenario = {
  id: 'S9',
  what: 'SIGTERM while Postgres is away: dead, then black-holed',
  needs: ['toxiproxy'],
  async run(trial) {
    await stopWith(trial, 'dead');
    if (!trial.isQuick) await stopWith(trial, 'black hole');
  },
};

async function stopWith(trial: Trial, fault: 'dead' | 'black hole'): Promise<void> {
  const system = await trial.system({ proxied: ['postgres'] });
  const load = trial.start(new Load(trial.client(system, clients), 9), clients);
  await sleep(800);
  if (fault === 'dead') await system.postgres.kill();
  else {
    await system.postgresProxy.drop('upstream');
    await system.postgresProxy.drop('downstream');
  }
  await sleep(200);
  const at = performance.now();
  const code = await system.server.stop(60_000);
  trial.atMost(`${fault}: exit after SIGTERM`, 30_000, performance.now() - at, ' ms');
  trial.exactly(`${fault}: exit code`, 0, code ?? Number.NaN, [system.server.output.slice(-500)]);
  if (fault === 'dead') await system.postgres.start();
  else await system.postgresProxy.heal();
  const backAt = performance.now();
  system.beginServer();
  await system.server.ready();
  trial.atMost(
    `${fault}: takeover after Postgres is back, with the start`,
    takeoverMsMax,
    performance.now() - backAt,
    ' ms',
  );
  await sleep(500);
  await load.stop();
  await checkInvariants(trial, system, load.operations);
}
