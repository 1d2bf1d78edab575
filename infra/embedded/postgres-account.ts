import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { BelfryError } from '../../services/core/errors.ts';

const run = promisify(execFile);

const ACCOUNT = 'postgres';

/** As whom PostgreSQL runs: it refuses to run as root. */
export interface Account {
  /** What the process is started with, where it is not our own account. */
  readonly ids?: { readonly uid: number; readonly gid: number };
  /** A command that is put before PostgreSQL's own. */
  readonly prefix: readonly string[];
  /** Who must own the data, where it is not our own account. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * The account for PostgreSQL: our own, or `postgres` for root, made where it is missing.
 *
 * That account may be unable to enter a folder on the way to the data: /root is closed to others. Then it is given, by
 * setpriv, the one right to pass folders regardless of their mode.
 *
 * @throws BelfryError `embedded_unsupported` where neither works
 */
export async function findAccount(dataDir: string): Promise<Account> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const owner = (await idsOf(ACCOUNT)) ?? (await createAccount());

  if (await reaches(dataDir, owner)) return { ids: owner, prefix: [], owner };
  for (const capability of ['dac_read_search', 'dac_override']) {
    const prefix = [
      ...['setpriv', `--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'],
      ...[`--inh-caps=+${capability}`, `--ambient-caps=+${capability}`],
    ];
    if (await succeeds([...prefix, ...enter(dataDir)])) return { prefix, owner };
  }
  throw new BelfryError(
    'embedded_unsupported',
    `PostgreSQL does not run as root, and the account ${ACCOUNT} cannot enter ${dataDir}. Set BELFRY_DATA_DIR ` +
      'to a folder that every account can enter (for instance /var/lib/belfry), or run as another user, or set DATABASE_URL.',
  );
}

/** Whether an account may pass this folder, or run this program. */
export function reaches(path: string, ids: { uid: number; gid: number }): Promise<boolean> {
  return succeeds(enter(path), ids);
}

function enter(path: string): string[] {
  return ['/bin/sh', '-c', 'test -x "$1"', 'sh', path];
}

async function idsOf(account: string): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const [user, group] = await Promise.all([run('id', ['-u', account]), run('id', ['-g', account])]);
    return { uid: Number(user.stdout), gid: Number(group.stdout) };
  } catch {
    return undefined; // `id` fails for an account that does not exist
  }
}

async function createAccount(): Promise<{ uid: number; gid: number }> {
  let cause: unknown;
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', ACCOUNT]);
  } catch (error) {
    cause = error; // perhaps another start made it at the same moment
  }
  const made = await idsOf(ACCOUNT);
  if (made) return made;
  throw new BelfryError(
    'embedded_unsupported',
    `PostgreSQL does not run as root, and the account ${ACCOUNT} could not be created. Create it (useradd --system ${ACCOUNT}), ` +
      'or run as another user, or set DATABASE_URL to a PostgreSQL that runs already.',
    { cause },
  );
}

async function succeeds(command: readonly string[], ids?: { uid: number; gid: number }): Promise<boolean> {
  const [program, ...args] = command as [string, ...string[]];
  try {
    await run(program, args, { ...ids });
    return true;
  } catch {
    return false;
  }
}
