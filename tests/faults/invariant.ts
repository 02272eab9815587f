import type { Operation } from '../crash/history.js';
import { readJournal } from '../crash/journal-fold.js';
import { judge, type Verdict } from '../crash/judge.js';
import { readTables } from '../crash/tables.js';
import { type ViolationName, violationNames } from '../crash/violation.js';
import type { FaultSystem } from './fault-system.js';
import type { Trial } from './scenario.js';

/**
 * "INV" of `RELIABILITY.md` 8: lets everything settle, then holds what the clients saw against journal and tables with
 * the crash harness' checkers. Drains the server: it is down afterwards.
 */
export async function checkInvariants(
  trial: Trial,
  system: FaultSystem,
  operations: readonly Operation[],
): Promise<Verdict> {
  await system.settle();
  const exitCode = await system.server.stop();
  const url = system.databaseUrl;
  const tables = await readTables(url);
  const verdict = await judge({ operations, tables, journal: { [Symbol.asyncIterator]: () => readJournal(url) } });
  const { violations, looked } = verdict;
  if (exitCode !== 0) violations.add('drain', `exit code ${exitCode}:\n${system.server.output}`);
  const details = violations.names.flatMap((name) =>
    violations.details(name).map((detail) => `${violationNames[name as ViolationName]}: ${detail}`),
  );
  const { acknowledgedCreates, acknowledgedChanges, items, decisions } = looked;
  trial.exactly('INV: violations', 0, violations.total, details);
  trial.note(
    `INV looked at ${acknowledgedCreates} acked creates, ${acknowledgedChanges} acked changes, ${items} items, ${decisions} decisions of next`,
  );
  return verdict;
}
