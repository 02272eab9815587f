import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../crash/load.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 8;
const diskMb = 180;
const fullMs = 4000;

/** Everything that Postgres has, data and log, lies on a small disk that fills up: commits fail, then it panics. */
export const diskFull: Scenario = {
  id: 'S15',
  what: 'the disk of Postgres is full (tmpfs, data and log)',
  needs: ['root'],
  async run(trial) {
    const times = trial.pick(3, 1);
    const mount = mkdtempSync(join(tmpdir(), 'iwd-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m,mode=0755`, 'tmpfs', mount]);
    try {
      const system = await trial.system({
        postgresDir: join(mount, 'data'),
        postgresSettings: { max_wal_size: '32MB', min_wal_size: '2MB' },
      });
      const http = trial.client(system, clients);
      const load = trial.start(new Load(http, 15), clients);
      let [slowestMs, backMs, refused] = [0, 0, 0];
      for (let i = 0; i < times; i++) {
        await sleep(1500);
        const ballast = fill(mount);
        await untilRefused(http);
        const fullAt = performance.now();
        await sleep(fullMs);
        const during = http.between(fullAt, performance.now() - 1000).filter(({ status }) => status === 503);
        refused += during.length;
        slowestMs = Math.max(slowestMs, ...during.map(({ ms }) => ms));
        rmSync(ballast);
        const freedAt = performance.now();
        if (system.postgres.isDown) await system.postgres.start();
        await system.untilServing();
        while ((load.answeredAt.at(-1) ?? 0) < freedAt) await sleep(10);
        backMs = Math.max(backMs, performance.now() - freedAt);
      }
      await load.stop();
      trial.atLeast('answers 503 while the disk was full', 1, refused);
      trial.atMost('slowest 503', 1000, slowestMs, ' ms');
      trial.atMost('served again after there was space', 5000, backMs, ' ms');
      const panicked = system.postgres.panics > 0 ? ' (it panicked and was started again)' : '';
      trial.note(
        `${times} of 5 times, ${diskMb} MB${panicked}; other tenants: a server has one until provisioning comes`,
      );
      await checkInvariants(trial, system, load.operations);
    } finally {
      await trial.stop();
      execFileSync('umount', ['-l', mount]);
      rmSync(mount, { recursive: true });
    }
  },
};

/** Takes what is left but for half a megabyte. */
function fill(mount: string): string {
  const { bavail, bsize } = statfsSync(mount);
  const path = join(mount, 'ballast');
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - 512 * 1024)));
  return path;
}

async function untilRefused(http: { samples: readonly { status: number }[] }): Promise<void> {
  const before = http.samples.length;
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 10) {
    if (http.samples.slice(before).some(({ status }) => status >= 500 || status === 0)) return;
    await sleep(10);
  }
  throw new Error('nobody was refused: the disk did not fill up');
}
