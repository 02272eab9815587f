import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

/** A redis-server of our own on the loopback interface, with nothing on disk but an empty folder. */
export interface RedisServer {
  port: number;
  url: string;
  process: ChildProcess;
  /** Ends the server, also one that is stopped by a signal, and removes its folder. */
  stop(): Promise<void>;
}

/** The path of `redis-server`, if the machine has one. */
export function findRedisServer(): string | undefined {
  const places = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'redis-server'));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Starts one and waits until it takes connections; rejects when it ends before. `args` are added to its own. */
export async function startRedisServer(args: readonly string[] = [], port?: number): Promise<RedisServer> {
  const chosen = port ?? (await freePort());
  const dir = await mkdtemp(join(tmpdir(), 'iwd-redis-'));
  const common = ['--bind', '127.0.0.1', '--port', `${chosen}`, '--dir', dir, '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', [...common, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await ready(child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port: chosen, url: `redis://127.0.0.1:${chosen}`, process: child, stop };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = '';
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`redis-server ended with code ${code}: ${last}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      last = line;
      if (line.includes('Ready to accept connections')) resolve();
    });
  });
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
