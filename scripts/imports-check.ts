import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * The rooms of DESIGN.md and who may import whom, checked over the source texts: direction, cycles, no clock or
 * randomness in the deterministic rooms, no file names that say nothing. Type-only imports count for direction and
 * cycles too: a type that points the wrong way is a design that points the wrong way. Tests are free, except that
 * nothing may import them.
 */

/** What each room may import beside itself: a whole room, or single files of one. */
const rooms: Readonly<Record<string, readonly string[] | 'anything'>> = {
  engine: [],
  actors: ['engine'],
  // The ports are theirs to implement; the rest of actors is none of their business.
  stores: ['engine', 'actors/ports'],
  services: ['engine', 'actors/ports'],
  // Values of engine are only codes and limits here; everything that decides stays behind the request.
  // Intake: the pure readers of files that come in, which the API and the command line share.
  api: ['engine', 'actors/ports', 'actors/request', 'actors/client', 'services/intake'],
  // Data and its conversion: the pure parsers of durations and times, nothing that runs.
  examples: ['engine', 'services/intake/wall-time'],
  web: ['api/client'],
  bench: 'anything',
  bin: 'anything',
  scripts: 'anything',
  tests: 'anything',
};

/** Rooms that get time, timers and ids handed in; `actors/runtime.ts` is where the real ones live. */
const deterministicRooms = new Set(['engine', 'actors']);
const clockOwner = 'actors/runtime.ts';
const clockUse =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\b(?:setTimeout|setInterval|setImmediate|randomUUID|getRandomValues)\b|\bperformance\.now\b|\bhrtime\b/g;

/** engine/ has no I/O: the only modules of Node and of others that it may use are pure. */
const engineModules = new Set([
  ...['node:assert', 'node:assert/strict', 'node:buffer', 'node:util'],
  // temporal-polyfill: the rules of time zones, a pure function of the name (its clock, `Temporal.Now`, is not used).
  ...['@marcbachmann/cel-js', 'msgpackr', 'temporal-polyfill'],
]);

const emptyNames = new Set(['util', 'utils', 'helper', 'helpers', 'manager', 'managers', 'common', 'misc']);

const comments =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[=(,:!&|?{;[]\s*|\breturn\s+)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

const importForms = [
  /(?:^|[;\n])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"\n]+)['"]/g,
  /(?:^|[;\n])\s*import\s*['"]([^'"\n]+)['"]/g,
  /\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g,
  // A worker's file is a dependency like any other.
  /\bnew URL\(\s*['"](\.[^'"\n]+\.js)['"]\s*,\s*import\.meta\.url\s*\)/g,
];

interface Import {
  /** A path from the root such as `engine/queue.ts`, or a package's name. */
  target: string;
  ours: boolean;
}

/** @param sources text by path from the root, such as `engine/queue.ts`; @returns what is wrong, a sentence each. */
export function checkImports(sources: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, text] of sources) {
    const code = text.replace(comments, (_, literal?: string) => literal ?? ' ');
    const imports = importsOf(path, code);
    problems.push(...nameProblems(path));
    if (isTest(path)) continue;
    problems.push(...directionProblems(path, imports), ...clockProblems(path, code));
    graph.set(
      path,
      imports.filter(({ ours }) => ours).map(({ target }) => target),
    );
  }
  return [...problems, ...cycleProblems(graph)];
}

const isTest = (path: string) => /\.test\.ts$/.test(path);
const roomOf = (path: string) => path.split('/', 1)[0]!;

function importsOf(path: string, code: string): Import[] {
  const specifiers = importForms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1]!));
  return specifiers.map((specifier) =>
    specifier.startsWith('.')
      ? { target: posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts'), ours: true }
      : { target: specifier, ours: false },
  );
}

function directionProblems(path: string, imports: Import[]): string[] {
  const room = roomOf(path);
  const allowed = rooms[room];
  if (!allowed) return [`${path}: there is no room "${room}"; the rooms are ${Object.keys(rooms).join(', ')}`];
  return imports.flatMap(({ target, ours }) => {
    if (!ours) {
      const pure = room !== 'engine' || engineModules.has(target);
      return pure ? [] : [`${path} imports ${target}: engine/ does no I/O (allowed: ${[...engineModules].join(', ')})`];
    }
    if (isTest(target)) return [`${path} imports ${target}: nothing may depend on a test`];
    if (allowed === 'anything' || roomOf(target) === room) return [];
    const fine = allowed.some((place) => target === `${place}.ts` || target.startsWith(`${place}/`));
    return fine ? [] : [`${path} imports ${target}: ${room}/ may import ${allowed.join(', ') || 'nothing of ours'}`];
  });
}

function clockProblems(path: string, code: string): string[] {
  if (!deterministicRooms.has(roomOf(path)) || path === clockOwner) return [];
  const uses = new Set([...code.matchAll(clockUse)].map(([use]) => use));
  return [...uses].map((use) => `${path} uses ${use}: time, timers and randomness are handed in (${clockOwner})`);
}

function nameProblems(path: string): string[] {
  const empty = path
    .replace(/\.ts$/, '')
    .split(/[/.-]/)
    .find((word) => emptyNames.has(word));
  // A barrel; `slot-index.ts` is a thing.
  if (/(^|\/)index(\.test)?\.ts$/.test(path)) return [`${path}: "index" says nothing; import the file that exports it`];
  if (empty) return [`${path}: "${empty}" says nothing; name the file for what it exports`];
  return /^[a-z0-9./-]+$/.test(path) ? [] : [`${path}: file names are kebab-case`];
}

/** Depth first; a file that is met again while it is still open closes a cycle. Each cycle is told once. */
function cycleProblems(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const problems: string[] = [];
  const done = new Set<string>();
  const open: string[] = [];
  const visit = (path: string) => {
    if (done.has(path) || !graph.has(path)) return;
    const start = open.indexOf(path);
    if (start >= 0) {
      problems.push(`these import each other in a circle: ${[...open.slice(start), path].join(' -> ')}`);
      return;
    }
    open.push(path);
    for (const target of graph.get(path)!) visit(target);
    open.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return problems;
}

/** All TypeScript sources below the root's rooms, text by path with forward slashes. */
export function readSources(root: string): Map<string, string> {
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .filter(({ name }) => name !== 'node_modules' && name !== 'dist')
    .map(({ name }) => name);
  const sources = new Map<string, string>();
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.includes('node_modules')) continue;
      const path = `${folder}/${name.replaceAll('\\', '/')}`;
      sources.set(path, readFileSync(join(root, path), 'utf8'));
    }
  }
  return sources;
}

/** dist/scripts/ is two folders below the root. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const sources = readSources(root);
  const problems = checkImports(sources);
  for (const problem of problems) console.error(problem);
  console.log(`imports-check: ${sources.size} files, ${problems.length} problems`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
