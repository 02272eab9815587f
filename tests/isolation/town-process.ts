import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { TownServerOptions } from './tenant-town.js';

/** `town-server.ts` as a child process. */
export class TownProcess {
  readonly port: number;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    this.pid = child.pid!;
  }

  /** Resolves when it serves all tenants. */
  static async start(options: TownServerOptions): Promise<TownProcess> {
    const child = fork(new URL('./town-server.js', import.meta.url), [JSON.stringify(options)]);
    const [message] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the town ended before it served'))),
    ])) as [{ port: number }];
    return new TownProcess(child, message.port);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.send('stop');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 60_000);
    await exited;
    clearTimeout(timer);
  }
}
