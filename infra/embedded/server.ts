/**
 * One server process (Kafka, PostgreSQL, the registry) from start to end.
 *
 * Invariants
 * - `server.pid` names the one process of a folder. Whoever starts a server there first ends, by stopLeftover, what a killed
 *   parent left behind: two processes on the same files would destroy them.
 * - No process outlives its parent. A parent that is killed with SIGKILL cannot clean up, so a shell beside each server reads
 *   a pipe whose other end only the parent holds; its end of file is the parent's death, however it came.
 * - The server leads a process group of its own: Ctrl-C in a terminal reaches the parent alone, which ends its servers in order.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { BelfryError } from '../../services/core/errors.ts';
import { isMissing, writeAtomically } from './files.ts';
import { identityOf, isAlive, type ProcessIdentity } from './processes.ts';

/** Takes one line for people. */
export type Log = (line: string) => void;

export interface ServerSpec {
  /** For messages: "Kafka". */
  readonly name: string;
  /** The folder of `server.pid` and `server.log`; it is made when missing. */
  readonly dir: string;
  readonly command: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
  /** The account that it runs as, where this is not ours. */
  readonly account?: { readonly uid: number; readonly gid: number };
  /** The signal that asks it to end in good order. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  /** How long it may take to end before it is killed. */
  readonly stopWithinMs: number;
  /** How long it may take until `isReady`. */
  readonly readyWithinMs: number;
  /** Asked again and again after the start, until true. */
  readonly isReady: () => Promise<boolean>;
  /** What it says when it ends while starting, for a reason that passes: it is started again. */
  readonly passing?: RegExp;
  readonly log: Log;
}

export interface Server {
  /** The pid of the server itself, undefined while it does not run. */
  readonly pid: number | undefined;
  /** Starts the process and waits until it is ready. */
  start(): Promise<void>;
  /** Ends it in good order, by force after `stopWithinMs`. Does nothing where it does not run. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash would have it. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it again on the same data and ports. */
  restart(): Promise<void>;
}

/**
 * $1 is the signal, the rest the command. A line on the pipe says that the server is gone and its pid no longer ours to
 * signal; the end of file without one says that the parent is gone.
 */
const GUARD = `
exec 3<&0 </dev/null
(
  read -r _ <&3 && exit
  kill -s "$1" $$
  tenths=0
  while kill -0 $$ && [ $tenths -lt 100 ]; do sleep 0.1; tenths=$((tenths + 1)); done
  kill -s KILL $$
) >/dev/null 2>&1 &
shift
exec "$@" 3<&-
`;

const POLL_MS = 25;
const AGAIN_MS = 200;
const LEFTOVER_STOPS_WITHIN_MS = 10_000;
const LOG_LINES_IN_ERROR = 20;

/** A handle on a server that does not run yet. */
export function createServer(spec: ServerSpec): Server {
  const pidFile = pidFileIn(spec.dir);
  let running: Running | undefined;

  async function start(): Promise<void> {
    const giveUpAt = Date.now() + spec.readyWithinMs;
    for (;;) {
      try {
        return await startOnce();
      } catch (error) {
        const isPassing = error instanceof BelfryError && spec.passing?.test(error.message) === true;
        if (!isPassing || Date.now() >= giveUpAt) throw error;
        await sleep(AGAIN_MS);
      }
    }
  }

  async function startOnce(): Promise<void> {
    if (running) return;
    await mkdir(spec.dir, { recursive: true });
    const logFile = await freshLogFile(spec.dir);
    const started = await launch(spec, logFile);
    running = started;
    void started.ended.then((how) => {
      if (running === started) running = undefined;
      if (started.ready && !started.stopping) spec.log(`${spec.name} ended unexpectedly (${how}); see ${logFile}`);
    });
    const identity = await identityOf(started.pid);
    if (identity) await writeAtomically(pidFile, JSON.stringify(identity));
    try {
      await untilReady(spec, started, logFile);
    } catch (error) {
      await kill();
      throw error;
    }
  }

  async function end(how: (started: Running) => Promise<void>): Promise<void> {
    const started = running;
    if (!started) return;
    started.stopping = true;
    await how(started);
    await started.ended;
    await rm(pidFile, { force: true });
  }

  const kill = () => end(async (started) => signal(-started.pid, 'SIGKILL'));
  const stop = () =>
    end(async (started) => {
      signal(started.pid, spec.stopSignal);
      await Promise.race([started.ended, sleep(spec.stopWithinMs, undefined, { ref: false })]);
      if (running === started) signal(-started.pid, 'SIGKILL');
    });

  return {
    get pid() {
      return running?.pid;
    },
    start,
    stop,
    kill,
    async restart() {
      await stop();
      await start();
    },
  };
}

