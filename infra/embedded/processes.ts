import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

import { isMissing } from './files.ts';

const run = promisify(execFile);

/** A process, told apart from a later one that got the same pid by the moment when it started. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: string;
}

/** The identity of the process with this pid, or undefined where there is none. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const started = process.platform === 'linux' ? await linuxStartTime(pid) : await ps(pid, 'lstart');
  return started === undefined ? undefined : { pid, started };
}

/** True while the very process that was recorded still runs. */
export async function isAlive(recorded: ProcessIdentity): Promise<boolean> {
  return (await identityOf(recorded.pid))?.started === recorded.started;
}

/** The command line of a process, or undefined where there is none. */
export async function commandOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return ps(pid, 'command');
  const commandLine = await procFile(pid, 'cmdline');
  return commandLine?.replaceAll('\0', ' ').trim();
}

/** Linux is read from /proc, since slim container images have no `ps`. */
async function linuxStartTime(pid: number): Promise<string | undefined> {
  const stat = await procFile(pid, 'stat');
  // The second field, the name in brackets, may hold spaces: count from behind it. State is field 3, start time field 22.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

async function procFile(pid: number, name: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
    throw error;
  }
}

async function ps(pid: number, column: 'lstart' | 'command'): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', `${column}=`, '-p', String(pid)]);
    return stdout.trim() || undefined;
  } catch (error) {
    if ((error as { code?: unknown }).code === 1) return undefined;
    throw error;
  }
}
