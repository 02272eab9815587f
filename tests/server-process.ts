import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalServer } from '../bin/demo/local-server.js';
import { ApiClient } from '../bin/intake/api-client.js';

/** A real server for an end-to-end test: a child process on a free port, with the embedded Postgres in its own folder. */
export interface ServerProcess {
  url: string;
  apiKey: string;
  dataDir: string;
  /** The environment it runs in; programs under test take it over. */
  env: NodeJS.ProcessEnv;
  client: ApiClient;
  server: LocalServer;
  /** Starts it again over the same data, after `server.stop()` or `server.kill()`. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** The environment of this process without any setting, so that a developer's own ones do not leak into a test. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(IWD_|TEST_|DATABASE_URL$|REDIS_URL$|NODE_TEST)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** @param extra further settings. Resolves when the server is ready. */
export async function startServerProcess(extra: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), 'iwd-e2e-'));
  const port = await freePort();
  const [url, apiKey] = [`http://127.0.0.1:${port}`, 'end-to-end-key'];
  const env = {
    ...bareEnvironment(),
    IWD_PORT: String(port),
    IWD_DATA_DIR: dataDir,
    IWD_DEMO_APIKEY: apiKey,
    IWD_LOG_LEVEL: 'warn',
    ...extra,
  };
  const start = async () => {
    const server = new LocalServer(url, env);
    try {
      await server.ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  };
  const running: ServerProcess = {
    url,
    apiKey,
    dataDir,
    env,
    client: new ApiClient({ base: `${url}/iwd/v3`, apiKey }),
    server: await start(),
    async restart() {
      running.server = await start();
    },
    async stop() {
      await running.server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return running;
}
