/** Makes the programs ready to run: once, at the first use. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireJdk } from '../../../infra/embedded/jdk.ts';
import { defaultCacheDir } from '../../../infra/embedded/maven.ts';

const run = promisify(execFile);
const BENCH = join(import.meta.dirname, '..');
const ROOT = join(BENCH, '../..');

/** The program and arguments that a role (`client`, `worker`) is appended to. */
export type Program = readonly [string, ...string[]];

let built: Promise<string> | undefined;

/**
 * Belfry's command line as its package has it: compiled, since reading types out of sources takes a service 30 MB.
 * @throws Error when it does not compile
 */
export function belfryProgram(): Promise<string> {
  built ??= run(process.execPath, [join(ROOT, 'infra/build.ts')]).then(() => join(ROOT, 'dist/services/cli/main.js'));
  return built;
}

/** @param file in peers/ @throws Error when npm cannot install the peers */
export async function nodePeer(file: string): Promise<Program> {
  if (!existsSync(join(BENCH, 'node_modules'))) await run('npm', ['ci'], { cwd: BENCH });
  return [process.execPath, join(BENCH, 'peers', file)];
}

/**
 * Compiles db-scheduler's main with Maven into the cache folder, whose name holds a hash of its sources.
 * @param properties of the Java system
 * @throws Error when Maven or a JDK is missing
 */
export async function javaPeer(properties: Readonly<Record<string, string>>): Promise<Program> {
  const { javaBin } = await requireJdk(17, 'db-scheduler', process.env);
  const folder = join(BENCH, 'db-scheduler');
  const hash = createHash('sha256');
  for (const file of ['pom.xml', 'src/main/java/bench/Main.java']) hash.update(await readFile(join(folder, file)));
  const target = join(defaultCacheDir(process.env), `bench-db-scheduler-${hash.digest('hex').slice(0, 12)}`);
  if (!existsSync(target)) {
    const unfinished = `${target}.unfinished-${process.pid}`;
    await rm(unfinished, { recursive: true, force: true });
    const goals = ['compile', 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}/jars`];
    await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), `-Dbench.target=${unfinished}`, ...goals]);
    await rename(unfinished, target);
  }
  const flags = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
  // Java opens no file descriptor by its number: its standard output becomes the link.
  return [
    '/bin/sh',
    '-c',
    'exec "$0" "$@" >&3',
    javaBin,
    '-Xmx512m',
    ...flags,
    '-cp',
    `${target}/classes:${target}/jars/*`,
    'bench.Main',
  ];
}
