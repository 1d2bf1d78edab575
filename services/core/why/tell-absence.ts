/** The story of an occurrence without a row: it is still to come, it waits, or it never was one. */
import { isOpen, tracksRuns, type Job } from '../model.ts';
import { isExcluded, isOneShot, nextOccurrence, prevOccurrence, type Recurring } from '../occurrences/schedule.ts';
import { scheduledRunId, scheduledSince } from '../occurrences/of-job.ts';
import type { AwaitedJobs, Facts, Story } from './facts.ts';
import { needsOf, tellDecided } from './tell-decided.ts';
import { acceptedLines, line, span, steeringLines, time } from './words.ts';

/** `runId` only of a run that is decided: of what is to come there is none yet, and of what never was there never is. */
type Answer = Pick<Story, 'verdict' | 'answer' | 'advice'> & { runId?: string };
/** `runId`: of the occurrence at that time, if the schedule makes a run of it. */
type Asked = { facts: Facts; job: Job; at: number; runId: string; now: number };
/** The first that has an answer tells it. */
type Judge = (asked: Asked) => Answer | undefined;

/** A timer that is late by no more than this is being decided. */
const OVERDUE_AFTER_MS = 2_000;

export function tellAbsence(facts: Facts): Story {
  const { job, at } = facts;
  if (job === undefined) return tellUnknown(facts);
  const base = {
    at,
    runId: null,
    lines: [...acceptedLines(facts), ...steeringLines(facts), ...awaitedLines(facts), ...refusedLines(facts)],
  };
  if (at === null) return { ...base, ...whatComes(facts, job) };
  const asked = { facts, job, at, runId: scheduledRunId(job, at), now: facts.circumstances.now };
  for (const judge of JUDGES) {
    const told = judge(asked);
    if (told !== undefined) return { ...base, ...told };
  }
  return { ...base, ...never(asked) };
}

function tellUnknown({ tenant, jobId, at, refused, awaited }: Facts): Story {
  const base = { at, runId: null };
  if (awaited !== undefined) {
    const answer = `there is no job ${jobId} yet: ${awaitedText(awaited)}`;
    const advice = `Schedule ${awaited.missing.join(', ')}; then it is applied by itself.`;
    return { ...base, verdict: 'waits_for_upstream', answer, lines: [], advice };
  }
  if (refused === undefined) {
    const answer = `there is no job ${jobId} of the tenant ${tenant}, and no run of it: it was never scheduled, or is gone with its history`;
    return { ...base, verdict: 'unknown_job', answer, lines: [], advice: 'belfry jobs list shows what there is.' };
  }
  const lines = refusedLines({ refused });
  const advice = `Send it again, corrected; belfry rejected show ${refused.place} shows it as it came.`;
  return {
    ...base,
    verdict: 'refused',
    answer: `the command for it was refused: ${refused.code}: ${refused.message}`,
    lines,
    advice,
  };
}

function awaitedText({ missing, until }: AwaitedJobs): string {
  return `the command that schedules it waits for ${missing.join(', ')}, which it runs after and which is not scheduled; at ${time(until)} it is refused`;
}

function awaitedLines({ awaited }: Pick<Facts, 'awaited'>) {
  return awaited === undefined ? [] : [line(null, 'waiting', awaitedText(awaited))];
}

function refusedLines({ refused }: Pick<Facts, 'refused'>) {
  return refused === undefined
    ? []
    : [line(refused.at, 'refused', `a command for it (${refused.place}): ${refused.code}: ${refused.message}`)];
}

/** Of a job that has no time for its next run. */
function whatComes({ circumstances }: Facts, job: Job): Answer {
  const { state, spec, active, pausedAt } = job;
  const { schedule } = spec;
  if (state === 'CANCELLED')
    return {
      verdict: 'over',
      answer: 'the job was cancelled: nothing comes any more',
      advice: 'Schedule it again to have it run.',
    };
  if (state === 'FINISHED')
    return { verdict: 'over', answer: `the job is finished: ${finishedText(job)}`, advice: null };
  if (state === 'PAUSED') return paused(job, pausedAt, circumstances.now);
  if (schedule.kind === 'after') return awaitsUpstream(job, circumstances.arrived);
  if (schedule.kind === 'on') {
    const filter = schedule.filter === null ? '' : ` that passes the filter ${schedule.filter}`;
    return {
      verdict: 'waits_for_event',
      answer: `it runs at each event ${schedule.event}${filter}; none has come since its last run`,
      advice: `belfry events emit ${schedule.event} sends one.`,
    };
  }
  const running = active[0] === undefined ? '' : ` (${active[0].runId})`;
  return {
    verdict: 'waits_for_run',
    answer: `the next time is known when the run under way${running} has ended`,
    advice: null,
  };
}

