import { Agent, request } from 'node:http';

export interface HttpAnswer {
  status: number;
  replayed: boolean;
  body: string;
}

/**
 * `unsent`: nobody listened, so that nothing can have happened. `lost`: the connection broke or nobody answered in time,
 * and what became of the request is unknown.
 */
export type Attempt = HttpAnswer | 'unsent' | 'lost';

/** Longer than a recovery, shorter than the server's own time-out, so that lost patience is tried too. */
const answerMsMax = 8000;

/** Plain requests to one server over kept connections: no retry hides in here. */
export class HttpClient {
  readonly #agent: Agent;
  readonly #port: number;
  readonly #apiKey: string;

  constructor(options: { port: number; apiKey: string; connections: number }) {
    this.#port = options.port;
    this.#apiKey = options.apiKey;
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections });
  }

  /** @param path below the base path. */
  ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Attempt> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const said =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve) => {
      const call = request(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#port,
          method,
          path: `/iwd/v3${path}`,
          headers: { 'x-api-key': this.#apiKey, ...said, ...headers },
          timeout: answerMsMax,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', () => resolve('lost'));
          response.on('close', () => resolve('lost'));
          response.on('end', () => {
            const replayed = response.headers['idempotency-replayed'] === 'true';
            resolve({ status: response.statusCode ?? 0, replayed, body: Buffer.concat(chunks).toString() });
          });
        },
      );
      call.on('timeout', () => call.destroy());
      call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? 'unsent' : 'lost'));
      call.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
