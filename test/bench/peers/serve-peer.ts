/**
 * A peer as two processes, as Belfry's client and services are: `node peers/NAME.ts client` schedules and counts, `… worker` runs
 * jobs. BENCH_URL names its server, BENCH_SETTINGS holds its settings as JSON. systems/peer.ts speaks to both.
 */
import { dueAt } from '../systems/system.ts';
import { paced } from '../worker/pace.ts';
import { Recorder } from '../worker/recorder.ts';
import { serve } from '../worker/serve.ts';
import { inSlices } from '../worker/slices.ts';

const DAY_MS = 86_400_000;

export interface Peer {
  /** Jobs in one call of `insert`. */
  readonly slice: number;
  /** Makes tables and connects. */
  open(): Promise<void>;
  /** Schedules jobs that are due at these times (Unix ms); resolves when they are durable. */
  insert(dueAt: readonly number[]): Promise<unknown>;
  /** Jobs that have not completed. */
  unfinished(): Promise<number>;
  /** Begins to run jobs, and tells of each when it starts. */
  work(started: (dueAt: number) => void): Promise<void>;
}

export type Environment<Settings> = { url: string; settings: Settings };

/** Answers the bench, in the role that the command line names. */
export function servePeer<Settings>(make: (environment: Environment<Settings>) => Peer): void {
  const url = process.env.BENCH_URL ?? '';
  const peer = make({ url, settings: JSON.parse(process.env.BENCH_SETTINGS ?? '{}') as Settings });
  if (process.argv[2] === 'worker') serveWorker(peer);
  else serveClient(peer);
}

function serveWorker(peer: Peer): void {
  const recorder = new Recorder();
  serve({
    open: async () => {
      await peer.open();
      await peer.work((at) => recorder.started(at));
    },
    until: (count, timeoutMs) => recorder.until(Number(count), Number(timeoutMs)),
    lateness: () => recorder.take(),
  });
}

function serveClient(peer: Peer): void {
  serve({
    open: () => peer.open(),
    enqueue: async (count, firstAt, perSecond) => {
      const load = {
        count: Number(count),
        firstAt: Number(firstAt),
        ...(perSecond !== '-' && { perSecond: Number(perSecond) }),
      };
      await inSlices(load.count, peer.slice, (from, size) =>
        peer.insert(Array.from({ length: size }, (_, index) => dueAt(load, from + index))),
      );
    },
    accept: (count, perSecond) => {
      const tomorrow = Date.now() + DAY_MS;
      return paced(Number(count), Number(perSecond), () => peer.insert([tomorrow]));
    },
    unfinished: () => peer.unfinished(),
  });
}
