import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../crash/load.js';
import { Blocker, leaseRow } from './blocker.js';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 8;
const pollMs = 50;

/** Somebody locks what every commit needs: the lease's table, or its row in a transaction that is left open. */
export const tableLocked: Scenario = {
  id: 'S16',
  what: 'LOCK TABLE tenant_lease; a transaction left open on its row',
  needs: [],
  async run(trial) {
    const lockMs = trial.pick(10_000, 2500);
    const system = await trial.system();
    const http = trial.client(system, clients);
    const load = trial.start(new Load(http, 16), clients);
    await sleep(1000);
    await system.metric('iwd_tenant_serving');
    const table = await Blocker.hold(system, 'LOCK TABLE iwd.tenant_lease');
    const [answers, lagMs] = await refusalsDuring(system, lockMs);
    await table.release();
    const refused = answers.filter(({ status }) => status === 503);
    trial.atMost('event loops during the table lock, p99', 50, lagMs, ' ms');
    trial.all(
      'answers to new commands that are 503 with Retry-After',
      refused.filter(({ retryAfter }) => retryAfter !== null).length,
      answers.length,
    );
    await system.untilServing();
    await sleep(500);
    const row = await Blocker.hold(system, leaseRow);
    const at = performance.now();
    while ((await row.isAlive()) && performance.now() - at < 10_000) await sleep(pollMs);
    trial.atMost('the open transaction is ended after', 3000, performance.now() - at, ' ms');
    await row.release();
    await system.untilServing();
    await sleep(500);
    await load.stop();
    trial.note(
      `the table is locked for ${lockMs / 1000} s; longest answer ${Math.round(Math.max(...http.samples.map(({ ms }) => ms)))} ms`,
    );
    await checkInvariants(trial, system, load.operations);
  },
};

/** What a client without patience hears while the lock lasts, and how late the event loops run. */
async function refusalsDuring(system: FaultSystem, ms: number) {
  const headers = { 'x-api-key': system.apiKey, 'content-type': 'application/json' };
  const asked: Promise<{ status: number; retryAfter: string | null }>[] = [];
  for (let waitedMs = 0; waitedMs < ms - 4500 || waitedMs === 0; waitedMs += 500) {
    const body = JSON.stringify({ captureId: `impatient-${waitedMs}`, attributes: { kind: 'rising', mark: 0 } });
    asked.push(
      fetch(`${system.url}/iwd/v3/workitems`, { method: 'POST', headers, body }).then(async (response) => {
        await response.arrayBuffer();
        return { status: response.status, retryAfter: response.headers.get('retry-after') };
      }),
    );
    await sleep(500);
  }
  await sleep(Math.min(ms, 4500) - 500);
  const shard = (await system.metric('iwd_shard_eventloop_lag_seconds', 'quantile="0.99"')) * 1000;
  const front = (await system.metric('iwd_nodejs_eventloop_lag_p99_seconds')) * 1000;
  return [await Promise.all(asked), Math.max(shard, front)] as const;
}
