import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../crash/load.js';
import { checkInvariants } from './invariant.js';
import type { Sabotage } from './saboteur.js';
import type { Scenario } from './scenario.js';

const clients = 8;
const sabotages: readonly Sabotage[] = ['uncaught error', 'unhandled rejection', 'heap bomb', 'infinite loop'];
const backMsMax = 20_000;
/** Without an answer for this long, the thread has failed. */
const silentMs = 150;
const heapMb = 384;

/** The shard's thread fails in each way that a thread can fail; the process must stay and the tenant come back. */
export const shardThreadBroken: Scenario = {
  id: 'S7',
  what: 'shard thread: heap bomb, infinite loop, uncaught error',
  needs: [],
  async run(trial) {
    const times = trial.pick(3, 1);
    const file = join(tmpdir(), `iwd-sabotage-${process.pid}`);
    const system = await trial.system({
      env: {
        SABOTAGE_FILE: file,
        NODE_OPTIONS: `--max-old-space-size=${heapMb} --import ${new URL('./saboteur.js', import.meta.url).href}`,
      },
    });
    const load = trial.start(new Load(trial.client(system, clients), 7), clients);
    let [stayed, landed] = [0, 0];
    for (const sabotage of sabotages) {
      let slowestMs = 0;
      for (let i = 0; i < times; i++) {
        await sleep(800);
        const pid = await system.serverPid();
        writeFileSync(file, sabotage);
        process.kill(pid, 'SIGUSR2');
        landed += (await until(() => silenceMs(load.answeredAt) > silentMs)) ? 1 : 0;
        const silentSince = load.answeredAt.at(-1)!;
        await until(() => load.answeredAt.at(-1)! > silentSince);
        slowestMs = Math.max(slowestMs, load.answeredAt.find((time) => time > silentSince)! - silentSince);
        if (system.server.exitCode === null) stayed++;
      }
      trial.atMost(`${sabotage}: the tenant is back after`, 5000, slowestMs, ' ms');
    }
    trial.all('faults that landed', landed, times * sabotages.length);
    await load.stop();
    trial.all('the process stays up', stayed, times * sabotages.length);
    trial.note(`${times} of 10 each; heap of ${heapMb} MB; other tenants: a server has one until provisioning comes`);
    await checkInvariants(trial, system, load.operations);
  },
};

function silenceMs(answeredAt: readonly number[]): number {
  return performance.now() - (answeredAt.at(-1) ?? 0);
}

/** Whether it came true in time. */
async function until(isSo: () => boolean): Promise<boolean> {
  const since = performance.now();
  while (!isSo()) {
    if (performance.now() - since > backMsMax) return false;
    await sleep(5);
  }
  return true;
}
