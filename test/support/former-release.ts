/**
 * The release before this one, from the history of the repository: what runs beside this one during a rolling upgrade.
 *
 * Its sources are unpacked under `.belfry/releases`, so that Node finds the packages of this checkout from there. Where they are not
 * the ones that it was released with, it gets its own.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The commit of the former release. It moves on with each release: the one that was released last is the former one then. */
export const FORMER_RELEASE = '73cf728b2abf4425b2b9bca2d95e61640b1b0cef';
/** The number of its last SQL file: what `meta.oldest_services` must not exceed. */
export const FORMER_SCHEMA_VERSION = 21;

const ROOT = join(import.meta.dirname, '../..');
const RELEASES = join(ROOT, '.belfry/releases');
const MAX_FILE_BYTES = 64 << 20;
const run = promisify(execFile);

/**
 * Unpacks it, once.
 * @returns its folder, ready to run: `node <folder>/services/cli/main.ts`
 * @throws Error where the history is not there (a shallow clone)
 */
export async function formerRelease(commit = FORMER_RELEASE): Promise<string> {
  const folder = join(RELEASES, commit);
  if (existsSync(folder)) return folder;
  await requireCommit(commit);
  await mkdir(RELEASES, { recursive: true });
  const unfinished = await mkdtemp(`${folder}.unfinished-`);
  try {
    const archive = join(unfinished, 'release.tar');
    await git('archive', '--output', archive, commit);
    await run('tar', ['-xf', archive, '-C', unfinished]);
    await rm(archive);
    await installPackages(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // somebody else was first
  }
  return folder;
}

/** @returns the names in one of its folders, such as `schemas/sql/` */
export async function formerFiles(folder: string, commit = FORMER_RELEASE): Promise<string[]> {
  await requireCommit(commit);
  return (await git('ls-tree', '--name-only', commit, folder)).split('\n').filter((name) => name !== '');
}

/** @returns the text of one of its files */
export async function formerFile(path: string, commit = FORMER_RELEASE): Promise<string> {
  await requireCommit(commit);
  return git('show', `${commit}:${path}`);
}

async function requireCommit(commit: string): Promise<void> {
  try {
    await git('cat-file', '-e', `${commit}^{commit}`);
  } catch {
    throw new Error(
      `The former release is commit ${commit}, which this clone does not have. ` +
        'Tests of rolling upgrades need the whole history: run "git fetch --unshallow".',
    );
  }
}

/** Nothing where those of this checkout are the same: they are found from there. */
async function installPackages(folder: string): Promise<void> {
  const lockOf = (root: string): Promise<string> => readFile(join(root, 'package-lock.json'), 'utf8');
  if ((await lockOf(folder)) === (await lockOf(ROOT))) return;
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline'], { cwd: folder });
}

async function git(...args: string[]): Promise<string> {
  return (await run('git', args, { cwd: ROOT, maxBuffer: MAX_FILE_BYTES })).stdout;
}
