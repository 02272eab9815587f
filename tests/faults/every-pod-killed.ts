import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import { PlainLoad } from './plain-load.js';
import type { Scenario } from './scenario.js';

const clients = 4;
const bulkItems = 1000;
const attributes = { kind: 'rising', mark: 0, note: 'a request of somebody in some street about something broken' };

/** The only pod there is dies with a long queue; its successor starts from the snapshot. */
export const everyPodKilled: Scenario = {
  id: 'S4',
  what: 'kill -9 of all pods (one) with 200,000 open items',
  needs: ['redis'],
  async run(trial) {
    const times = trial.pick(5, 1);
    const items = trial.pick(200_000, 2000);
    const system = await trial.system({ redis: true });
    await fill(system, items);
    await system.settle();
    const http = trial.client(system, clients);
    const load = trial.start(new PlainLoad(http, 'create'), clients);
    const firstMs: number[] = [];
    const loadMs: number[] = [];
    for (let i = 0; i < times; i++) {
      await sleep(1500);
      await system.server.kill();
      const at = performance.now();
      system.beginServer();
      firstMs.push((await load.answeredAfter(at)) - at);
      loadMs.push((await system.metric('iwd_recovery_duration_seconds_sum')) * 1000);
    }
    await sleep(500);
    await load.stop();
    trial.atMost('first ack after the start', 5000, Math.max(...firstMs), ' ms');
    trial.atMost('of it, from the lease to serving', 2500, Math.max(...loadMs), ' ms');
    trial.note(`${times} of 20 kills, ${items} open items, first acks ${firstMs.map(Math.round).join(', ')} ms`);
    await checkInvariants(trial, system, load.operations);
  },
};

async function fill(system: FaultSystem, items: number): Promise<void> {
  for (let from = 0; from < items; from += bulkItems) {
    const lines = Array.from({ length: bulkItems }, (_, i) => ({
      captureId: `filled-${from + i}`,
      businessValue: (from + i) % 50,
      attributes,
    }));
    await system.api.request('POST', '/workitems/bulk', lines);
  }
}
