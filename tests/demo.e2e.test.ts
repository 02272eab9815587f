import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isUp } from '../bin/demo/local-server.js';
import { runProgram } from './program.js';
import { bareEnvironment, freePort, startServerProcess } from './server-process.js';

const cityFile =
  process.env.NYC_311_CSV ?? fileURLToPath(new URL('../../../shared/data/nyc-311-2022-05-01.csv', import.meta.url));

/** Numbers of the demo's last line. */
function summary(stdout: string): { ingested: number; completed: number; held: number; left: number } {
  const found = /ingested (\d+), completed (\d+), held (\d+), left in the queue (\d+); slowest answer \d+ ms/.exec(
    stdout,
  );
  assert.ok(found, stdout);
  const [ingested, completed, held, left] = found.slice(1).map(Number) as [number, number, number, number];
  return { ingested, completed, held, left };
}

test('without a server the demo starts one, plays, and stops it', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'iwd-demo-'));
  const port = await freePort();
  try {
    const env = { ...bareEnvironment(), IWD_PORT: String(port), IWD_DATA_DIR: dataDir };
    const result = await runProgram('bin/demo.js', ['--count', '300', '--duration', '3'], { env });
    assert.equal(result.code, 0, result.stdout + result.stderr);
    const { ingested, completed, held, left } = summary(result.stdout);
    assert.equal(ingested, 300);
    assert.ok(completed > 0);
    assert.equal(left, 300 - completed - held, 'every item is completed, held or still in the queue');
    assert.match(result.stdout, /100 % .*300 of 300 requests in/);
    assert.match(result.stdout, /# +priority +age +category/);
    assert.match(result.stdout, /^ +1 .*(noise|hazard|people|parking)/m);
    assert.match(result.stdout, /server stopped/);
    assert.equal(await isUp(`http://127.0.0.1:${port}/livez`), false);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});

test('on a running server it plays the city’s file, twice, and ends cleanly on Ctrl-C', async () => {
  const server = await startServerProcess();
  try {
    const source = existsSync(cityFile) ? ['--csv', cityFile, '--count', '900'] : ['--count', '900'];
    const env = { ...bareEnvironment(), IWD_API_KEY: server.apiKey };
    const args = [...source, '--url', server.url, '--duration', '2'];
    const first = await runProgram('bin/demo.js', args, { env });
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.equal(summary(first.stdout).ingested, 900);
    const rest = summary(first.stdout).left;

    let pressed = false;
    const interrupted = await runProgram('bin/demo.js', [...source, '--url', server.url, '--duration', '60'], {
      env,
      onStdout: (text, kill) => {
        // Once: a second one could arrive when the process has taken its handlers down already.
        if (!pressed && /to go/.test(text)) kill('SIGINT');
        pressed ||= /to go/.test(text);
      },
    });
    assert.equal(interrupted.code, 0, interrupted.stdout + interrupted.stderr);
    const second = summary(interrupted.stdout);
    assert.equal(second.ingested, 900);
    assert.equal(second.left, rest + 900 - second.completed - second.held);
    assert.ok(await isUp(`${server.url}/livez`), 'a server that the demo did not start goes on');
  } finally {
    await server.stop();
  }
});

test('the queue that the demo shows is in the order of its priorities', async () => {
  const server = await startServerProcess();
  try {
    const env = { ...bareEnvironment(), IWD_API_KEY: server.apiKey };
    const result = await runProgram(
      'bin/demo.js',
      ['--count', '500', '--agents', '0', '--duration', '1', '--url', server.url],
      {
        env,
      },
    );
    assert.equal(result.code, 0, result.stdout + result.stderr);
    const shown = [...result.stdout.matchAll(/^ +\d+ +(\d+\.\d) /gm)].map((match) => Number(match[1]));
    assert.equal(shown.length, 20);
    assert.deepEqual(
      shown,
      [...shown].sort((a, b) => b - a),
    );
    assert.match(result.stdout, /completed 0, held 0, left in the queue 500/);
  } finally {
    await server.stop();
  }
});

test('a server that was named but is not there is not started', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const result = await runProgram('bin/demo.js', ['--url', url, '--duration', '1'], { env: bareEnvironment() });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /nothing answers at/);
});
