import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TownProcess } from '../isolation/town-process.js';
import { PostgresServer } from './postgres-server.js';
import type { Scenario } from './scenario.js';
import { TownLoad } from './town-load.js';
import { percentile, type Sample } from './watched-client.js';

const quota = 50;
const times = 10;
const quietPerSecond = 10;

/** One tenant asks for ten times its quota; the others must not notice. */
export const noisyTenant: Scenario = {
  id: 'S35',
  what: 'a tenant at 10 times its quota, beside quiet ones',
  needs: [],
  async run(trial) {
    const tenants = trial.pick(20, 5);
    const seconds = trial.pick(20, 3);
    const dir = newFolder();
    const postgres = await PostgresServer.create(postgresDir(dir));
    let town: TownProcess | undefined;
    try {
      town = await TownProcess.start({ server: postgres.url, tenants, quotasOf: { t0: { requestsPerSecond: quota } } });
      const quiet = Array.from(
        { length: tenants - 1 },
        (_, i) => new TownLoad(town!.port, `t${i + 1}`, quietPerSecond),
      );
      for (const load of quiet) load.start();
      await sleep(2000);
      const solo = await window(quiet, seconds);
      const noisy = new TownLoad(town.port, 't0', quota * times);
      noisy.start();
      const noisyFrom = performance.now();
      const beside = await window(quiet, seconds);
      await Promise.all([noisy, ...quiet].map((load) => load.stop()));
      const noisySeconds = (performance.now() - noisyFrom) / 1000;
      const [told, served] = [noisy.client.count(429), noisy.client.count(201) + noisy.client.count(200)];
      trial.atMost('quiet: p99 as a multiple of solo', 2, percentile(beside, 0.99) / percentile(solo, 0.99), ' x');
      trial.atLeast('quiet: goodput of solo', 95, (good(beside) / good(solo)) * 100, ' %');
      trial.exactly('quiet: answers 4xx, 5xx or none', 0, beside.length - good(beside));
      // Beside what it may save up, which is a second's worth.
      trial.atMost('noisy: served a second', Math.round(quota * 1.1), (served - quota) / noisySeconds);
      trial.exactly('noisy: answers neither served nor 429', 0, noisy.client.samples.length - told - served);
      trial.note(
        `${tenants - 1} quiet tenants with ${quietPerSecond} requests/s each, the noisy one with ${quota * times}/s; ${seconds} s each; p99 ${percentile(solo, 0.99).toFixed(0)} and ${percentile(beside, 0.99).toFixed(0)} ms`,
      );
    } finally {
      await town?.stop();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

/** What the loads saw in the next seconds. */
export async function window(loads: readonly TownLoad[], seconds: number): Promise<Sample[]> {
  const from = performance.now();
  await sleep(seconds * 1000);
  const until = performance.now();
  // Those that are still on their way are heard of a moment later.
  await sleep(500);
  return loads.flatMap(({ client }) => client.between(from, until));
}

export function good(samples: readonly Sample[]): number {
  return samples.filter(({ status }) => status === 200 || status === 201).length;
}

/** One that other accounts reach: Postgres does not run as root. */
export function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'iwd-town-'));
  chmodSync(dir, 0o755);
  return dir;
}

export function postgresDir(dir: string): string {
  const path = join(dir, 'postgres');
  mkdirSync(path);
  return path;
}
