import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../scripts/imports-check.js';
import { freePort, startRedisServer } from '../../stores/conformance/redis-server.js';
import { PostgresServer } from '../faults/postgres-server.js';

const help = `npm run test:image [-- --rebuild-base]

Builds the Dockerfile with buildah, without any container engine or registry, on a base made here (debootstrap, this
machine's node), and runs the image as its user on a read-only root file system against a real Postgres and Redis: it must
start, serve an item's life, pass its own health check and drain on SIGTERM. Needs root on Linux with buildah and
debootstrap (apt-get install buildah debootstrap). The base is kept between runs.`;

const base = 'localhost/iwd-base:node20';
const image = 'localhost/iwd:test';
const certificates = '/etc/ssl/certs/ca-certificates.crt';
const apiKey = 'image-test-key';
const readyMsMax = 60_000;
const drainMsMax = 15_000;

interface ImageConfig {
  User: string;
  Env: string[];
  Entrypoint: string[];
  WorkingDir: string;
  Healthcheck: { Test: string[] };
}

function run(program: string, args: readonly string[]): string {
  const environment = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
  return execFileSync(program, args, {
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
}

/** Debian with this machine's node and npm, and its certificates, behind which a mirror may stand. */
function makeBase(): void {
  if (run('buildah', ['images', '--quiet', '--filter', `reference=${base}`]) !== '') return;
  console.log('making the base: debootstrap, about half a minute');
  const container = run('buildah', ['from', 'scratch']);
  const folder = run('buildah', ['mount', container]);
  run('debootstrap', ['--variant=minbase', 'bookworm', folder]);
  for (const used of ['var/cache/apt/archives', 'var/lib/apt/lists']) rmSync(join(folder, used), { recursive: true });
  const modules = join(folder, 'usr/local/lib/node_modules');
  mkdirSync(modules, { recursive: true });
  cpSync(process.execPath, join(folder, 'usr/local/bin/node'), { dereference: true });
  cpSync(npmFolder(), join(modules, 'npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/local/bin/npm'));
  if (existsSync(certificates)) {
    mkdirSync(join(folder, dirname(certificates)), { recursive: true });
    cpSync(certificates, join(folder, certificates), { dereference: true });
    const names = ['NODE_EXTRA_CA_CERTS', 'npm_config_cafile'];
    run('buildah', ['config', ...names.flatMap((name) => ['--env', `${name}=${certificates}`]), container]);
  }
  run('buildah', ['umount', container]);
  run('buildah', ['commit', '--quiet', '--rm', container, base]);
}

function npmFolder(): string {
  return join(run('npm', ['root', '--global']).split('\n').at(-1)!, 'npm');
}

function build(): { config: ImageConfig; megabytes: number; ownMegabytes: number } {
  run('buildah', [
    'bud',
    '--quiet',
    '--format',
    'docker',
    '--isolation',
    'chroot',
    '--build-arg',
    `BASE=${base}`,
    '--tag',
    image,
    root,
  ]);
  const sizeOf = (name: string) => {
    const [found] = JSON.parse(run('buildah', ['images', '--json', '--filter', `reference=${name}`])) as {
      size: string;
    }[];
    const [, number, unit] = /^([\d.]+) ([MG])B$/.exec(found!.size)!;
    return Number(number) * (unit === 'G' ? 1000 : 1);
  };
  const inspected = JSON.parse(run('buildah', ['inspect', '--type', 'image', image])) as {
    Docker: { config: ImageConfig };
  };
  return { config: inspected.Docker.config, megabytes: sizeOf(image), ownMegabytes: sizeOf(image) - sizeOf(base) };
}

/**
 * What a container engine does, as far as this test needs it: the image's file system read-only, with a writable /data
 * and /tmp, and the image's program as the image's user. The network is this machine's.
 */
class Container {
  readonly #name: string;
  readonly #folder: string;
  readonly #config: ImageConfig;
  readonly #script: string;

  constructor(config: ImageConfig, workDir: string) {
    this.#config = config;
    this.#name = run('buildah', ['from', image]);
    this.#folder = run('buildah', ['mount', this.#name]);
    const data = join(workDir, 'data');
    mkdirSync(data);
    execFileSync('chown', [config.User, data]);
    this.#script = join(workDir, 'enter.sh');
    const mounts = [
      `mount --bind ${this.#folder} ${this.#folder}`,
      `mount --bind ${data} ${this.#folder}/data`,
      `mount -t tmpfs -o mode=1777 tmpfs ${this.#folder}/tmp`,
      `mount -t proc proc ${this.#folder}/proc`,
      `mount --rbind /dev ${this.#folder}/dev`,
      `mount -o remount,bind,ro ${this.#folder}`,
    ];
    const enter = `exec chroot --userspec=${config.User} ${this.#folder} "$@"`;
    writeFileSync(this.#script, ['#!/bin/sh', 'set -e', ...mounts, enter, ''].join('\n'));
    chmodSync(this.#script, 0o755);
  }

  start(program: readonly string[], settings: Record<string, string>): ChildProcess {
    const variables = [...this.#config.Env, ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)];
    const inside = ['/usr/bin/env', '-i', '-C', this.#config.WorkingDir, ...variables, ...program];
    return spawn('unshare', ['--mount', this.#script, ...inside], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  remove(): void {
    run('buildah', ['rm', this.#name]);
  }
}

async function untilReady(url: string, server: ChildProcess): Promise<number> {
  const from = performance.now();
  while (performance.now() - from < readyMsMax) {
    if (server.exitCode !== null) throw new Error(`the server ended with code ${server.exitCode}`);
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    if (response?.ok) return performance.now() - from;
    await sleep(50);
  }
  throw new Error('the server was not ready in time');
}

/** The life that `helm test` takes an item through, by the very file that the chart's pod runs. */
async function lifeOfAnItem(container: Container, url: string): Promise<void> {
  const script = join(root, 'charts', 'iwd', 'files', 'life-of-an-item.js');
  const program = ['node', '--input-type=module', '-e', readFileSync(script, 'utf8')];
  const test = container.start(program, { URL: `${url}/iwd/v3/workitems`, KEY: apiKey });
  await exitOf(test, 'the life of an item');
}

async function exitOf(child: ChildProcess, what: string): Promise<void> {
  const lines: string[] = [];
  child.stdout?.on('data', (bytes) => lines.push(String(bytes)));
  const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
  if (code !== 0) throw new Error(`${what} ended with code ${code}\n${lines.join('')}`);
}

async function test(config: ImageConfig, workDir: string): Promise<[string, string][]> {
  const postgres = await PostgresServer.create(join(workDir, 'postgres'));
  const redis = await startRedisServer();
  const container = new Container(config, workDir);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = container.start(config.Entrypoint, {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    IWD_PORT: String(port),
    IWD_DEMO_APIKEY: apiKey,
    IWD_CLUSTER_APIKEY: `cluster-${apiKey}`,
    IWD_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    IWD_LOG_LEVEL: 'warn',
  });
  server.stdout?.resume();
  try {
    const readyMs = await untilReady(url, server);
    const write =
      "try { require('node:fs').writeFileSync('/app/x', '') } catch ({ code }) { process.exit(code === 'EROFS' ? 0 : 1) }";
    await exitOf(container.start(['node', '-e', `${write}; process.exit(1)`], {}), 'writing to the root file system');
    await lifeOfAnItem(container, url);
    const check = config.Healthcheck.Test.slice(1);
    await exitOf(container.start(check, { IWD_PORT: String(port) }), 'the health check');
    const from = performance.now();
    const ended = exitOf(server, 'the server, drained,');
    server.kill('SIGTERM');
    await Promise.race([ended, sleep(drainMsMax).then(() => Promise.reject(new Error('it did not drain in time')))]);
    const drainMs = performance.now() - from;
    return [
      ['user', config.User],
      ['ready on a fresh database, read-only root, ms', readyMs.toFixed(0)],
      ['an item created, fetched, completed, deleted', 'yes'],
      ['health check of the image', 'passes'],
      ['SIGTERM to exit code 0, ms', drainMs.toFixed(0)],
    ];
  } finally {
    server.kill('SIGKILL');
    container.remove();
    await redis.stop();
    await postgres.stop();
  }
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(help);
    return;
  }
  if (process.getuid?.() !== 0) throw new Error('this needs root; --help says what else');
  if (process.argv.includes('--rebuild-base')) run('buildah', ['rmi', '--force', base]);
  makeBase();
  console.log('building the image');
  const { config, megabytes, ownMegabytes } = build();
  const workDir = mkdtempSync(join(tmpdir(), 'iwd-image-'));
  // Postgres' account must be able to enter.
  chmodSync(workDir, 0o755);
  try {
    const size: [string, string] = ['size, MB (without the base)', `${megabytes} (${ownMegabytes})`];
    console.table(Object.fromEntries([size, ...(await test(config, workDir))]));
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

await main();
