import { setTimeout as sleep } from 'node:timers/promises';
import { usageOf } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import { PlainLoad } from './plain-load.js';
import type { Scenario, Trial } from './scenario.js';
import { percentile, type WatchedClient } from './watched-client.js';

const gigabyte = 1024 ** 3;
const peakClients = 64;
const tickMs = 5;
/** Of one commit; with 100 ms to the database it makes a capacity that one machine can offer ten times. */
const batchEventsMax = 20;
const latencyMs = 100;
/** The settings' advice for such a database: what waits must be gone within a second. */
const wanted = [
  { times: 2, goodput: 0.8 },
  { times: 5, goodput: 0.7 },
  { times: 10, goodput: 0.6 },
];

/** Clients that do not wait for answers ask for more than can be done: 2, 5 and 10 times as much. */
export const beyondCapacity: Scenario = {
  id: 'S34',
  what: 'open loop at 2, 5 and 10 times the capacity',
  needs: ['toxiproxy'],
  async run(trial) {
    const seconds = trial.pick(15, 3);
    const system = await trial.system({
      proxied: ['postgres'],
      env: { IWD_COMMIT_BATCH_EVENTS_MAX: `${batchEventsMax}`, IWD_LOG_LEVEL: 'error' },
    });
    const pid = await system.serverPid();
    await system.postgresProxy.delay('downstream', latencyMs);
    const http = trial.client(system, 4000);
    const load = trial.start(new PlainLoad(http, 'create'), peakClients);
    await sleep(2000);
    const from = performance.now();
    await sleep(seconds * 1000);
    const until = performance.now();
    await load.stop();
    const peak = (http.between(from, until).filter(({ status }) => status === 201).length * 1000) / (until - from);
    let resident = 0;
    for (const { times, goodput } of trial.isQuick ? wanted.slice(0, 1) : wanted) {
      await overload(trial, http, { times, goodput, peak, seconds });
      resident = Math.max(resident, usageOf(pid).residentBytes);
      const at = performance.now();
      while (!(await answersQuickly(http))) await sleep(50);
      trial.atMost(`${times} x: recovered after`, 5000, performance.now() - at, ' ms');
    }
    trial.atMost('resident memory', 1.5, resident / gigabyte, ' GB');
    trial.note(
      `capacity ${Math.round(peak)}/s, made small (commits of ${batchEventsMax} events, ${latencyMs} ms to Postgres) so that one machine can offer ten times as much; ${seconds} of 60 s each`,
    );
    await system.postgresProxy.heal();
    await checkInvariants(trial, system, load.operations);
  },
};

interface Overload {
  times: number;
  goodput: number;
  peak: number;
  seconds: number;
}

/** Sends at intended times, whatever comes back; a request counts from the moment it was meant for. */
async function overload(trial: Trial, http: WatchedClient, { times, goodput, peak, seconds }: Overload): Promise<void> {
  const before = http.samples.length;
  const from = performance.now();
  const asked: Promise<unknown>[] = [];
  for (let now = from; now < from + seconds * 1000; now = performance.now()) {
    const due = Math.floor(((now - from) * peak * times) / 1000);
    while (asked.length < due) {
      const captureId = `over-${times}-${asked.length}`;
      asked.push(http.ask('POST', '/workitems', { captureId, attributes: { kind: 'rising', mark: 0 } }));
    }
    await sleep(tickMs);
  }
  const until = performance.now();
  await Promise.all(asked);
  const samples = http.samples.slice(before);
  const accepted = samples.filter(({ status }) => status === 201);
  const inTime = accepted.filter(({ at, ms }) => at + ms <= until).length;
  const share = (inTime * 1000) / (until - from) / peak;
  trial.atLeast(`${times} x: goodput of the peak`, goodput * 100, share * 100, ' %');
  trial.atMost(`${times} x: p99 of what was accepted`, 1000, percentile(accepted, 0.99), ' ms');
  const told = [429, 503, 0].map(
    (status) => `${status || 'none'}: ${samples.filter((one) => one.status === status).length}`,
  );
  trial.note(`${times} x: offered ${Math.round((asked.length * 1000) / (until - from))}/s; ${told.join(', ')}`);
}

async function answersQuickly(http: WatchedClient): Promise<boolean> {
  const at = performance.now();
  const attempt = await http.ask('POST', '/workitems', { attributes: { kind: 'rising', mark: 0 } });
  return typeof attempt !== 'string' && attempt.status === 201 && performance.now() - at < 500;
}
