import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './imports-check.js';

/**
 * `npm install` against a registry that lacks some platform's binaries (a partial mirror) leaves their optional packages
 * out of package-lock.json, and then `npm ci` refuses the lock file everywhere ("Missing: ... from lock file"). This
 * adds them: name, version, os, cpu and libc, so that npm skips them on other platforms without fetching anything. The
 * integrity of what could not be fetched is unknown; `npm install` against the full registry fills it in.
 * Run after adding a dependency: npm run lock:platforms
 */

export interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  license?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  engines?: { node?: string };
  optionalDependencies?: Record<string, string>;
}

type Packages = Record<string, LockedPackage>;

export interface MissingPackage {
  /** Path of the package in whose optionalDependencies it stands. */
  parent: string;
  name: string;
  version: string;
}

/** Optional dependencies that the lock file does not know. */
export function missingPackages(packages: Readonly<Packages>): MissingPackage[] {
  return Object.entries(packages).flatMap(([parent, { optionalDependencies }]) =>
    Object.entries(optionalDependencies ?? {})
      .filter(([name]) => !packages[`node_modules/${name}`] && !packages[`${parent}/node_modules/${name}`])
      .map(([name, version]) => ({ parent, name, version })),
  );
}

/** The packages with what is missing added, in npm's order. Throws for a name that does not say its platform. */
export function completed(packages: Readonly<Packages>): Packages {
  const added = missingPackages(packages).map(({ parent, name, version }): [string, LockedPackage] => {
    const { dev, license, engines } = packages[parent]!;
    const fields = { version, ...platformOf(name, version), ...(dev && { dev }), ...(license && { license }) };
    return [`node_modules/${name}`, { ...fields, optional: true, ...(engines && { engines }) }];
  });
  const entries = [...Object.entries(packages), ...added];
  return Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b, 'en')));
}

/** Names of platform packages end in their platform: `@biomejs/cli-linux-arm64-musl`. */
function platformOf(name: string, version: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> {
  const found = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|win32)-(arm64|arm|x64|ia32)(?:-(musl|glibc))?$/.exec(
    name,
  );
  if (!found) throw new Error(`${name} does not say its platform: lock it against a registry that has it`);
  if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${name}: "${version}" is no exact version`);
  const [, os, cpu, libc] = found;
  return { os: [os!], cpu: [cpu!], ...(libc && { libc: [libc] }) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const path = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  for (const { name, version } of missingPackages(lock.packages)) console.log(`added ${name} ${version}`);
  lock.packages = completed(lock.packages);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}
