// Compiles TypeScript to dist/ and copies the files beside the sources that are not TypeScript (SQL
// migrations). Plain JavaScript because it runs before anything is compiled.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

for (const folder of ['migrations', 'cluster-migrations'].map((name) => join('stores', 'postgres', name))) {
  for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith('.sql'))) {
    mkdirSync(join(root, 'dist', folder), { recursive: true });
    cpSync(join(root, folder, file), join(root, 'dist', folder, file));
  }
}
