import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './imports-check.js';
import { startTestServers } from './test-servers.js';

const help = `npm test [-- PATTERN ...] [--help]

Without a pattern: lint and format (biome), import directions, engines of all packages, then every test.
A pattern is a part of a path, e.g. "engine/", "queue.test" or "bin/settings.test.ts": only those tests run, no lint.
Tests that need servers (*.pg.test.ts, *.redis.test.ts, *.e2e.test.ts, tests/) get them: TEST_DATABASE_URL, or the
embedded Postgres in a temporary folder; REDIS_URL, or redis-server of the PATH, or installed with apt when root.`;

/** A file that hangs must not hang CI: the longest property test takes about half a minute. */
const fileMsMax = 10 * 60_000;
const dist = join(root, 'dist');
/** Compiled or copied file -> the source that it comes from. */
const origins: readonly [RegExp, string][] = [
  [/\.js(\.map)?$/, '.ts'],
  [/\.sql$/, '.sql'],
];

let running: ChildProcess | undefined;

/** Runs a program with the terminal's output and no input; resolves with its exit code (128 + n for a signal). */
function run(args: string[], env: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    running = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    running.on('error', reject);
    running.on('exit', (code) => resolve(code ?? 130));
  });
}

/** tsc leaves the output of deleted sources behind; a stale test would run, a stale migration would be applied. */
function removeStale(): void {
  for (const path of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const origin = origins.find(([ending]) => ending.test(path));
    if (origin && !existsSync(join(root, path.replace(...origin)))) rmSync(join(dist, path));
  }
}

/** Compiled tests whose source path holds one of the patterns, as paths from the root. */
function findTests(patterns: string[]): string[] {
  const sources = patterns.map((pattern) => pattern.replace(/^(\.\/)?(dist\/)?/, '').replace(/\.[jt]s$/, ''));
  return readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js') && (sources.length === 0 || sources.some((one) => path.includes(one))))
    .map((path) => join('dist', path))
    .sort();
}

async function lint(): Promise<number> {
  const biome = join(dirname(createRequire(import.meta.url).resolve('@biomejs/biome/package.json')), 'bin', 'biome');
  for (const args of [[biome, 'check', '.'], ['dist/scripts/imports-check.js'], ['dist/scripts/engines-check.js']]) {
    const code = await run(args);
    if (code !== 0) return code;
  }
  return 0;
}

async function runTests(files: string[]): Promise<number> {
  const options = ['--enable-source-maps', '--expose-gc', '--test', '--test-concurrency=2', '--test-reporter=spec'];
  const args = [...options, `--test-timeout=${fileMsMax}`, ...files];
  if (!files.some((file) => /\.(pg|redis|e2e)\.test\.js$|^dist.tests/.test(file))) return run(args);
  const servers = await startTestServers();
  for (const note of servers.notes) console.log(note);
  try {
    return await run(args, servers.env);
  } finally {
    await servers.stop();
  }
}

async function main(patterns: string[]): Promise<number> {
  removeStale();
  const files = findTests(patterns);
  if (files.length === 0) {
    console.error(`no test matches ${patterns.join(', ')}`);
    return 1;
  }
  const lintCode = patterns.length === 0 ? await lint() : 0;
  const testCode = await runTests(files);
  if (lintCode !== 0) console.error('lint failed: its messages stand above the tests (npm run format fixes most)');
  return testCode || lintCode;
}

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(help);
} else {
  // The terminal sends Ctrl-C to the whole group, a kill reaches only this process; the servers stop themselves.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => running?.kill(signal));
  process.exitCode = await main(args);
}
