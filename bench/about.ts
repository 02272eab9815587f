import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** What a stored result says of its run: command, machine, commit, time. */
export function aboutRun(bench: string): Record<string, string> {
  return {
    command: ['node', `dist/bench/${bench}.js`, ...process.argv.slice(2)].join(' '),
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model}`,
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    date: new Date().toISOString(),
  };
}
