import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import type { Figure } from './scenario.js';

/** What became of one scenario. */
export interface Outcome {
  id: string;
  what: string;
  figures: readonly Figure[];
  notes: readonly string[];
  seconds: number;
  /** Why it did not run. */
  skipped?: string;
}

const detailsMax = 3;
const detailLengthMax = 400;

/** The table that people read: one line a figure. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const lines = [row('id', 'figure', 'wanted', 'seen', 'ok')];
  for (const { id, what, figures, notes, seconds, skipped } of outcomes) {
    lines.push(`${id.padEnd(4)} ${what} (${seconds} s)`);
    if (skipped !== undefined) lines.push(row('', `skipped: ${skipped}`, '', '', '-'));
    for (const { name, wanted, seen, ok, details } of figures) {
      lines.push(row('', name, wanted, seen, ok ? 'yes' : 'NO'));
      if (ok) continue;
      for (const detail of details.slice(0, detailsMax)) lines.push(`       ${detail.slice(0, detailLengthMax)}`);
    }
    for (const note of notes) lines.push(`       ${note}`);
  }
  return lines.join('\n');
}

function row(id: string, name: string, wanted: string, seen: string, ok: string): string {
  return `${id.padEnd(4)} ${name.padEnd(62)} ${wanted.padStart(10)} ${seen.padStart(12)}  ${ok}`;
}

/** The machine and the code of a run. */
export function aboutRun(): Record<string, string | number> {
  return {
    command: ['npm run test:faults --', ...process.argv.slice(2)].join(' '),
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model}`,
    loadAverage: Math.round(loadavg()[1]! * 10) / 10,
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    date: new Date().toISOString(),
  };
}

/** A run as it is kept. */
export function resultOf(about: Record<string, string | number>, outcomes: readonly Outcome[]): object {
  const scenarios = outcomes.map(({ id, what, figures, notes, seconds, skipped }) => ({
    id,
    what,
    seconds,
    ...(skipped !== undefined && { skipped }),
    figures: Object.fromEntries(
      figures.map(({ name, wanted, seen, ok }) => [name, `wanted ${wanted}, seen ${seen}: ${ok ? 'ok' : 'missed'}`]),
    ),
    // Text, not a list: formatters disagree about short lists.
    notes: notes.join(' | '),
  }));
  return { about, scenarios };
}
