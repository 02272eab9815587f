import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../stores/conformance/redis-server.js';

/** Outside the checkout: tools are fetched once for all of them. */
const cacheDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'iwd', 'bin');
const binary = join(cacheDir, 'server');
const goPackage = 'github.com/Shopify/toxiproxy/v2/cmd/server@latest';
const installMsMax = 300_000;

/** Why there is no toxiproxy; undefined when there is one. @param install builds it with Go when it is missing. */
export function toxiproxyMissing(install: boolean): string | undefined {
  if (existsSync(binary)) return undefined;
  if (!install) return `no toxiproxy in ${cacheDir} (npm run test:faults gets it)`;
  mkdirSync(cacheDir, { recursive: true });
  console.log(`building toxiproxy into ${cacheDir} ...`);
  const env = { ...process.env, GOBIN: cacheDir };
  const { status, error, stderr } = spawnSync('go', ['install', goPackage], {
    env,
    encoding: 'utf8',
    timeout: installMsMax,
  });
  return status === 0 ? undefined : `toxiproxy cannot be built: ${error?.message ?? stderr.slice(-300)}`;
}

/** Which way bytes go: `upstream` from us to the server behind, `downstream` back to us. */
export type Stream = 'upstream' | 'downstream';

/** One toxiproxy process; each proxy stands before one port of this machine. */
export class Toxiproxy {
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  static async start(): Promise<Toxiproxy> {
    const port = await freePort();
    const child = spawn(binary, ['-host', '127.0.0.1', '-port', `${port}`], { stdio: 'ignore' });
    const toxiproxy = new Toxiproxy(child, `http://127.0.0.1:${port}`);
    for (let tries = 0; tries < 200; tries++) {
      if (await toxiproxy.ask('GET', '/proxies').catch(() => undefined)) return toxiproxy;
      await sleep(25);
    }
    child.kill('SIGKILL');
    throw new Error('toxiproxy does not start');
  }

  async proxy(name: string, upstreamPort: number): Promise<FaultyLink> {
    const port = await freePort();
    const upstream = `127.0.0.1:${upstreamPort}`;
    await this.ask('POST', '/proxies', { name, listen: `127.0.0.1:${port}`, upstream, enabled: true });
    return new FaultyLink(this, name, port);
  }

  async ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    if (!this.#child.kill('SIGKILL')) return;
    await exited;
  }
}

/** The way to one server, and the faults put into it. */
export class FaultyLink {
  readonly port: number;
  readonly #toxiproxy: Toxiproxy;
  readonly #path: string;

  constructor(toxiproxy: Toxiproxy, name: string, port: number) {
    this.#toxiproxy = toxiproxy;
    this.#path = `/proxies/${name}`;
    this.port = port;
  }

  /** What goes that way is lost without a word, until `heal`, which breaks the connections that it hit. */
  async drop(stream: Stream): Promise<void> {
    await this.#add({ name: `drop-${stream}`, type: 'timeout', stream, attributes: { timeout: 0 } });
  }

  async delay(stream: Stream, latency: number): Promise<void> {
    await this.#add({ name: `delay-${stream}`, type: 'latency', stream, attributes: { latency, jitter: 0 } });
  }

  /** Takes every fault out. */
  async heal(): Promise<void> {
    const toxics = (await this.#toxiproxy.ask('GET', `${this.#path}/toxics`)) as { name: string }[];
    for (const { name } of toxics) {
      await this.#toxiproxy.ask('DELETE', `${this.#path}/toxics/${name}`);
    }
  }

  /** Breaks every connection and takes no new one. */
  async close(): Promise<void> {
    await this.#toxiproxy.ask('POST', this.#path, { enabled: false });
  }

  /** Takes connections, to another server if told. */
  async open(upstreamPort?: number): Promise<void> {
    const upstream = upstreamPort === undefined ? {} : { upstream: `127.0.0.1:${upstreamPort}` };
    await this.#toxiproxy.ask('POST', this.#path, { ...upstream, enabled: true });
  }

  async #add(toxic: object): Promise<void> {
    await this.#toxiproxy.ask('POST', `${this.#path}/toxics`, { toxicity: 1, ...toxic });
  }
}
