import { FaultSystem, type SystemOptions } from './fault-system.js';
import { WatchedClient } from './watched-client.js';

/** What a scenario cannot do without; the runner says why it is skipped when it is not there. */
export type Need = 'redis' | 'toxiproxy' | 'root' | 'faketime';

/** One scenario of `RELIABILITY.md` 8: a file that is named for what it does. */
export interface Scenario {
  id: `S${number}`;
  /** What is done, in a few words. */
  what: string;
  needs: readonly Need[];
  run(trial: Trial): Promise<void>;
}

/** What a trial ends when the scenario did not. */
export interface Stoppable {
  start(clients: number): void;
  stop(): Promise<void>;
}

/** One pass figure: what is wanted and what was seen. */
export interface Figure {
  name: string;
  wanted: string;
  seen: string;
  ok: boolean;
  details: readonly string[];
}

/**
 * One run of a scenario: what it may start, how much of it to do, and where its figures go. Whatever it has started is
 * stopped by the runner.
 */
export class Trial {
  readonly figures: Figure[] = [];
  /** Remarks for the table: smaller numbers than wanted, what could not be shown. */
  readonly notes: string[] = [];
  readonly isQuick: boolean;
  readonly #systems: FaultSystem[] = [];
  readonly #loads: Stoppable[] = [];
  readonly #clients: WatchedClient[] = [];

  constructor(isQuick: boolean) {
    this.isQuick = isQuick;
  }

  /** The number for a full or for a quick run. */
  pick(full: number, quick: number): number {
    return this.isQuick ? quick : full;
  }

  /** A server with a Postgres and a Redis of its own, ready and with settings in force. */
  async system(options: SystemOptions = {}): Promise<FaultSystem> {
    const system = await FaultSystem.start(options);
    this.#systems.push(system);
    return system;
  }

  /** A client of the system that remembers every answer. */
  client(system: FaultSystem, connections: number): WatchedClient {
    const client = new WatchedClient({ port: system.port, apiKey: system.apiKey, connections });
    this.#clients.push(client);
    return client;
  }

  /** Starts a load that ends with the trial at the latest. */
  start<L extends Stoppable>(load: L, clients: number): L {
    this.#loads.push(load);
    load.start(clients);
    return load;
  }

  exactly(name: string, wanted: number, seen: number, details: readonly string[] = []): void {
    this.#add({ name, wanted: `${wanted}`, seen: shown(seen), ok: seen === wanted, details });
  }

  atMost(name: string, wanted: number, seen: number, unit = ''): void {
    this.#add({ name, wanted: `<= ${wanted}${unit}`, seen: `${shown(seen)}${unit}`, ok: seen <= wanted, details: [] });
  }

  atLeast(name: string, wanted: number, seen: number, unit = ''): void {
    this.#add({ name, wanted: `>= ${wanted}${unit}`, seen: `${shown(seen)}${unit}`, ok: seen >= wanted, details: [] });
  }

  /** All of `of` must have it. */
  all(name: string, seen: number, of: number, details: readonly string[] = []): void {
    this.#add({ name, wanted: 'all', seen: `${seen} of ${of}`, ok: seen === of && of > 0, details });
  }

  note(text: string): void {
    this.notes.push(text);
  }

  async stop(): Promise<void> {
    // A load that a failed scenario left behind would ask for ever; what it still has on its way fails with the server.
    for (const load of this.#loads.splice(0)) void load.stop();
    for (const client of this.#clients.splice(0)) client.close();
    for (const system of this.#systems.splice(0)) await system.stop();
  }

  #add(figure: Figure): void {
    this.figures.push(figure);
  }
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  return Math.abs(value) < 100 ? `${Math.round(value * 100) / 100}` : `${Math.round(value)}`;
}