interface Running {
  readonly pid: number;
  /** Resolves to how it ended: "code 1", "SIGKILL". */
  readonly ended: Promise<string>;
  ready: boolean;
  stopping: boolean;
}

async function launch(spec: ServerSpec, logFile: string): Promise<Running> {
  const output = openSync(logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn('/bin/sh', ['-c', GUARD, 'sh', spec.stopSignal.slice('SIG'.length), ...spec.command], {
      detached: true,
      stdio: ['pipe', output, output],
      env: spec.env ?? process.env,
      ...spec.account,
    });
    await once(child, 'spawn');
  } finally {
    closeSync(output);
  }
  const guardPipe = child.stdin;
  guardPipe?.on('error', () => undefined); // the guard died with its server: nobody is left to be told
  const ended = once(child, 'exit').then(([code, signalName]: (number | string | null)[]) => {
    guardPipe?.end('\n');
    return signalName === null ? `code ${code}` : String(signalName);
  });
  return { pid: child.pid as number, ended, ready: false, stopping: false };
}

async function untilReady(spec: ServerSpec, started: Running, logFile: string): Promise<void> {
  const deadline = Date.now() + spec.readyWithinMs;
  let endedAs: string | undefined;
  void started.ended.then((how) => (endedAs = how));
  while (!(await spec.isReady())) {
    const problem = endedAs !== undefined ? `ended while starting (${endedAs})` : undefined;
    if (problem ?? Date.now() > deadline) {
      const told = problem ?? `was not ready within ${spec.readyWithinMs / 1000} s`;
      throw new BelfryError(
        'server_failed',
        `${spec.name} ${told}. The end of ${logFile}:\n${await lastLines(logFile)}`,
      );
    }
    await sleep(POLL_MS);
  }
  started.ready = true;
}

/**
 * Ends the server that a killed parent left behind in this folder. Its guard is ending it in good order already, unless it was
 * killed as well; the data survives SIGKILL, but the next start is quicker without it, hence the wait.
 */
export async function stopLeftover(server: Pick<ServerSpec, 'name' | 'dir' | 'stopSignal' | 'log'>): Promise<void> {
  const leftover = await readIdentity(pidFileIn(server.dir));
  if (!leftover || !(await isAlive(leftover))) return;
  server.log(`${server.name} of an earlier start still runs (pid ${leftover.pid}); stopping it`);
  signal(leftover.pid, server.stopSignal);
  const deadline = Date.now() + LEFTOVER_STOPS_WITHIN_MS;
  while (await isAlive(leftover)) {
    if (Date.now() > deadline) signal(-leftover.pid, 'SIGKILL');
    await sleep(POLL_MS);
  }
}

function pidFileIn(dir: string): string {
  return join(dir, 'server.pid');
}

async function readIdentity(pidFile: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(pidFile, 'utf8')) as ProcessIdentity;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** `server.log` holds the current start, `server.log.previous` the one before, so that a crash can be read after the restart. */
async function freshLogFile(dir: string): Promise<string> {
  const logFile = join(dir, 'server.log');
  await rename(logFile, `${logFile}.previous`).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
  return logFile;
}

async function lastLines(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8');
  return text.trimEnd().split('\n').slice(-LOG_LINES_IN_ERROR).join('\n');
}

/** Sends a signal to a process (or to a group, by its negative number) that may just have ended. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
