import { setTimeout as sleep } from 'node:timers/promises';
import { keyOf } from '../isolation/tenant-town.js';
import { WatchedClient } from './watched-client.js';

const tickMs = 10;

/** One tenant's callers: requests at intended times, whatever comes back; every second one reads the queue. */
export class TownLoad {
  readonly client: WatchedClient;
  readonly #perSecond: number;
  readonly #prefix: string;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(port: number, tenantId: string, perSecond: number) {
    this.client = new WatchedClient({ port, apiKey: keyOf(tenantId), connections: 64 });
    this.#perSecond = perSecond;
    this.#prefix = `${tenantId}-${Math.round(performance.now())}`;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.client.close();
  }

  async #run(): Promise<void> {
    const from = performance.now();
    const asked: Promise<unknown>[] = [];
    while (!this.#stopping) {
      const due = Math.floor(((performance.now() - from) * this.#perSecond) / 1000);
      while (asked.length < due) asked.push(this.#ask(asked.length));
      await sleep(tickMs);
    }
    await Promise.all(asked);
  }

  #ask(number: number): Promise<unknown> {
    if (number % 2 === 1) return this.client.ask('GET', '/queue?limit=5');
    return this.client.ask('POST', '/workitems', { captureId: `${this.#prefix}-${number}`, attributes: { number } });
  }
}
