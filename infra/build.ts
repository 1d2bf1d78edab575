/**
 * Makes dist/, what the npm package runs: `npm run build`. JavaScript and declarations, laid out as the sources are.
 * Fails when the types are wrong, or when package.json promises a file that did not come out.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

type Package = { bin: Record<string, string>; exports: Record<string, string | Record<string, string>> };

const root = join(import.meta.dirname, '..');
process.exitCode = build();

function build(): number {
  rmSync(join(root, 'dist'), { recursive: true, force: true }); // a module that was renamed must not live on
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const project = join(import.meta.dirname, 'tsconfig.build.json');
  const { status } = spawnSync(process.execPath, [tsc, '--project', project], { stdio: 'inherit' });
  if (status !== 0) return 1;
  const problems = promises().flatMap(problemsOf);
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

type Promised = { file: string; program: boolean };

function promises(): Promised[] {
  const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package;
  const programs = Object.values(bin).map((file) => ({ file, program: true }));
  const modules = Object.values(exports)
    .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
    .map((file) => ({ file, program: false }));
  return [...programs, ...modules];
}

function problemsOf({ file, program }: Promised): string[] {
  const path = join(root, file);
  if (!existsSync(path)) return [`package.json names ${file}, which the build did not make`];
  if (!program) return [];
  chmodSync(path, 0o755);
  return readFileSync(path, 'utf8').startsWith('#!')
    ? []
    : [`${file} is a program and needs a first line #!/usr/bin/env node`];
}
