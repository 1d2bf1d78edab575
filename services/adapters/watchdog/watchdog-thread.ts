/**
 * The thread that watches the event loop of its process. A loop without a beat for too long is stuck: the thread says where it was, in the
 * log and in the table `stalls`, and ends the process.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { Log } from '../../core/ports/log.ts';
import { SystemClock } from '../clock.ts';
import { openPool, type PgOptions } from '../postgres/pool.ts';
import { PostgresStalls } from '../postgres/stalls.ts';
import { WatchCells } from './cells.ts';

export type WatchdogData = {
  pg: Pick<PgOptions, 'databaseUrl' | 'schema'>;
  /** timer, executor, api */
  service: string;
  /** host:pid */
  worker: string;
  stuckAfterMs: number;
  everyMs: number;
  shared: SharedArrayBuffer;
};

/** The process ends then, be it recorded or not. */
const RECORD_WITHIN_MS = 2_000;

const { pg: servers, service, worker, stuckAfterMs, everyMs, shared } = workerData as WatchdogData;
const nothing = (): void => undefined;
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };
const clock = new SystemClock();
const cells = new WatchCells(shared);
watch(0, cells.beats);

/** Counts silence in its own turns, so that a process that was frozen, or a machine that slept, is not taken for a stuck loop. */
function watch(silentMs: number, lastBeats: bigint): void {
  const { beats } = cells;
  const silent = beats === lastBeats ? silentMs + everyMs : 0;
  if (silent >= stuckAfterMs) return void end();
  clock.after(everyMs, () => watch(silent, beats));
}

async function end(): Promise<void> {
  const at = cells.position() ?? null;
  const entry = { level: 60, time: clock.machine(), service, worker, stuckAfterMs, ...at };
  writeSync(2, `${JSON.stringify({ ...entry, msg: 'the event loop is stuck: the process ends itself' })}\n`);
  const timeouts = { statementTimeoutMs: RECORD_WITHIN_MS, max: 1, applicationName: 'belfry-watchdog' };
  const stalls = new PostgresStalls(openPool({ ...servers, ...timeouts, log }));
  const recorded = stalls.record({ service, worker, at }).catch((error: unknown) => {
    writeSync(2, `${JSON.stringify({ ...entry, msg: `where it was could not be recorded: ${String(error)}` })}\n`);
  });
  await Promise.race([recorded, clock.sleep(RECORD_WITHIN_MS)]);
  process.kill(process.pid, 'SIGKILL');
}