function finishedText({ spec: { schedule }, runCount }: Job): string {
  if (isOneShot(schedule)) return 'it was to run once, and its time has come';
  if (schedule.maxRuns !== null && runCount >= schedule.maxRuns)
    return `it has had its ${schedule.maxRuns} runs (maxRuns)`;
  return schedule.endAt === null
    ? 'its schedule has no occurrence left'
    : `its schedule ended at ${time(schedule.endAt)} (endAt)`;
}

function awaitsUpstream({ spec: { schedule } }: Job, arrived: readonly string[]): Answer {
  const all =
    schedule.kind === 'after' ? schedule.after.map(({ jobId, when }) => ({ jobId, text: `${jobId} (${when})` })) : [];
  const missing = all.filter(({ jobId }) => !arrived.includes(jobId)).map(({ text }) => text);
  const there = arrived.length === 0 ? '' : `; ${arrived.join(', ')} has ended already`;
  return {
    verdict: 'waits_for_upstream',
    answer: `it runs after others, and waits for a run of ${missing.join(', ') || 'each'} to end${there}`,
    advice: missing[0] === undefined ? null : `belfry why ${missing[0].split(' ')[0]} tells why that has not come.`,
  };
}

function paused({ jobId }: Job, pausedAt: number | null, now: number): Answer {
  const since = pausedAt === null ? '' : ` since ${time(pausedAt)} (${span(now - pausedAt)})`;
  return {
    verdict: 'paused',
    answer: `the job is paused${since}: nothing fires`,
    advice: `belfry jobs resume ${jobId} lets it go on; occurrences that pass until then are SKIPPED.`,
  };
}

const JUDGES: readonly Judge[] = [
  function buffered({ job, runId, facts }) {
    const waiting = job.buffered.find((run) => run.runId === runId || run.scheduledFor === facts.at);
    if (waiting === undefined) return undefined;
    const before = job.active.map((run) => run.runId).join(', ');
    return {
      runId: waiting.runId,
      verdict: 'waits_for_turn',
      answer: `its time has come, and it waits for the run before it (overlap: ${job.spec.overlap}): ${before}`,
      advice: null,
    };
  },
  function decided({ facts, job, at, runId }) {
    const isActive = job.active.some((run) => run.runId === runId);
    return isActive || facts.circumstances.parked !== null || wasHandedOn(job, at, facts)
      ? { runId, ...tellDecided(facts, needsOf(job)) }
      : undefined;
  },
  function forgotten({ facts, at, job }) {
    const { historyFrom } = facts.circumstances;
    if (at >= historyFrom || at < job.createdAt) return undefined;
    return {
      verdict: 'history_gone',
      answer: `history from before ${time(historyFrom)} is forgotten: whether it ran is not known any more`,
      advice: 'BELFRY_HISTORY, and the tenant’s quota of days, say how long it is kept.',
    };
  },
  function beyondBounds({ job, at }) {
    const { schedule } = job.spec;
    if (isOneShot(schedule)) return undefined;
    if (schedule.startAt !== null && at < schedule.startAt)
      return {
        verdict: 'before_start',
        answer: `the schedule begins at ${time(schedule.startAt)} (startAt)`,
        advice: null,
      };
    if (schedule.endAt !== null && at >= schedule.endAt)
      return { verdict: 'after_end', answer: `the schedule ended at ${time(schedule.endAt)} (endAt)`, advice: null };
    return undefined;
  },
  function beforeSchedule({ job, at, now }) {
    const since = scheduledSince(job);
    if (at >= since || isOneShot(job.spec.schedule)) return undefined;
    return {
      verdict: 'before_schedule',
      answer: `the job has this schedule only since ${time(since)} (${span(now - since)} ago)`,
      advice: backfillAdvice(job, at),
    };
  },
  function waiting({ facts, at, now }) {
    const timer = facts.circumstances.timers.find(
      ({ kind, fireAt }) => kind === 'run' && fireAt >= at && fireAt - at < 1_000,
    );
    if (timer === undefined) return undefined;
    return {
      runId: timer.runId,
      verdict: 'not_due',
      answer: `it is decided and waits for its time, in ${span(timer.fireAt - now)}`,
      advice: null,
    };
  },
  function unplanned({ facts, job }) {
    const { kind } = job.spec.schedule;
    return kind === 'after' || kind === 'on' ? withTimes(whatComes(facts, job)) : undefined;
  },
  function open(asked) {
    const { job, at, facts } = asked;
    if (!isOccurrence(job, at)) return undefined;
    if (!isOpen(job)) return whatComes(facts, job);
    if (job.state === 'PAUSED') return paused(job, job.pausedAt, asked.now);
    if (isExcluded(job.spec.schedule, at))
      return {
        verdict: 'not_due',
        answer: 'its day is excluded by the schedule: it will be SKIPPED (excluded)',
        advice: null,
      };
    return job.nextAt === at ? tellNext(asked) : tellLater(asked);
  },
];

