import PgBoss from 'pg-boss';
import { type OpenPeer, poolSize, queueName, type TakenJob } from './peer.js';

/** Jobs of one statement; more only make it longer. */
const jobsAtOnce = 100;

/**
 * pg-boss 10 without its maintenance. One job a statement, it gives 5 to 70 jobs a second because each fetch sorts the
 * backlog: so those who wait at the same time share one fetch, or one completion, which keeps the order.
 */
export const openPgBoss: OpenPeer = async (url) => {
  const boss = new PgBoss({ connectionString: url, max: poolSize, supervise: false, schedule: false });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.createQueue(queueName);
  const taken = new Set<string>();
  const take = shared<undefined, TakenJob | undefined>(async (asks) => {
    const jobs = await boss.fetch(queueName, { batchSize: asks.length, priority: true });
    for (const { id } of jobs) taken.add(id);
    return asks.map((_, at) => jobs[at] && { id: jobs[at].id, data: jobs[at].data });
  });
  const complete = shared<string, boolean>(async (ids) => {
    await boss.complete(queueName, ids as string[]);
    return ids.map(() => true);
  });
  return {
    async add(items) {
      const [first] = items;
      if (items.length === 1) await boss.send(queueName, first!.data, { priority: first!.priority });
      else await boss.insert(items.map(({ data, priority }) => ({ name: queueName, data, priority })));
    },
    take: () => take(undefined),
    complete: async (id) => taken.delete(id) && complete(id),
    close: () => boss.stop({ graceful: false, wait: true }),
  };
};

/** One call in flight; what is asked meanwhile goes with the next one. Answers come in the order of the asks. */
function shared<Ask, Answer>(call: (asks: readonly Ask[]) => Promise<Answer[]>): (ask: Ask) => Promise<Answer> {
  const waiting: { ask: Ask; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  let isRunning = false;
  const run = async () => {
    isRunning = true;
    while (waiting.length > 0) {
      const group = waiting.splice(0, jobsAtOnce);
      try {
        const answers = await call(group.map(({ ask }) => ask));
        for (const [at, { resolve }] of group.entries()) resolve(answers[at]!);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    isRunning = false;
  };
  return (ask) =>
    new Promise((resolve, reject) => {
      waiting.push({ ask, resolve, reject });
      // Those of the same turn of the loop go together.
      if (!isRunning) setImmediate(() => isRunning || run());
    });
}
