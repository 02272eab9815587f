import { type ApiClient, ApiProblem } from '../intake/api-client.js';
import { pause } from '../intake/pause.js';

/** Simulated agents: each pulls the best item, works on it for a moment, completes most and holds some. */

export interface Tally {
  pulled: number;
  completed: number;
  held: number;
  /** Answers that the agents had to wait out: the server was busy or away. */
  waits: number;
}

export interface AgentOptions {
  client: ApiClient;
  count: number;
  /** Numbers in [0, 1) that decide how long work takes and how it ends. */
  random: () => number;
  /** Ends the shift: everyone finishes the item in hand at once and goes home. */
  signal: AbortSignal;
}

const workMsMin = 200;
const workMsMax = 1500;
const heldShare = 0.2;
const idleMs = 500;

/** Counts go up in `tally` as things happen; resolves when all agents have gone home. Throws what is not theirs to bear. */
export async function runAgents(options: AgentOptions, tally: Tally): Promise<void> {
  await Promise.all(Array.from({ length: options.count }, (_, i) => runAgent(`demo-agent-${i + 1}`, options, tally)));
}

async function runAgent(agentId: string, { client, random, signal }: AgentOptions, tally: Tally): Promise<void> {
  while (!signal.aborted) {
    const item = await patiently(signal, tally, () =>
      client.request<{ id: string }>('POST', '/workitems/next', { agentId }),
    );
    if (!item) {
      await pause(idleMs, signal);
      continue;
    }
    tally.pulled++;
    await pause(workMsMin + random() * (workMsMax - workMsMin), signal);
    const hold = random() < heldShare;
    const path = `/workitems/${item.id}/${hold ? 'hold' : 'complete'}`;
    const body = hold ? { reason: 'waits for the inspector' } : { resultCode: 'solved' };
    const done = await patiently(signal, tally, () => client.request('POST', path, body));
    if (done) tally[hold ? 'held' : 'completed']++;
  }
}

/** Waits while the server is busy or away; an item in hand is finished even after the shift, within a few attempts. */
async function patiently<T>(signal: AbortSignal, tally: Tally, ask: () => Promise<T>): Promise<T | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ApiProblem) || !error.passes || attempt >= 20) throw error;
      tally.waits++;
      await pause(Math.min(error.retryAfterMs, 5000), signal);
      if (signal.aborted && attempt >= 3) return undefined;
    }
  }
}
