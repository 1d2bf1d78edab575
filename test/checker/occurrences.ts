/**
 * I1 and I2: what acknowledged commands ask for is there, once.
 *
 * A command is applied at some time between when it was sent and when its answer stood on its topic. So an occurrence
 * is asked for when it lies after the answer to the schedule and before whatever changed that schedule was sent: the change
 * decides what passed and is undecided, be it in a pause or because no timer was there. Of a change without an answer that is
 * not known, and in a pause that goes on nothing is decided: there a fail-over's time is left.
 */
import { isDeepStrictEqual } from 'node:util';
import { wasOfFormer } from './former.ts';
import type { CheckOptions } from './options.ts';
import {
  clockTime,
  type Answer,
  type Event,
  type History,
  type JobAsSent,
  type SentCommand,
  type Violation,
} from './history.ts';
import { occurrencesIn } from './schedule-times.ts';

/** By how much the clock of a timer may be behind. */
const CLOCK_MS = 1_000;

/** A schedule in force. */
type Reign = {
  spec: JobAsSent;
  answer: Answer;
  sentAt: number;
  from: number;
  to: number;
  /** As far as the former release decides what passed, where one of its timers may have applied the change that ended it. */
  formerTo?: number;
  /** No later command touched it. */
  undisturbed: boolean;
};

export function checkOccurrences(history: History, options: CheckOptions): Violation[] {
  const view = new View(history);
  const byJob = Map.groupBy(history.commands, ({ job }) => job);
  return [
    ...[...byJob].flatMap(([job, commands]) => [...checkJob(job, commands, view, history, options)]),
    ...checkRunCommands(history, view),
    ...checkUnique(history, byJob),
    ...checkOneEffect(history),
  ];
}

/** The rows and events of each job. */
class View {
  readonly times = new Map<string, Set<number>>();
  readonly groups: Map<string, Event[]>;
  readonly byCause: Map<string, Event[]>;

  constructor({ runs, events }: History) {
    for (const { job, scheduledFor, replayOf } of runs) {
      if (replayOf !== null) continue;
      const times = this.times.get(job) ?? new Set();
      this.times.set(job, times.add(scheduledFor));
    }
    this.groups = Map.groupBy(
      events.filter(({ from }) => from !== null),
      ({ job }) => job,
    );
    this.byCause = Map.groupBy(
      events.filter(({ trigger }) => trigger !== 'schedule'),
      ({ job, cause }) => `${job} ${cause}`,
    );
  }

  has(job: string, at: number): boolean {
    if (this.times.get(job)?.has(at) === true) return true;
    return (this.groups.get(job) ?? []).some(({ from, to }) => from! <= at && at <= to!);
  }

  hasBetween(job: string, from: number, to: number): boolean {
    return [...(this.times.get(job) ?? [])].some((at) => at >= from && at <= to);
  }
}

function* checkJob(
  job: string,
  commands: readonly SentCommand[],
  view: View,
  history: History,
  options: CheckOptions,
): Iterable<Violation> {
  const stored = history.jobs.find((each) => each.job === job);
  const versions = commands.map(({ answer }) => (answer?.outcome === 'applied' ? (answer.version ?? 0) : 0));
  if ((stored?.version ?? 0) < Math.max(0, ...versions))
    yield {
      invariant: 'I1',
      about: job,
      message: `acknowledged at version ${Math.max(...versions)}, stored at ${stored?.version ?? 'none'}`,
    };
  for (const reign of reignsOf(commands, history, options)) {
    const problems = [...missing(job, reign, view, history, options)];
    const { formerTo } = reign;
    // The former release's timers do not decide what passed before they apply a change.
    const isOfFormer =
      formerTo !== undefined && [...missing(job, { ...reign, to: formerTo }, view, history, options)].length === 0;
    for (const message of problems) yield { invariant: 'I1', about: job, message, ...(isOfFormer && { isOfFormer }) };
  }
}