/** A chain or an event has no times of its own. */
function withTimes(answer: Answer): Answer {
  return { ...answer, answer: `nothing is planned for that time: ${answer.answer}` };
}

function backfillAdvice({ jobId, spec: { schedule } }: Job, at: number): string | null {
  if (schedule.kind !== 'cron' && schedule.kind !== 'every') return null;
  return `To run what lies before: belfry jobs backfill ${jobId} --from ${time(at)} --to ${time(at + 1)}`;
}

/** An occurrence that passed and left no trace at its job: the timer does not follow runs of this one. */
function wasHandedOn(job: Job, at: number, { circumstances: { now, timers, historyFrom } }: Facts): boolean {
  const { schedule } = job.spec;
  // The time of a one-shot may lie long before it was decided.
  const decidedAt = isOneShot(schedule) ? job.updatedAt : at;
  if (tracksRuns(job.spec) || job.state === 'CANCELLED' || at > now || decidedAt < historyFrom) return false;
  if (!isOccurrence(job, at) || isExcluded(schedule, at)) return false;
  if (!isOneShot(schedule) && at < scheduledSince(job)) return false;
  if (timers.some(({ runId }) => runId === scheduledRunId(job, at))) return false;
  return job.nextAt === null ? job.state === 'FINISHED' && at <= job.updatedAt : at < job.nextAt;
}

function isOccurrence(job: Job, at: number): boolean {
  const { schedule } = job.spec;
  return job.nextAt === at || nextOccurrence(schedule, job.anchorAt, at - 1) === at;
}

function tellNext({ job, at, now, facts }: Asked): Answer {
  const fireAt = job.nextFireAt ?? at;
  const jitter = fireAt > at ? `, ${span(fireAt - at)} after its time (jitter)` : '';
  if (fireAt > now)
    return {
      verdict: 'not_due',
      answer: `it is not due yet: it fires in ${span(fireAt - now)}, at ${time(fireAt)}${jitter}`,
      advice: null,
    };
  if (now - fireAt <= OVERDUE_AFTER_MS)
    return { verdict: 'deciding', answer: 'it is due, and is being decided now', advice: null };
  const { owner, oldestTimerAt } = facts.circumstances;
  const last = owner === '' ? 'nobody ever owned it' : `its last owner was ${owner}`;
  const since = oldestTimerAt === null ? '' : `, which has fired nothing since ${time(oldestTimerAt)}`;
  return {
    verdict: 'overdue',
    answer: `it is overdue by ${span(now - fireAt)}: no timer does the work of partition ${job.partition}${since}; ${last}`,
    advice: 'Start a timer (belfry timer), or see with belfry doctor what keeps it.',
  };
}

function tellLater({ job, at, now }: Asked): Answer {
  if (at <= now) return { verdict: 'deciding', answer: 'it is due, and is being decided now', advice: null };
  const { schedule } = job.spec;
  const left = isOneShot(schedule) || schedule.maxRuns === null ? null : schedule.maxRuns - job.runCount;
  const limit = left === null ? '' : `; ${left} of ${(schedule as Recurring).maxRuns} runs are left (maxRuns)`;
  return { verdict: 'not_due', answer: `it is not due yet: it comes in ${span(at - now)}${limit}`, advice: null };
}

function never({ job, at }: Asked): Answer {
  const { schedule } = job.spec;
  if (isOneShot(schedule)) {
    const only = nextOccurrence(schedule, job.anchorAt, -1);
    return {
      verdict: 'never',
      answer: `the job runs once, ${only === null ? 'at another time' : `at ${time(only)}`}`,
      advice: only === null ? null : `belfry why ${job.jobId} --at ${time(only)}`,
    };
  }
  // Of a fixed delay only the next one is known.
  const isKnown = schedule.kind !== 'fixedDelay';
  const before = isKnown ? prevOccurrence(schedule, job.anchorAt, at) : job.nextAt;
  const after = isKnown ? nextOccurrence(schedule, job.anchorAt, at) : null;
  const nearest = [before, after].filter((each) => each !== null).map(time);
  const where = nearest.length === 0 ? '' : `; the nearest are ${nearest.join(' and ')}`;
  return {
    verdict: 'never',
    answer: `the schedule has no occurrence at that time${where}`,
    advice: nearest[0] === undefined ? null : `belfry why ${job.jobId} --at ${nearest[0]}`,
  };
}
