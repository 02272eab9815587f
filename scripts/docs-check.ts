import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './imports-check.js';

/** Checks that what the documents point at exists: relative links, their headings, and paths given as code. */

/** Longest line of a document; tables, links and texts of JSON answers are as long as they are. */
const lineLengthMax = 140;
/** First folders of paths that code spans name; anything else in a span is no path of ours. */
const rooms = ['engine', 'actors', 'stores', 'api', 'bin', 'bench', 'scripts', 'tests', 'examples', 'docs', 'charts'];

/** The documents that are checked, as paths from the root. */
export function documentPaths(): string[] {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', 'CONTRIBUTING.md', ...inDocs.map((name) => join('docs', name))].filter((path) =>
    path.endsWith('.md'),
  );
}

/** What is wrong with one document, a sentence a fault; `path` is from the root. */
export function faultsOf(path: string, text: string): string[] {
  const prose = text.replace(/^```.*$[\s\S]*?^```$/gm, '');
  return [...linkFaults(path, prose), ...pathFaults(prose), ...lengthFaults(text)].map((fault) => `${path}: ${fault}`);
}

function linkFaults(path: string, prose: string): string[] {
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', heading] = target.split('#');
      const full = file === '' ? join(root, path) : join(root, dirname(path), file);
      return !existsSync(full) || (heading !== undefined && !headingsOf(full).has(heading));
    })
    .map((target) => `the link ${target} leads nowhere`);
}

/** The names under which GitHub makes a document's headings reachable. */
function headingsOf(file: string): Set<string> {
  const headings = readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map((match) =>
      match[1]!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function pathFaults(prose: string): string[] {
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
  return spans
    .filter((span) => rooms.includes(span.split('/')[0]!) && /^[\w./{},-]+$/.test(span) && span.includes('/'))
    .flatMap(alternatives)
    .filter((path) => !existsSync(join(root, path)))
    .map((path) => `there is no ${path}`);
}

/** `engine/{heap,order}.ts` names two files. */
function alternatives(span: string): string[] {
  const match = /^(.*)\{([^}]*)\}(.*)$/.exec(span);
  return match === null ? [span] : match[2]!.split(',').map((each) => `${match[1]}${each}${match[3]}`);
}

function lengthFaults(text: string): string[] {
  return text
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.length > lineLengthMax && !/^\s*(\||")/.test(line) && !line.includes(']('))
    .map(({ line, number }) => `line ${number} has ${line.length} characters, at most ${lineLengthMax}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const faults = documentPaths().flatMap((path) => faultsOf(path, readFileSync(join(root, path), 'utf8')));
  for (const fault of faults) console.error(fault);
  console.log(
    `${documentPaths().length} documents in ${relative(process.cwd(), root) || '.'}: ${faults.length} faults`,
  );
  if (faults.length > 0) process.exitCode = 1;
}