/** The schedules that were in force, from their answer until something may have changed them. */
function reignsOf(commands: readonly SentCommand[], history: History, options: CheckOptions): Reign[] {
  const { failoverMs, toleranceMs } = options;
  const reigns: Reign[] = [];
  let current: { reign: Reign; pausedAt: number | null; resumed: { pausedAt: number; at: number } | null } | undefined;
  /** @param decidedBy when its answer came, if what passed is surely decided then */
  const end = (at: number, decidedBy: number | null): void => {
    if (current === undefined) return;
    const { reign, pausedAt } = current;
    const undecided = Math.min(at, pausedAt ?? at) - failoverMs;
    const to = decidedBy === null ? undecided : at - CLOCK_MS - toleranceMs - jitterOf(reign.spec);
    const isOfFormer = decidedBy !== null && wasOfFormer(commands[0]!.job, [at, decidedBy], history.former);
    reigns.push({ ...reign, to, ...(isOfFormer && { formerTo: undecided }), undisturbed: false });
    current = undefined;
  };
  for (const { type, answer, spec, sentAt } of commands) {
    if (type === 'trigger' || type === 'replay' || type === 'backfill') {
      if (current !== undefined) current.reign.undisturbed = false;
      continue;
    }
    if (answer !== null && answer.outcome !== 'applied') continue;
    const changes = spec === null || !isDeepStrictEqual(spec.schedule, current?.reign.spec.schedule);
    const decides = changes || current?.pausedAt === null;
    if (answer === null || type === 'cancel' || type === 'schedule') end(sentAt, decides ? (answer?.at ?? null) : null);
    if (answer === null) continue;
    if (type === 'schedule' && spec !== null) {
      const reign = { spec, answer, sentAt, from: answer.at, to: Infinity, undisturbed: true };
      current = { reign, pausedAt: answer.state === 'PAUSED' ? sentAt : null, resumed: null };
    } else if (current !== undefined) {
      const { pausedAt, resumed } = current;
      if (type === 'resume' && pausedAt !== null) current.resumed = { pausedAt, at: answer.at };
      // Paused again before what passed in the former pause was surely decided: it goes on.
      const goesOn = resumed !== null && sentAt - failoverMs < resumed.at;
      current.pausedAt = type === 'resume' ? null : goesOn ? resumed.pausedAt : sentAt;
      current.reign.undisturbed = false;
    }
  }
  if (current === undefined) return reigns;
  if (current.pausedAt !== null) end(current.pausedAt, null);
  else reigns.push({ ...current.reign, to: (history.quietAt ?? history.healedAt) - failoverMs });
  return reigns;
}

function jitterOf({ schedule }: JobAsSent): number {
  return 'jitterMs' in schedule ? schedule.jitterMs : 0;
}

function missing(job: string, reign: Reign, view: View, history: History, options: CheckOptions): Iterable<string> {
  const { schedule } = reign.spec;
  // What has ended and is scheduled again unchanged stays over: what it had, it had before.
  if (reign.answer.state === 'FINISHED') return missingBefore(job, view);
  switch (schedule.kind) {
    case 'at':
      return missingAt(job, schedule.at, reign, view);
    case 'in':
      return missingIn(job, schedule.delayMs, reign, view, options);
    case 'on':
      return [];
    case 'fixedDelay':
      return reign.undisturbed ? missingAfterRuns(job, reign, view, history) : [];
    case 'after':
      return []; // I11
    case 'every':
    case 'cron':
      return missingRecurring(job, reign, view, history);
  }
}

function* missingBefore(job: string, view: View): Iterable<string> {
  if ((view.times.get(job)?.size ?? 0) === 0) yield 'it is said to be FINISHED, and never ran';
}

/** However late it is applied, an `at` runs. */
function* missingAt(job: string, at: number, { from, to }: Reign, view: View): Iterable<string> {
  if (Math.max(at, from) < to && !view.has(job, at)) yield `no run at ${clockTime(at)}`;
}

/** It counts from the record's time on the topic, which no client knows exactly. */
function* missingIn(
  job: string,
  delayMs: number,
  { sentAt, answer, to }: Reign,
  view: View,
  { failoverMs }: CheckOptions,
): Iterable<string> {
  // A command that changed nothing of the schedule keeps its time, which the answer tells.
  if (answer.nextFireAt !== null) {
    if (answer.nextFireAt < to && !view.has(job, answer.nextFireAt)) yield `no run at ${clockTime(answer.nextFireAt)}`;
    return;
  }
  const latest = answer.at + delayMs;
  if (latest < to && !view.hasBetween(job, sentAt + delayMs - failoverMs, latest))
    yield `no run until ${clockTime(latest)}`;
}

function* missingRecurring(
  job: string,
  { spec, answer, from, to }: Reign,
  view: View,
  history: History,
): Iterable<string> {
  const { schedule } = spec;
  if (schedule.kind !== 'every' && schedule.kind !== 'cron') return;
  const phaseAt = schedule.jitterMs === 0 ? answer.nextFireAt : null;
  let runs = 0;
  for (const at of occurrencesIn(schedule, phaseAt, from + 1, to) ?? []) {
    // With maxRuns, runs that the schedule had before its answer count, too: only the first ones are surely asked for.
    if (schedule.maxRuns !== null && runs >= schedule.maxRuns - 1) return;
    if (!view.has(job, at)) {
      if (schedule.maxRuns === null || ranOf(history, job) < schedule.maxRuns)
        yield `no run and no reason at ${clockTime(at)}`;
      return;
    }
    runs++;
  }
}

