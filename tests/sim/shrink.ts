import type { Scenario } from './scenario.js';
import { type Result, simulate } from './simulation.js';
import type { Failure } from './sweep.js';

/** Runs that shrinking may take. */
const runsMax = 150;
const linesMax = 120;

/**
 * A smaller scenario that fails in the same check: less time, fewer faults, pods and clients, as long as it still
 * fails. What is left of its trace is what a person has to read.
 */
export async function shrink(scenario: Scenario, checker: string): Promise<Failure> {
  let smallest = { scenario, result: await simulate(scenario, true) };
  let runs = 0;
  for (let isSmaller = true; isSmaller && runs < runsMax; ) {
    isSmaller = false;
    for (const candidate of smallerOnes(smallest.scenario)) {
      if (++runs > runsMax) break;
      const result = await simulate(candidate, true);
      if (!result.violations.some((violation) => violation.checker === checker)) continue;
      smallest = { scenario: candidate, result };
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

function smallerOnes(scenario: Scenario): Scenario[] {
  const { faults, clients, pods, durationMs } = scenario;
  const candidates = [0.5, 0.8].map((part) => ({ ...scenario, durationMs: Math.floor(durationMs * part) }));
  for (const fault of faults) candidates.push({ ...scenario, faults: faults.filter((other) => other !== fault) });
  if (clients > 1) candidates.push({ ...scenario, clients: clients - 1 });
  if (pods > 1) candidates.push({ ...scenario, pods: pods - 1 });
  return candidates.filter((candidate) => candidate.durationMs >= 200);
}

/** The trace up to the first violation: faults, owners and commits, and what clients heard of the items in question. */
export function minimalTrace({ trace, violations }: Result): string[] {
  const subjects = [...(violations[0]?.detail.matchAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\bc\d+\b/g) ?? [])].map(([id]) => id);
  const end = trace.findIndex((line) => line.includes('VIOLATION'));
  const told = trace.slice(0, end + 1).filter((line) => {
    return !line.includes('  client ') || subjects.some((subject) => line.includes(subject));
  });
  const lines = merged(told);
  const skipped = lines.length - linesMax;
  return skipped > 0 ? [`... ${skipped} lines before`, ...lines.slice(skipped)] : lines;
}

const committed = /(\S+) commit epoch (\d+) seq (\d+)\+(\d+) -> committed$/;

/** Commits that nothing happened to, one after the other by one owner, as one line. */
function merged(lines: readonly string[]): string[] {
  const result: string[] = [];
  let owner: string | undefined;
  for (const line of lines) {
    const [, pod, epoch, seq, count] = committed.exec(line) ?? [];
    const isSame = pod !== undefined && owner === `${pod} ${epoch}`;
    if (isSame) result[result.length - 1] = result[result.length - 1].replace(/(\.\.\d+)?$/, `..${+seq + +count - 1}`);
    else if (pod !== undefined) result.push(line.replace(/ seq .*/, ` committed seq ${seq}`));
    else result.push(line);
    owner = pod === undefined ? undefined : `${pod} ${epoch}`;
  }
  return result;
}
