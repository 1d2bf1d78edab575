/**
 * How long a fault held up what should have gone on, seen from outside: by the jobs that occur every second in every partition
 * (beats), and by the runs that a worker had when something befell it. Bounds hold for faults that struck alone: no other one
 * had begun, or was being recovered from, between its beginning and the end of its own recovery.
 */
import type { Call, History } from '../checker/history.ts';
import type { Struck } from './faults.ts';
import { recoverMsOf, type FaultKind } from './plan.ts';

const KILLED_TIMER_MS = 10_000;
const KILLED_TIMER_MEDIAN_MS = 8_000;
const KILLED_EXECUTOR_MS = 12_000;
const CLEAN_STOP_MS = 1_000;
/** A process whose clock is set may lose its place in a group; somebody else has it then. */
const CLOCK_SET_MS = 10_000;
/** What happened so long before a fault shows how slow the machine is by itself. */
const CALM_MS = 3_000;
/** What came due so long after a clean stop is held up by it, if at all. */
const WAKE_MS = 3_000;
/** A median of fewer says little. */
const FEWEST_FOR_MEDIAN = 3;

export type Gap = {
  kind: FaultKind;
  node: string | null;
  at: number;
  gapMs: number;
  /** Null: nothing was promised. */
  boundMs: number | null;
};

type Beat = { partition: number; scheduledFor: number; startedAt: number };

/** @param beats the job of each partition */
export function gapsOf(history: History, struck: readonly Struck[], beats: readonly string[]): Gap[] {
  const view = new View(history, beats);
  return struck.flatMap((fault) => gapsOfFault(fault, view, isAlone(fault, struck)));
}

/** Processes that were asked to end and did not end well, in words. */
export function uncleanStops(struck: readonly Struck[]): string[] {
  return struck
    .filter((fault) => isAlone(fault, struck))
    .flatMap(({ stops }) => stops.filter(({ code }) => code !== 0))
    .map(({ node, code }) => `${node} was stopped by SIGTERM and ended with ${code}`);
}

function isAlone(fault: Struck, struck: readonly Struck[]): boolean {
  const endOf = ({ kind, until }: Struck): number => until + recoverMsOf(kind);
  return struck.every((other) => other === fault || other.at > endOf(fault) || endOf(other) < fault.at);
}

/** What was promised and not kept, in words. */
export function brokenBounds(gaps: readonly Gap[]): string[] {
  const late = gaps
    .filter(({ gapMs, boundMs }) => boundMs !== null && gapMs > boundMs)
    .map(({ kind, node, at, gapMs, boundMs }) => {
      const when = new Date(at).toISOString().slice(11, 23);
      return `${kind} of ${node} at ${when}: a gap of ${Math.round(gapMs)} ms, ${Math.round(boundMs!)} ms at the most`;
    });
  const timers = gaps.filter(({ kind, boundMs }) => kind === 'kill-timer' && boundMs !== null);
  const median = percentile(timers, 0.5);
  if (timers.length >= FEWEST_FOR_MEDIAN && median > KILLED_TIMER_MEDIAN_MS)
    late.push(`kill-timer: a median of ${Math.round(median)} ms, ${KILLED_TIMER_MEDIAN_MS} ms at the most`);
  return late;
}

export function percentile(gaps: readonly Gap[], share: number): number {
  const sorted = gaps.map(({ gapMs }) => gapMs).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function gapsOfFault({ kind, node, at, until, partitions, stops }: Struck, view: View, isSingle: boolean): Gap[] {
  const gap = (gapMs: number, boundMs: number | null, when = at, who = node): Gap => ({
    ...{ kind, node: who, at: when, gapMs },
    boundMs: isSingle && boundMs !== null ? boundMs + view.usualLateness(when) : null,
  });
  const overAt = until + recoverMsOf(kind);
  if (kind === 'kill-timer' || kind === 'freeze-timer')
    return partitions.length === 0 ? [] : [gap(view.untilNextBeat(partitions, at), KILLED_TIMER_MS)];
  if (kind === 'kill-executor' || kind === 'freeze-executor')
    return [gap(Math.max(view.untilTakenOver(node!, at), view.lateness(at, overAt)), KILLED_EXECUTOR_MS)];
  if (kind === 'clock') return [gap(view.lateness(at, overAt), CLOCK_SET_MS)];
  if (kind !== 'roll-timers' && kind !== 'roll-executors') return [gap(view.lateness(at, overAt), null)];
  return stops.map((stop) => {
    const own = kind === 'roll-timers' ? stop.partitions : null;
    return gap(view.lateness(stop.at, stop.until + WAKE_MS, own), CLEAN_STOP_MS, stop.at, stop.node);
  });
}

class View {
  private readonly beats: Beat[];
  private readonly byRun: Map<string, Call[]>;
  private readonly history: History;

  constructor(history: History, beats: readonly string[]) {
    this.history = history;
    this.byRun = Map.groupBy(history.calls, ({ runId }) => runId);
    const partitions = new Map(beats.map((jobId, partition) => [jobId, partition]));
    this.beats = [...this.byRun.values()].flatMap((calls) => {
      const { job, scheduledFor } = calls[0]!;
      const partition = partitions.get(job.slice(job.indexOf('/') + 1));
      if (partition === undefined) return [];
      return [{ partition, scheduledFor, startedAt: Math.min(...calls.map(({ startedAt }) => startedAt)) }];
    });
  }

  /** The longest that one of these partitions fired nothing that came due after `at`. */
  untilNextBeat(partitions: readonly number[], at: number): number {
    const gaps = partitions.map((partition) => {
      const later = this.beats.filter((beat) => beat.partition === partition && beat.scheduledFor > at);
      return Math.min(...later.map(({ startedAt }) => startedAt)) - at;
    });
    return Math.max(0, ...gaps);
  }

  /** How late the latest of those beats began that came due in this time; @param partitions null: all */
  lateness(from: number, to: number, partitions: readonly number[] | null = null): number {
    const late = this.beats
      .filter(({ scheduledFor }) => scheduledFor >= from && scheduledFor <= to)
      .filter(({ partition }) => partitions === null || partitions.includes(partition))
      .map(({ scheduledFor, startedAt }) => startedAt - scheduledFor);
    return Math.max(0, ...late);
  }

  usualLateness(at: number): number {
    return this.lateness(at - CALM_MS, at - CALM_MS / 3);
  }

  /** The longest until a run that this worker had was called by another one. */
  untilTakenOver(node: string, at: number): number {
    const held = this.history.calls.filter(
      (call) => call.node === node && call.startedAt < at && (call.endedAt ?? Infinity) >= at,
    );
    const gaps = held.map(({ runId }) => {
      const others = this.byRun.get(runId)!.filter((call) => call.node !== node && call.startedAt > at);
      return Math.min(...others.map(({ startedAt }) => startedAt)) - at;
    });
    // A run that is not called again has ended otherwise (at most once, cancelled): the checker looks after it.
    return Math.max(0, ...gaps.filter(Number.isFinite));
  }
}