function ranOf(history: History, job: string): number {
  return history.runs.filter((run) => run.job === job && run.status !== 'SKIPPED').length;
}

/** Each end of a run is followed by the next occurrence. */
function* missingAfterRuns(job: string, { spec, from, to }: Reign, view: View, history: History): Iterable<string> {
  const { schedule } = spec;
  if (schedule.kind !== 'fixedDelay') return;
  const runs = history.runs.filter((run) => run.job === job && run.scheduledFor >= from && run.status !== 'SKIPPED');
  if (schedule.startAt !== null && schedule.startAt > from && schedule.startAt < to && !view.has(job, schedule.startAt))
    yield `no run at ${clockTime(schedule.startAt)}`;
  if (schedule.maxRuns !== null && ranOf(history, job) >= schedule.maxRuns) return;
  for (const { runId, finishedAt } of runs) {
    // The delay counts from the end of the last one.
    const isLast = history.runs.every(
      (run) => run.job !== job || run.scheduledFor > finishedAt! || (run.finishedAt ?? Infinity) <= finishedAt!,
    );
    if (!isLast) continue;
    const next = (finishedAt ?? Infinity) + schedule.delayMs;
    if (next < Math.min(to, schedule.endAt ?? to) && !view.has(job, next))
      yield `no run at ${clockTime(next)}, after the end of ${runId}`;
  }
}

/** Triggers and replays. */
function* checkRunCommands({ commands }: History, view: View): Iterable<Violation> {
  for (const { type, job, commandId, answer } of commands) {
    if ((type !== 'trigger' && type !== 'replay') || answer?.outcome !== 'applied') continue;
    if (!view.byCause.has(`${job} ${commandId}`))
      yield { invariant: 'I1', about: job, message: `the ${type} ${commandId} was applied, and no run came of it` };
  }
}

/** What made a run; of a backfill, whose command makes many, the occurrence, too. */
function causeOf({ job, trigger, cause, scheduledFor }: Event): string {
  return `${job} ${trigger} ${cause} ${trigger === 'backfill' ? scheduledFor : ''}`;
}

/** I2 */
function* checkUnique({ events, runs }: History, byJob: Map<string, SentCommand[]>): Iterable<Violation> {
  const singles = events.filter(({ from }) => from === null);
  for (const told of Map.groupBy(singles, causeOf).values()) {
    const ids = new Set(told.map(({ runId }) => runId));
    const [first] = told;
    if (ids.size > 1 && first !== undefined)
      yield {
        invariant: 'I2',
        about: first.job,
        message: `${ids.size} runs of the ${first.trigger} occurrence ${first.cause}`,
      };
  }
  const scheduled = new Set(singles.filter(({ trigger }) => trigger === 'schedule').map(({ runId }) => runId));
  for (const [job, own] of Map.groupBy(
    runs.filter(({ runId }) => scheduled.has(runId)),
    (run) => run.job,
  )) {
    const twice = Map.groupBy(own, ({ scheduledFor }) => scheduledFor)
      .values()
      .find((same) => same.length > 1);
    if (twice !== undefined)
      yield { invariant: 'I2', about: job, message: `${twice.length} runs at ${clockTime(twice[0]!.scheduledFor)}` };
    const odd = own.find(({ scheduledFor }) => !mayOccur(byJob.get(job) ?? [], scheduledFor));
    if (odd !== undefined)
      yield {
        invariant: 'I2',
        about: job,
        message: `a run at ${clockTime(odd.scheduledFor)}, where no schedule of it has one`,
      };
  }
}

/** Whether some schedule that was ever sent for the job may occur then. */
function mayOccur(commands: readonly SentCommand[], at: number): boolean {
  return commands.some(({ spec, answer }) => {
    if (spec === null) return false;
    const times = occurrencesIn(
      spec.schedule,
      spec.schedule.kind === 'every' && spec.schedule.jitterMs > 0 ? null : (answer?.nextFireAt ?? null),
      at,
      at + 1,
    );
    return times === undefined || times.length > 0;
  });
}

/** I2, commands */
function* checkOneEffect({ acks }: History): Iterable<Violation> {
  for (const [commandId, same] of Map.groupBy(acks, (ack) => ack.commandId)) {
    const applied = new Set(same.filter(({ outcome }) => outcome === 'applied').map(({ text }) => text));
    if (applied.size > 1) yield { invariant: 'I2', about: commandId, message: `applied ${applied.size} times` };
  }
}
