import type { Lease, Runtime, TenantStores } from './ports.js';
import { pause } from './runtime.js';

const releaseMsMax = 1000;
const closeMsMax = 500;
/** What giving the lease back and closing the stores may take together. */
export const departureMsMax = releaseMsMax + closeMsMax;

/** Gives back what a tenant holds, in bounded time: a database that does not answer keeps nobody. */
export class Departure {
  readonly #runtime: Runtime;
  readonly #log: (level: 'warn', message: string, error: unknown) => void;

  constructor(runtime: Runtime, log: (level: 'warn', message: string, error: unknown) => void) {
    this.#runtime = runtime;
    this.#log = log;
  }

  async release(stores: TenantStores, lease: Lease): Promise<void> {
    const released = stores.lease.release(lease);
    await this.#inTime(released, releaseMsMax, 'releasing the lease failed');
  }

  async close(stores: TenantStores | undefined): Promise<void> {
    if (stores !== undefined) await this.#inTime(stores.close(), closeMsMax, 'closing the stores failed');
  }

  async #inTime(done: Promise<void>, msMax: number, failure: string): Promise<void> {
    const settled = done.catch((error: unknown) => this.#log('warn', failure, error));
    await Promise.race([settled, pause(this.#runtime, msMax)]);
  }
}
