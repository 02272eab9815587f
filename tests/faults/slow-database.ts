import { setTimeout as sleep } from 'node:timers/promises';
import { checkInvariants } from './invariant.js';
import { PlainLoad } from './plain-load.js';
import type { Scenario } from './scenario.js';
import { percentile } from './watched-client.js';

const latencyMs = 200;
const mailboxMax = 5000;

/** Every reply of Postgres takes 200 ms: group commit has to carry the throughput. */
export const slowDatabase: Scenario = {
  id: 'S17',
  what: 'Postgres 200 ms away (toxiproxy)',
  needs: ['toxiproxy'],
  async run(trial) {
    const clients = trial.pick(300, 200);
    const seconds = trial.pick(10, 3);
    const system = await trial.system({ proxied: ['postgres'] });
    await system.postgresProxy.delay('downstream', latencyMs);
    const http = trial.client(system, clients);
    const load = trial.start(new PlainLoad(http, 'create'), clients);
    await sleep(2000);
    const from = performance.now();
    let mailbox = 0;
    for (let i = 0; i < seconds; i++) {
      await sleep(1000);
      mailbox = Math.max(mailbox, await system.metric('iwd_mailbox_depth'));
    }
    const until = performance.now();
    await load.stop();
    await system.postgresProxy.heal();
    await system.untilServing();
    const answered = http.between(from, until).filter(({ status }) => status === 201);
    trial.atLeast('creates acked a second', 500, (answered.length * 1000) / (until - from));
    trial.atMost('p99 of a create', 1000, percentile(answered, 0.99), ' ms');
    trial.atMost('most commands in the mailbox', mailboxMax, mailbox);
    trial.note(`${clients} clients, ${seconds} s`);
    await checkInvariants(trial, system, load.operations);
  },
};
