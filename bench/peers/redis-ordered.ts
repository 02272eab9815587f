import { type Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { startRedisServer } from '../../stores/conformance/redis-server.js';
import { entries, type Ordered, scoreOf } from './ordered.js';

/** Commands that are on their way at once. */
const chunk = 1000;
const setName = 'order';

/** A sorted set of a Redis of its own that keeps nothing on disk; re-ordering is one ZADD an item, in pipelines. */
export async function openSortedSet(count: number): Promise<Ordered> {
  const server = await startRedisServer();
  const redis = new Redis(server.url);
  const items = entries(count);
  const reorder = async (round: number) => {
    for (let from = 0; from < count; from += chunk) {
      const pipeline = redis.pipeline();
      for (const { seq, value } of items.slice(from, from + chunk)) {
        pipeline.zadd(setName, -scoreOf(seq, value, round), String(seq));
      }
      await pipeline.exec();
    }
  };
  await reorder(0);
  return {
    name: 'Redis sorted set',
    reorder,
    rekey(at) {
      const { seq, value } = items[(at * 7919) % count]!;
      return redis.zadd(setName, -scoreOf(seq, value, at), String(seq));
    },
    async takeAndPush(at) {
      const [member] = await redis.zpopmin(setName);
      await redis.zadd(setName, at, member!);
    },
    async close() {
      redis.disconnect();
      await server.stop();
    },
  };
}

/** BullMQ on a Redis of its own that keeps nothing on disk: `changePriority` a job, many on their way at once. */
export async function openBullmqOrder(count: number): Promise<Ordered> {
  const server = await startRedisServer();
  const connection = new Redis(server.url, { maxRetriesPerRequest: null, enableAutoPipelining: true });
  const queue = new Queue(setName, { connection });
  const items = entries(count);
  const jobs: Job[] = [];
  const priorityOf = (seq: number, value: number, round: number) => 1 + (scoreOf(seq, value, round) % 2_000_000);
  for (let from = 0; from < count; from += chunk) {
    const slice = items.slice(from, from + chunk);
    const added = slice.map(({ seq, value }) => ({
      name: setName,
      data: {},
      opts: { priority: priorityOf(seq, value, 0) },
    }));
    jobs.push(...(await queue.addBulk(added)));
  }
  return {
    name: 'BullMQ changePriority',
    async reorder(round) {
      for (let from = 0; from < count; from += chunk) {
        const slice = items.slice(from, from + chunk);
        await Promise.all(
          slice.map(({ seq, value }) => jobs[seq]!.changePriority({ priority: priorityOf(seq, value, round) })),
        );
      }
    },
    rekey(at) {
      const { seq, value } = items[(at * 7919) % count]!;
      return jobs[seq]!.changePriority({ priority: priorityOf(seq, value, at) });
    },
    async close() {
      await queue.close();
      connection.disconnect();
      await server.stop();
    },
  };
}
