import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkInvariants } from './invariant.js';
import { PlainLoad } from './plain-load.js';
import type { Scenario } from './scenario.js';

const clients = 6;
/** The one for threads; Debian's place first. */
const libraries = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
];

/** Path of the library that fakes a process's time, if the machine has it. */
export function faketimeLibrary(): string | undefined {
  return libraries.find((path) => existsSync(path));
}

const jumps = ['+1h', '+0', '-1h', '+1d', '-1d', '+0 x10', '+0'];

/** The server's wall clock jumps; monotonic time, which leases and time-outs live by, goes on. */
export const wallClockJumps: Scenario = {
  id: 'S27',
  what: 'wall clock +-1 h, +-1 day, 10 times as fast (libfaketime)',
  needs: ['faketime'],
  async run(trial) {
    const stayMs = trial.pick(4000, 700);
    const clock = join(tmpdir(), `iwd-clock-${process.pid}`);
    writeFileSync(clock, '+0\n');
    const system = await trial.system({
      env: {
        LD_PRELOAD: faketimeLibrary(),
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    const http = trial.client(system, clients);
    const load = trial.start(new PlainLoad(http, 'cycle'), clients);
    await sleep(1000);
    const epoch = await system.epoch();
    let seenHours = 0;
    for (const jump of jumps) {
      writeFileSync(clock, `${jump}\n`);
      await sleep(stayMs);
      const response = await fetch(`${system.url}/livez`);
      seenHours = Math.max(seenHours, Math.abs(Date.parse(response.headers.get('date')!) - Date.now()) / 3_600_000);
    }
    await load.stop();
    trial.atLeast('largest jump that the server saw, hours', 23, seenHours);
    trial.exactly('leases lost (epochs)', 0, (await system.epoch()) - epoch);
    trial.exactly('answers 5xx or none', 0, http.failed, http.failures);
    trial.note(
      `clock ${jumps.join(', ')}, ${stayMs} ms each; offers, whose expiry the figure also judges, come with a later issue`,
    );
    await checkInvariants(trial, system, load.operations);
  },
};
