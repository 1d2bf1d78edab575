/**
 * One live stack per data folder.
 *
 * Invariant: the process that `stack.lock` names, by pid and start time, owns the folder until it ends; the lock of a dead
 * process counts for nothing, so a crash never needs a hand to clean up.
 *
 * The races: the file appears complete (a link to a finished file) and for one process only (link fails where the name exists).
 * Two starts that both find a dead owner both move the old lock away; the second one may move the first one's fresh lock. It
 * sees that by what it holds in hand, puts it back and yields.
 */
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { BelfryError } from '../../services/core/errors.ts';
import { isMissing } from './files.ts';
import { commandOf, identityOf, isAlive, type ProcessIdentity } from './processes.ts';

/** A killed process is there for a moment more: it has no command line any longer, and is waited for. */
const ENDING_MS = 5_000;
const LOOK_AGAIN_MS = 20;

/**
 * Takes the folder for this process.
 *
 * @returns the function that gives it back
 * @throws BelfryError `data_dir_in_use`, naming the process that has it
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const lock = join(dataDir, 'stack.lock');
  const mine = `${lock}.${process.pid}`;
  await writeFile(mine, JSON.stringify(await identityOf(process.pid)));
  try {
    while (!(await linked(mine, lock))) await removeDeadOwner(lock, `${mine}.former`, dataDir);
  } finally {
    await rm(mine, { force: true });
  }
  let released = false;
  return async () => {
    if (released) return; // by now it may be another process's lock
    released = true;
    await rm(lock, { force: true });
  };
}

async function removeDeadOwner(lock: string, former: string, dataDir: string): Promise<void> {
  await refuseIfAlive(lock, dataDir);
  try {
    await rename(lock, former);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  try {
    await refuseIfAlive(former, dataDir);
  } catch (error) {
    await linked(former, lock);
    throw error;
  } finally {
    await rm(former, { force: true });
  }
}

async function refuseIfAlive(lock: string, dataDir: string): Promise<void> {
  const owner = await readOwner(lock);
  if (!owner) return;
  const giveUpAt = Date.now() + ENDING_MS;
  while (await isAlive(owner)) {
    const command = (await commandOf(owner.pid)) ?? 'its command line is not known';
    if (command !== '' || Date.now() > giveUpAt) throw inUse(dataDir, owner.pid, command);
    await sleep(LOOK_AGAIN_MS);
  }
}

function inUse(dataDir: string, pid: number, command: string): BelfryError {
  return new BelfryError(
    'data_dir_in_use',
    `The data folder ${dataDir} is in use by process ${pid} (${command}). Stop that one first, or set BELFRY_DATA_DIR ` +
      'to another folder.',
  );
}

async function readOwner(lock: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(lock, 'utf8')) as ProcessIdentity;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function linked(existing: string, name: string): Promise<boolean> {
  try {
    await link(existing, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
