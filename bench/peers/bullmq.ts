import { randomUUID } from 'node:crypto';
import { type Job, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { type OpenPeer, queueName } from './peer.js';

/** BullMQ's numbers go the other way round: 1 comes first, and this is the last. */
const priorityMax = 2_097_151;

/**
 * BullMQ on one Redis: jobs are fetched and ended by hand, as its manual asks for when another process does the work,
 * and removed when they end. Commands of one turn of the loop go to Redis in one write (auto-pipelining).
 */
export const openBullmq: OpenPeer = async (url) => {
  const connection = () => new Redis(url, { maxRetriesPerRequest: null, enableAutoPipelining: true });
  const connections = [connection(), connection()] as const;
  const queue = new Queue(queueName, { connection: connections[0] });
  const worker = new Worker(queueName, null, { connection: connections[1], autorun: false, lockDuration: 600_000 });
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  const token = randomUUID();
  const taken = new Map<string, Job>();
  const optionsOf = (priority: number) => ({
    priority: Math.max(1, priorityMax - Math.round(priority)),
    removeOnComplete: true,
  });
  return {
    async add(items) {
      const [first] = items;
      if (items.length === 1) await queue.add(queueName, first!.data, optionsOf(first!.priority));
      else
        await queue.addBulk(items.map(({ data, priority }) => ({ name: queueName, data, opts: optionsOf(priority) })));
    },
    async take() {
      const job = await worker.getNextJob(token, { block: false });
      if (job === undefined) return undefined;
      taken.set(job.id!, job);
      return { id: job.id!, data: job.data };
    },
    async complete(id) {
      const job = taken.get(id);
      taken.delete(id);
      if (job === undefined) return false;
      await job.moveToCompleted(null, token, false);
      return true;
    },
    async close() {
      await Promise.all([queue.close(), worker.close(true)]);
      for (const one of connections) one.disconnect();
    },
  };
};
