import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ProgramResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Longest time that a program under test may take before it is killed. */
const msMax = 120_000;

/**
 * Runs a compiled program, e.g. `bin/iwd.js`, to its end.
 * @param onStdout sees the output so far after each piece of it, to send a signal at the right moment.
 */
export function runProgram(
  path: string,
  args: string[],
  options: {
    env: NodeJS.ProcessEnv;
    cwd?: string;
    onStdout?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
  },
): Promise<ProgramResult> {
  const program = fileURLToPath(new URL(`../${path}`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', program, ...args], {
      env: options.env,
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: msMax,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onStdout?.(stdout, (signal) => child.kill(signal));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
