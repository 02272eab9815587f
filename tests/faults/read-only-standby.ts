import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import { PlainLoad } from './plain-load.js';
import { PostgresServer, session } from './postgres-server.js';
import type { Scenario, Trial } from './scenario.js';

const clients = 8;
const awayMs = 1500;
const pollMs = 5;

/** The database behind the address becomes one that can only be read: a standby, or a primary that was demoted. */
export const readOnlyStandby: Scenario = {
  id: 'S18',
  what: 'the address leads to a read-only standby; the primary turns read-only',
  needs: ['toxiproxy'],
  async run(trial) {
    const system = await trial.system({ proxied: ['postgres'] });
    const dir = join(system.dir, 'standby');
    mkdirSync(dir);
    const standby = await PostgresServer.standbyOf(system.postgres, dir, 'standby');
    try {
      await system.untilServing();
      const load = trial.start(new PlainLoad(trial.client(system, clients), 'cycle'), clients);
      await sleep(800);
      const link = system.postgresProxy;
      const toStandby = async () => {
        await link.close();
        await link.open(standby.port);
      };
      const back = async () => {
        await link.close();
        await link.open(system.postgres.port);
      };
      await during(trial, { system, load, what: 'standby', begin: toStandby, end: back });
      await sleep(800);
      const readOnly = (value: string) => async () => {
        await system.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
        await system.query('SELECT pg_reload_conf()');
      };
      const writable = async () => {
        const client = await session(system.databaseUrl);
        await client.query('SET default_transaction_read_only = off');
        await client.query('ALTER SYSTEM RESET default_transaction_read_only');
        await client.query('SELECT pg_reload_conf()');
        await client.end();
      };
      await during(trial, { system, load, what: '25006', begin: readOnly('on'), end: writable });
      await sleep(800);
      await load.stop();
      await checkInvariants(trial, system, load.operations);
    } finally {
      await standby.stop();
    }
  },
};

interface Change {
  system: FaultSystem;
  load: PlainLoad;
  what: string;
  begin: () => Promise<void>;
  end: () => Promise<void>;
}

async function during(trial: Trial, { system, load, what, begin, end }: Change): Promise<void> {
  await begin();
  const at = performance.now();
  while ((await fetch(`${system.url}/readyz`)).ok && performance.now() - at < awayMs) await sleep(pollMs);
  trial.atMost(`${what}: ownership dropped after`, 100, performance.now() - at, ' ms');
  const since = performance.now();
  await sleep(awayMs);
  const acked = load.operations.filter(
    ({ call, ret, answer }) => call > since && ret !== null && answer?.kind === 'done',
  );
  trial.exactly(`${what}: acks`, 0, acked.length);
  await end();
  await system.untilServing();
}
