import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedisServer } from '../../stores/conformance/redis-server.js';
import { Load } from '../crash/load.js';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';
import { percentile, type Sample } from './watched-client.js';

const clients = 8;

interface RedisFault {
  name: string;
  begin(system: FaultSystem): Promise<unknown>;
  end(system: FaultSystem): Promise<unknown>;
}

/** Whatever happens to Redis, nobody who writes may notice: it only holds snapshots. */
export const redisGone: Scenario = {
  id: 'S20',
  what: 'Redis killed, frozen, flushed, full, read-only',
  needs: ['redis'],
  async run(trial) {
    const windowMs = trial.pick(5000, 1000);
    const system = await trial.system({ redis: true });
    const http = trial.client(system, clients);
    const load = trial.start(new Load(http, 20), clients);
    await sleep(3000);
    const calm: Sample[] = [];
    const troubled: Sample[] = [];
    const window = async (into: Sample[]) => {
      const from = performance.now();
      await sleep(windowMs);
      into.push(...http.between(from, performance.now()));
    };
    const during: string[] = [];
    // Calm and trouble take turns, so that what else the machine does weighs on both.
    for (const fault of faults) {
      await window(calm);
      await fault.begin(system);
      const before = troubled.length;
      await window(troubled);
      during.push(`${fault.name} ${percentile(troubled.slice(before), 0.99).toFixed(1)}`);
      await fault.end(system);
    }
    await load.stop();
    trial.exactly('writes that failed', 0, http.failed, http.failures);
    const [calmMs, troubledMs] = [percentile(calm, 0.99), percentile(troubled, 0.99)];
    trial.atMost('p99 in trouble as a multiple of calm', 1.1, troubledMs / calmMs, ' x');
    await system.redis?.stop();
    system.redis = undefined;
    await system.killAndRestart();
    trial.atLeast(
      'cold restart from Postgres: recoveries from the tables',
      1,
      await system.metric('iwd_recoveries_total', 'source="tables"'),
    );
    trial.note(
      `p99 ms: calm ${calmMs.toFixed(1)}, in trouble ${troubledMs.toFixed(1)} (${during.join(', ')}); windows of ${windowMs} ms`,
    );
    trial.note(
      'no Sentinel: the server takes one Redis or a cluster; what a failover looks like to it is a reset and READONLY',
    );
    await checkInvariants(trial, system, load.operations);
  },
};

const faults: readonly RedisFault[] = [
  { name: 'killed', begin: (system) => system.redis!.stop(), end: startAgain },
  {
    name: 'frozen',
    begin: async (system) => system.redis!.process.kill('SIGSTOP'),
    end: async (system) => system.redis!.process.kill('SIGCONT'),
  },
  { name: 'flushed', begin: (system) => admin(system, 'FLUSHALL'), end: async () => {} },
  {
    name: 'full',
    begin: async (system) => {
      await admin(system, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      await admin(system, 'CONFIG', 'SET', 'maxmemory', '1000');
    },
    end: (system) => admin(system, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    name: 'read-only',
    begin: (system) => admin(system, 'REPLICAOF', '127.0.0.1', '1'),
    end: (system) => admin(system, 'REPLICAOF', 'NO', 'ONE'),
  },
];

async function startAgain(system: FaultSystem): Promise<void> {
  system.redis = await startRedisServer([], system.redis!.port);
}

async function admin(system: FaultSystem, command: string, ...args: string[]): Promise<void> {
  const client = new Redis(system.redis!.url);
  await once(client, 'ready');
  await client.call(command, ...args);
  client.disconnect();
}
