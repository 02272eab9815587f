import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import { PlainLoad } from './plain-load.js';
import { PostgresServer, session } from './postgres-server.js';
import type { Scenario } from './scenario.js';

const clients = 4;
const pollMs = 10;
const watchMs = 3000;
const cancelEveryMs = 200;
const cancelAll = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/**
 * The synchronous standby stops, and somebody cancels the commit that waits for it: Postgres then reports success for
 * something that only the primary has. Nobody may be told that it is done before the standby has it.
 */
export const replicationWaitCanceled: Scenario = {
  id: 'S13',
  what: 'synchronous standby stopped, committing backend cancelled',
  needs: [],
  async run(trial) {
    const times = trial.pick(5, 1);
    const system = await trial.system();
    const dir = join(system.dir, 'standby');
    mkdirSync(dir);
    const standby = await PostgresServer.standbyOf(system.postgres, dir, 'standby');
    try {
      await setStandbys(system, 'standby');
      await system.untilServing();
      const http = trial.client(system, clients);
      const load = trial.start(new PlainLoad(http, 'create'), clients);
      let [told, cancels] = [0, 0];
      for (let i = 0; i < times; i++) {
        await sleep(500);
        standby.signalAll('SIGSTOP');
        cancels += await cancelWaiting(system);
        // What the standby had received before it stopped may still have been confirmed.
        const since = performance.now();
        // Whoever sees everything hang cancels again: also the renewal of the lease that follows an unknown commit.
        for (let waitedMs = 0; waitedMs < watchMs; waitedMs += cancelEveryMs) {
          await sleep(cancelEveryMs);
          cancels += (await system.query(cancelAll)).length;
        }
        told += load.answeredAt.filter((at) => at > since).length;
        standby.signalAll('SIGCONT');
        await system.untilServing();
      }
      await sleep(1000);
      await load.stop();
      trial.exactly('acks while the standby had nothing of it', 0, told);
      trial.atLeast('cancelled waits', times, cancels);
      trial.note(`${times} of 20 times; the standby stays stopped for ${watchMs} ms`);
      await checkInvariants(trial, system, load.operations);
    } finally {
      standby.signalAll('SIGCONT');
      await standby.stop();
    }
  },
};

async function setStandbys(system: FaultSystem, names: string): Promise<void> {
  const client = await session(system.databaseUrl);
  await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
  await client.query('SELECT pg_reload_conf()');
  const text = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
  while ((await client.query(text)).rowCount === 0) await sleep(pollMs);
  await client.end();
}

/** @returns the number of backends that were cancelled. */
async function cancelWaiting(system: FaultSystem): Promise<number> {
  for (let tries = 0; tries < 300; tries++) {
    const { length } = await system.query(cancelAll);
    if (length > 0) return length;
    await sleep(pollMs);
  }
  return 0;
}
