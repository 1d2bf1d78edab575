/**
 * I10: events and backfills.
 *
 * An emit is asked for at every job whose schedule on that event was answered before the emit was sent, if nothing that may have
 * changed the job was sent until its delivery was surely applied. Filters are judged a second time, by a reading of the forms that
 * drivers of the checker use: `event.n > NUMBER`, and of records of a source `event.value.n > NUMBER`.
 */
import type { EmittedEvent } from '../../services/core/model.ts';
import type { Schedule } from '../../services/core/model.ts';
import { webhookOfJob } from '../../services/core/own-names.ts';
import { parseJobKey } from '../../services/core/topics.ts';
import type { CheckOptions } from './options.ts';
import { clockTime, type Event, type History, type SentCommand, type Violation } from './history.ts';

type Listening = Extract<Schedule, { kind: 'on' }>;
const violation = (about: string, message: string): Violation => ({ invariant: 'I10', about, message });

export function checkEventRuns(history: History, options: CheckOptions): Violation[] {
  return [
    ...checkDelivered(history, options),
    ...checkInvited(history),
    ...checkBackfilled(history),
    ...checkOnePerOccurrence(history),
  ];
}

/** Every event reaches those who listened. */
function* checkDelivered({ commands, events }: History, { failoverMs }: CheckOptions): Iterable<Violation> {
  const heard = new Set(events.filter(({ trigger }) => trigger === 'event').map(({ job, cause }) => `${job} ${cause}`));
  const byJob = [
    ...Map.groupBy(
      commands.filter(({ type }) => type !== 'emit'),
      ({ job }) => job,
    ),
  ];
  for (const { event, job: place, answer, sentAt } of commands) {
    if (event === undefined || answer?.outcome !== 'applied') continue;
    const settledAt = answer.at + failoverMs;
    for (const [job, own] of byJob) {
      if (tenantOf(job) !== tenantOf(place)) continue;
      const schedule = listeningTo(own, sentAt, settledAt);
      if (schedule?.event !== event.name || schedule.maxRuns !== null || !passes(schedule, event)) continue;
      if (schedule.endAt !== null && settledAt + schedule.waitMs >= schedule.endAt) continue;
      if (!heard.has(`${job} ${event.id}`))
        yield violation(
          job,
          `listened to ${event.name} when ${event.id} was sent at ${clockTime(sentAt)}, and has no run of it`,
        );
    }
  }
}

/** The schedule that a job had from `from` to `to`, if that is certain. */
function listeningTo(commands: readonly SentCommand[], from: number, to: number): Listening | undefined {
  let current: Schedule | undefined;
  for (const { type, spec, answer, sentAt } of commands) {
    if (type !== 'schedule' && type !== 'cancel') continue;
    if (sentAt >= to) break;
    if (answer !== null && answer.outcome !== 'applied') continue;
    const isCertain = answer !== null && answer.at <= from;
    current = isCertain && type === 'schedule' ? spec?.schedule : undefined;
    if (!isCertain) return undefined;
  }
  return current?.kind === 'on' ? current : undefined;
}

/** No run of an event that nobody sent, or that its job never asked for. */
function* checkInvited({ commands, events }: History): Iterable<Violation> {
  const sent = commands.flatMap(({ event, job }) => (event === undefined ? [] : [{ ...event, tenant: tenantOf(job) }]));
  for (const { job, trigger, cause, runId } of events) {
    // Deliveries of webhooks are I13.
    if (trigger !== 'event' || webhookOfJob(parseJobKey(job)!.jobId) !== undefined) continue;
    const isInvited = commands.some(({ job: other, spec }) => {
      const schedule = spec?.schedule;
      if (other !== job || schedule?.kind !== 'on') return false;
      return sent.some(
        (event) =>
          event.id === cause &&
          event.tenant === tenantOf(job) &&
          event.name === schedule.event &&
          passes(schedule, event),
      );
    });
    if (!isInvited) yield violation(job, `run ${runId} is of the event ${cause}, which it never asked for`);
  }
}

/** What a backfill answered that it runs has a run. */
function* checkBackfilled({ commands, events }: History): Iterable<Violation> {
  const ran = new Set(events.map(({ job, scheduledFor }) => `${job} ${scheduledFor}`));
  for (const { type, job, commandId, answer } of commands) {
    if (type !== 'backfill' || answer?.outcome !== 'applied') continue;
    const missing = (answer.occurrences ?? []).find((at) => !ran.has(`${job} ${at}`));
    if (missing !== undefined) yield violation(job, `${commandId} was to run ${clockTime(missing)}, and did not`);
  }
}

/** An occurrence that has its run gets no other. */
function* checkOnePerOccurrence({ events }: History): Iterable<Violation> {
  const ran = events.filter(({ trigger, status }) => isOfSchedule(trigger) && status !== 'SKIPPED');
  for (const [place, own] of Map.groupBy(ran, ({ job, scheduledFor }) => `${job} ${scheduledFor}`)) {
    const ids = new Set(own.map(({ runId }) => runId));
    if (ids.size > 1 && own.some(({ trigger }) => trigger === 'backfill'))
      yield violation(own[0]!.job, `${ids.size} runs at ${place}`);
  }
}

function tenantOf(place: string): string {
  return place.slice(0, place.indexOf('/'));
}

function isOfSchedule(trigger: Event['trigger']): boolean {
  return trigger === 'schedule' || trigger === 'backfill';
}

function passes({ filter }: Listening, { payload }: EmittedEvent): boolean {
  if (filter === null) return true;
  const [, value, than] = /^event\.(value\.)?n > (\d+)$/.exec(filter) ?? [];
  const { n } = (value === undefined ? payload : ((payload as { value?: object }).value ?? {})) as { n?: number };
  return n !== undefined && n > Number(than);
}
