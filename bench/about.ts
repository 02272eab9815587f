import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';

/** What a stored result says of its run: command, machine and how busy it was, commit, time. */
export function aboutRun(bench: string): Record<string, string | number> {
  return {
    command: ['node', `dist/bench/${bench}.js`, ...process.argv.slice(2)].join(' '),
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model}`,
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    date: new Date().toISOString(),
    loadAverage5Min: Math.round(loadavg()[1]! * 100) / 100,
  };
}
