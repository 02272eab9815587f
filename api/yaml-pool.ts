import { Piscina } from 'piscina';
import { type Rejection, reject } from '../engine/rejection.js';

/** Larger files travel as JSON: 77 KB of YAML took 0.1 to 0.9 s to read, the more the less compiled the code was. */
export const yamlBytesMax = 512 * 1024;
const timeoutMs = 10_000;
const waitingMax = 16;

/** YAML is read and written on a thread of its own, which ends when nobody needs it: it would hold the loop up. */
export class YamlPool {
  #pool: Piscina | undefined;
  #waiting = 0;

  toYaml(json: string): Promise<string | Rejection> {
    return this.#convert(json, { toYaml: json });
  }

  /** The JSON text that the YAML stands for. */
  toJson(yaml: string): Promise<string | Rejection> {
    return this.#convert(yaml, { toJson: yaml });
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
  }

  async #convert(text: string, task: object): Promise<string | Rejection> {
    if (text.length > yamlBytesMax) {
      return reject('too-large', `YAML may have ${yamlBytesMax} characters here; use JSON, or the iwd command line.`);
    }
    if (this.#waiting >= waitingMax) return busy;
    this.#pool ??= new Piscina({
      filename: new URL('./yaml-thread.js', import.meta.url).href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: 5000,
    });
    this.#waiting++;
    try {
      const result = await this.#pool.run(task, { signal: AbortSignal.timeout(timeoutMs) });
      return 'text' in result ? result.text : reject('invalid-json', `The body is not YAML: ${result.fault}`);
    } catch {
      return busy;
    } finally {
      this.#waiting--;
    }
  }
}

const busy = reject('unavailable', 'YAML cannot be converted now; use JSON.', { retryAfterSeconds: 5 });
