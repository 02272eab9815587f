import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { type OpenPeer, poolSize, queueName, type TakenJob } from './peer.js';

/** Jobs that are out at once: as many as the load has connections. */
const concurrency = 64;
/** Jobs fetched by one statement: fast, but their order is fixed from then on. */
const prefetched = 200;

/**
 * graphile-worker with its local queue and its batched completions (both what its manual has for throughput). It only
 * pushes jobs: a worker's task hands its job to whoever asked for one and ends when that one has completed it.
 */
export const openGraphileWorker: OpenPeer = async (url) => {
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: poolSize, logger });
  await utils.migrate();
  const asks: ((job: TakenJob) => void)[] = [];
  const offers: TakenJob[] = [];
  const ends = new Map<string, () => void>();
  const task = (data: unknown, { job }: { job: { id: string } }) =>
    new Promise<void>((end) => {
      ends.set(job.id, end);
      const ask = asks.shift();
      if (ask !== undefined) ask({ id: job.id, data });
      else offers.push({ id: job.id, data });
    });
  let runner: ReturnType<typeof run> | undefined;
  // Workers hold jobs as soon as they run: they start with the first ask, so that the backlog is whole until then.
  const start = () =>
    run({
      taskList: { [queueName]: task },
      noHandleSignals: true,
      logger,
      preset: {
        worker: {
          connectionString: url,
          maxPoolSize: poolSize,
          concurrentJobs: concurrency,
          localQueue: { size: prefetched },
          completeJobBatchDelay: 0,
          pollInterval: 100,
        },
      },
    });
  return {
    async add(items) {
      const [first] = items;
      const spec = { maxAttempts: 1 };
      // The smallest number comes first.
      if (items.length === 1) await utils.addJob(queueName, first!.data, { ...spec, priority: -first!.priority });
      else
        await utils.addJobs(
          items.map(({ data, priority }) => ({
            ...spec,
            identifier: queueName,
            payload: data as Record<string, unknown>,
            priority: -priority,
          })),
        );
    },
    async take() {
      runner ??= start();
      await runner;
      return offers.shift() ?? new Promise((resolve) => asks.push(resolve));
    },
    async complete(id) {
      const end = ends.get(id);
      ends.delete(id);
      end?.();
      return end !== undefined;
    },
    async close() {
      for (const end of ends.values()) end();
      await (await runner)?.stop();
      await utils.release();
    },
  };
};
