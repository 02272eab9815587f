import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TownProcess } from '../isolation/town-process.js';
import { BlackHole } from './black-hole.js';
import { good, newFolder, postgresDir, window } from './noisy-tenant.js';
import { PostgresServer } from './postgres-server.js';
import type { Scenario } from './scenario.js';
import { TownLoad } from './town-load.js';
import { percentile } from './watched-client.js';

const perSecond = 10;
const settleMs = 6000;

/** The database of one tenant swallows everything; the other tenants must not notice, and nothing may pile up. */
export const tenantBlackHoled: Scenario = {
  id: 'S19',
  what: 'one tenant database of many black-holed',
  needs: [],
  async run(trial) {
    const tenants = trial.pick(20, 5);
    const [calmSeconds, darkSeconds] = [trial.pick(30, 3), trial.pick(300, 10)];
    const dir = newFolder();
    const postgres = await PostgresServer.create(postgresDir(dir));
    const hole = await BlackHole.before(postgres.port);
    let town: TownProcess | undefined;
    try {
      town = await TownProcess.start({ server: postgres.url, tenants, moved: { index: 0, port: hole.port } });
      const loads = Array.from({ length: tenants }, (_, i) => new TownLoad(town!.port, `t${i}`, perSecond));
      for (const load of loads) load.start();
      await sleep(2000);
      const others = loads.slice(1);
      const calm = await window(others, calmSeconds);
      hole.swallow();
      // The connections that were open then are still given up.
      await sleep(settleMs);
      const attemptsBefore = hole.attempts;
      const dark = await window(others, darkSeconds);
      const attempts = (hole.attempts - attemptsBefore) / darkSeconds;
      const open = hole.open;
      hole.heal();
      const healedAt = performance.now();
      while (((await loads[0]!.client.ask('GET', '/queue?limit=1')) as { status?: number }).status !== 200)
        await sleep(50);
      const backMs = performance.now() - healedAt;
      await Promise.all(loads.map((load) => load.stop()));
      trial.atMost('others: p99 as a multiple of calm', 1.2, percentile(dark, 0.99) / percentile(calm, 0.99), ' x');
      trial.exactly('others: answers 4xx, 5xx or none', 0, dark.length - good(dark));
      trial.atMost('attempts to connect to the dark one a second', 1, attempts);
      trial.atMost('sockets to the dark one at the end', 1, open);
      trial.atMost('the dark one is back after', 15_000, backMs, ' ms');
      trial.note(
        `${tenants} tenants with ${perSecond} requests/s each; calm ${calmSeconds} s, dark ${darkSeconds} s; p99 ${percentile(calm, 0.99).toFixed(0)} and ${percentile(dark, 0.99).toFixed(0)} ms`,
      );
    } finally {
      await town?.stop();
      hole.stop();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
