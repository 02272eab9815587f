import { isDeepStrictEqual } from 'node:util';
import type { FaultSystem } from './fault-system.js';
import type { Scenario } from './scenario.js';

const atOnce = 100;

interface Reply {
  status: number;
  body: string;
}

/** Clients that repeat themselves: at once, later, after a crash, and with another body. */
export const sameKeyAtOnce: Scenario = {
  id: 'S32',
  what: '100 requests at once with one Idempotency-Key; other body; after kill -9',
  needs: [],
  async run(trial) {
    const rounds = trial.pick(20, 3);
    const system = await trial.system();
    const [created, identical, refused, replayed] = [[], [], [], []] as [number[], number[], number[], number[]];
    const first: Reply[] = [];
    for (let round = 0; round < rounds; round++) {
      const replies = await Promise.all(Array.from({ length: atOnce }, () => create(system, round, 'same')));
      const ids = new Set(replies.map(({ body }) => (JSON.parse(body) as { id: string }).id));
      created.push(ids.size);
      identical.push(replies.filter(({ body, status }) => body === replies[0]!.body && status < 300).length);
      first.push(replies[0]!);
      refused.push((await create(system, round, 'other')).status);
    }
    await system.killAndRestart();
    for (let round = 0; round < rounds; round++) {
      const again = await create(system, round, 'same');
      replayed.push(again.status < 300 && sameItem(again, first[round]!) ? 1 : 0);
      refused.push((await create(system, round, 'other')).status);
    }
    const [row] = await system.query('SELECT count(*) AS items FROM iwd.work_item');
    await system.settle();
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    trial.exactly(`items made by ${rounds} x ${atOnce} requests`, rounds, sum(created));
    trial.all('replies identical to the first', sum(identical), rounds * atOnce);
    trial.all('other body: 422', refused.filter((status) => status === 422).length, refused.length);
    trial.all('same item after kill -9', sum(replayed), rounds);
    trial.exactly('rows of items', rounds, row!.items as number);
    trial.note('key reuse by another tenant: a server has one tenant until provisioning comes');
    await system.server.stop();
  },
};

async function create(system: FaultSystem, round: number, subject: string): Promise<Reply> {
  const response = await fetch(`${system.url}/iwd/v3/workitems`, {
    method: 'POST',
    headers: {
      'x-api-key': system.apiKey,
      'content-type': 'application/json',
      'idempotency-key': `key-${round}`,
    },
    body: JSON.stringify({ attributes: { kind: 'deadline', subject, round } }),
  });
  return { status: response.status, body: await response.text() };
}

/** Field by field, but for what moves with time; the database keeps attributes in an order of its own. */
function sameItem(a: Reply, b: Reply): boolean {
  const [one, other] = [a, b].map(({ body }) => ({ ...(JSON.parse(body) as object), priority: undefined }));
  return isDeepStrictEqual(one, other);
}
