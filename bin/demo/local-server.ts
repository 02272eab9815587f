import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A server of our own as a child process: started for the demo and for end-to-end tests, stopped by SIGTERM. */
export class LocalServer {
  readonly #child: ChildProcess;
  readonly #url: string;
  #output = '';

  /** @param url where it will listen, without base path; @param env its whole environment. */
  constructor(url: string, env: NodeJS.ProcessEnv) {
    this.#url = url;
    const program = fileURLToPath(new URL('../server.js', import.meta.url));
    // A process group of its own: Ctrl-C then reaches only the parent, which ends the agents first and the server last.
    this.#child = spawn(process.execPath, ['--enable-source-maps', program], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-16_384);
      });
    }
  }

  /** The end of what it has printed. */
  get output(): string {
    return this.#output;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Resolves when it serves all tenants; throws with its last output when it ends or takes longer than `msMax`. */
  async ready(msMax = 60_000, signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + msMax;
    while (!(await isUp(`${this.#url}/readyz`))) {
      signal?.throwIfAborted();
      if (this.#child.exitCode !== null) {
        throw new Error(`the server ended with code ${this.#child.exitCode}:\n${this.#output}`);
      }
      if (performance.now() > deadline) throw new Error(`the server is not ready after ${msMax} ms:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Lets it drain and waits for its end; kills it when it does not. @returns its exit code, null when killed. */
  async stop(msMax = 15_000): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), msMax);
    await exited;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  /** As a crash: no drain, no goodbye. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

/** Whether a health URL answers 2xx within a second. */
export async function isUp(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Not there (yet): that is the answer.
    return false;
  }
}
