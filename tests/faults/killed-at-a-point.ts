import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Load } from '../crash/load.js';
import { Blocker, leaseRow } from './blocker.js';
import type { FaultSystem } from './fault-system.js';
import { checkInvariants } from './invariant.js';
import type { Scenario } from './scenario.js';

const clients = 8;
const pollMs = 3;
const waitMsMax = 15_000;

/**
 * SIGKILL at a known point of the server's work. The product has no switches for this: a point is held open from outside,
 * by a lock that the server's statement waits for, or by a proxy that swallows one direction, and the test looks at the
 * database or at Redis until it is reached.
 */
export const killedAtAPoint: Scenario = {
  id: 'S3',
  what: 'kill -9 at 12 points that locks and proxies hold open',
  needs: ['redis', 'toxiproxy'],
  async run(trial) {
    const rounds = trial.pick(2, 1);
    const chosen = trial.isQuick ? points.slice(0, 4) : points;
    const system = await trial.system({ redis: true, proxied: ['postgres', 'redis'] });
    const load = trial.start(new Load(trial.client(system, clients), 3), clients);
    let reached = 0;
    const missed: string[] = [];
    for (let i = 0; i < rounds; i++) {
      for (const point of chosen) {
        await system.untilServing();
        await sleep(300);
        try {
          await point.killAt(system);
          reached++;
        } catch (error) {
          missed.push(`${point.name}: ${(error as Error).message}`);
        }
        await system.postgresProxy.heal();
        await system.redisProxy.heal();
        await system.server.kill();
        system.beginServer();
      }
    }
    await system.untilServing();
    await sleep(500);
    await load.stop();
    trial.all('points reached when the server died', reached, rounds * chosen.length, missed);
    trial.note(`${rounds} of 20 times each: ${chosen.map(({ name }) => name).join('; ')}`);
    await checkInvariants(trial, system, load.operations);
  },
};

interface Point {
  name: string;
  /** Ends with the server dead by SIGKILL, or throws when the point was not reached. */
  killAt(system: FaultSystem): Promise<void>;
}

const points: readonly Point[] = [
  {
    name: 'the commit is sent and never arrives (proxy swallows requests)',
    async killAt(system) {
      await system.postgresProxy.drop('upstream');
      await sleep(100);
      await system.server.kill();
    },
  },
  {
    name: 'the commit waits in Postgres, and lands after the death (row lock)',
    async killAt(system) {
      const blocker = await Blocker.hold(system, leaseRow);
      await blocker.waiter();
      await system.server.kill();
      await blocker.release();
    },
  },
  {
    name: 'the commit waits in Postgres while the successor takes over (row lock)',
    async killAt(system) {
      const blocker = await Blocker.hold(system, leaseRow);
      await blocker.waiter();
      await system.server.kill();
      system.beginServer();
      await sleep(400);
      await blocker.release();
      await system.untilServing();
    },
  },
  {
    name: 'committed, the reply is lost (proxy swallows replies)',
    async killAt(system) {
      const before = await lastSeq(system);
      await system.postgresProxy.drop('downstream');
      await until('another commit', async () => (await lastSeq(system)) > before);
      // One whose reply was let through may have been the first: a commit takes a few milliseconds, the load never rests.
      await sleep(50);
      await system.server.kill();
    },
  },
  {
    name: 'acknowledged, the tables are behind (table lock)',
    async killAt(system) {
      const blocker = await Blocker.hold(system, 'LOCK TABLE iwd.work_item_history IN SHARE MODE');
      await blocker.waiter();
      await until('a lag', async () => (await lagEvents(system)) > 50);
      await system.server.kill();
      await blocker.release();
    },
  },
  {
    name: 'the start waits for the lease (row lock)',
    async killAt(system) {
      await system.server.kill();
      const blocker = await Blocker.hold(system, leaseRow);
      system.beginServer();
      await blocker.waiter();
      await system.server.kill();
      await blocker.release();
    },
  },
  {
    name: 'the lease is taken, memory is being loaded (proxy swallows replies of Redis)',
    async killAt(system) {
      await system.server.kill();
      const before = await system.epoch();
      await system.redisProxy.drop('downstream');
      system.beginServer();
      await until('a new epoch', async () => (await system.epoch()) > before);
      await system.server.kill();
    },
  },
  {
    name: 'memory is being loaded from the tables (table lock)',
    async killAt(system) {
      await system.server.kill();
      await flushSnapshots(system);
      const blocker = await Blocker.hold(system, 'LOCK TABLE iwd.work_item');
      system.beginServer();
      await blocker.waiter();
      await system.server.kill();
      await blocker.release();
    },
  },
  {
    name: 'a snapshot is half written (proxy swallows replies of Redis)',
    async killAt(system) {
      const [before, beforePointer] = [await pieces(system), await pointer(system)];
      await system.redisProxy.drop('downstream');
      await until('a piece without its pointer', async () => (await pieces(system)) !== before);
      if ((await pointer(system)) !== beforePointer) throw new Error('the pointer moved as well');
      await system.server.kill();
    },
  },
  {
    name: 'the lease is being renewed after an unknown commit (backends ended, row lock)',
    async killAt(system) {
      const blocker = await Blocker.hold(system, leaseRow);
      const pid = await blocker.waiter();
      await system.query('SELECT pg_terminate_backend($1)', [pid]);
      await until(
        'the renewal to wait',
        async () => ![undefined, pid].includes(await blocker.waiter().catch(() => undefined)),
      );
      await system.server.kill();
      await blocker.release();
    },
  },
  {
    name: 'draining, the last commit or the release waits (row lock)',
    async killAt(system) {
      const blocker = await Blocker.hold(system, leaseRow);
      await blocker.waiter();
      const stopped = system.server.stop(60_000);
      await sleep(100);
      await system.server.kill();
      await stopped;
      await blocker.release();
    },
  },
  {
    name: 'the lease is released, the process still runs',
    async killAt(system) {
      const stopped = system.server.stop(60_000);
      await until('a released lease', async () => {
        const [row] = await system.query('SELECT released FROM iwd.tenant_lease');
        return row!.released === true;
      });
      if (system.server.exitCode !== null) throw new Error('the process had ended already');
      await system.server.kill();
      await stopped;
    },
  },
];

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const since = performance.now();
  while (!(await isSo())) {
    if (performance.now() - since > waitMsMax) throw new Error(`${what} did not come`);
    await sleep(pollMs);
  }
}

async function lastSeq(system: FaultSystem): Promise<number> {
  const [row] = await system.query('SELECT last_seq FROM iwd.tenant_lease');
  return row!.last_seq as number;
}

async function lagEvents(system: FaultSystem): Promise<number> {
  const [row] = await system.query(
    "SELECT last_seq - (SELECT seq FROM iwd.follower_cursor WHERE name = 'work_item') AS events FROM iwd.tenant_lease",
  );
  return row!.events as number;
}

async function withRedis<T>(system: FaultSystem, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(system.redis!.url);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

const pieces = (system: FaultSystem) =>
  withRedis(system, async (redis) => (await redis.keys('iwd:{demo}:snapshot:*')).sort().join());
const pointer = (system: FaultSystem) => withRedis(system, (redis) => redis.get('iwd:{demo}:snapshot'));
const flushSnapshots = (system: FaultSystem) => withRedis(system, (redis) => redis.flushall());
