import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './imports-check.js';

/**
 * Holds every package of the lock file to the oldest Node that we promise (`engines` of package.json): npm only warns
 * when a dependency of a dependency does not support it, and then it breaks at a user's.
 */

/** Packages that declare a newer Node than they need, with the reason why each is fine. */
export const tolerated: Readonly<Record<string, string>> = {
  cookie: 'declares >=22, but is plain JavaScript that imports nothing; the API tests run it on our oldest Node',
};

type Version = readonly [major: number, minor: number, patch: number];

interface LockedPackage {
  engines?: { node?: string };
}

/** @returns a sentence for each package whose `engines.node` leaves our oldest Node out. */
export function checkEngines(packages: Readonly<Record<string, LockedPackage>>): string[] {
  const oldest = versionOf(packages['']?.engines?.node?.replace(/^>=/, '') ?? '');
  if (!oldest) return ['package.json: engines.node must be ">=" and a version'];
  return Object.entries(packages).flatMap(([path, { engines }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    if (!engines?.node || name in tolerated || includes(engines.node, oldest)) return [];
    return [`${name} wants Node ${engines.node}; we promise ${oldest.join('.')} (${path || 'package.json'})`];
  });
}

/** Whether an npm version range holds a version: the forms that `engines` fields use, not all of semver. */
export function includes(range: string, version: Version): boolean {
  return range.split('||').some((part) => {
    const comparators = part
      .trim()
      .replace(/([<>=^~]+)\s+/g, '$1')
      .split(/\s+/);
    return comparators.every((comparator) => holds(comparator, version));
  });
}

function holds(comparator: string, version: Version): boolean {
  if (comparator === '' || comparator === '*' || comparator === 'x') return true;
  const [, sign, text] = /^([<>=^~]*)v?(.*)$/.exec(comparator)!;
  const bound = versionOf(text!);
  if (!bound) return false;
  const order = compare(version, bound);
  if (sign === '>=') return order >= 0;
  if (sign === '>') return order > 0;
  if (sign === '<') return order < 0;
  if (sign === '<=') return order <= 0;
  const sameMinor = version[0] === bound[0] && version[1] === bound[1];
  if (sign === '~') return order >= 0 && sameMinor;
  // A bare `20` or `20.x` means any 20, a full version only itself.
  if (sign === '^' || !/^\d+\.\d+\.\d+$/.test(text!)) return order >= 0 && version[0] === bound[0];
  return order === 0;
}

function versionOf(text: string): Version | undefined {
  const found = /^(\d+)(?:\.(\d+|[x*]))?(?:\.(\d+|[x*]))?$/.exec(text.trim());
  if (!found) return undefined;
  const [major, minor, patch] = found.slice(1).map((digits) => Number(digits?.replace(/[x*]/, '0') ?? 0));
  return [major!, minor!, patch!];
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

export function lockedPackages(): Record<string, LockedPackage> {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const packages = lockedPackages();
  const problems = checkEngines(packages);
  for (const problem of problems) console.error(problem);
  console.log(`engines-check: ${Object.keys(packages).length} packages, ${problems.length} problems`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
