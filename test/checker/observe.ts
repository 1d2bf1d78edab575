/** How what Belfry's topics say, and what its clients sent, is written into a history. */
import type { JobSpec } from '../../services/core/model.ts';
import type { Ack, Outcome } from '../../services/core/records.ts';
import { parseCommand } from '../../services/core/spec/parse-command.ts';
import { jobKey } from '../../services/core/topics.ts';
import type { Answer, Event, JobAsSent, SentCommand } from './history.ts';

export function eventOf(outcome: Outcome): Event {
  const { eventId, runId, type, status, trigger, cause, scheduledFor, finishedAt, attempt, result, from, to } = outcome;
  return {
    ...{ eventId, runId, type, status, trigger, cause, scheduledFor, finishedAt, attempt, result, from, to },
    job: jobKey(outcome.tenant, outcome.jobId),
    errorCode: outcome.error?.code ?? null,
  };
}

/** What a command asks for, defaults filled in. */
export function understood(value: object): Pick<SentCommand, 'spec' | 'overlap' | 'event'> {
  const command = parseCommand(value, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  if ('rejection' in command) throw new Error(`the plan has an invalid command: ${command.rejection.message}`);
  return {
    spec: command.type === 'schedule' ? specOf(command.job) : null,
    overlap: command.type === 'trigger' ? command.overlap : null,
    ...(command.type === 'emit' && { event: { name: command.jobId, id: command.eventId, payload: command.payload } }),
  };
}

/**
 * Of a command that was sent twice, the answer that tells of its effect.
 * @param atMs when the acknowledgement stood on its topic
 */
export function betterAnswer(known: Answer | null, { outcome, job, occurrences }: Ack, atMs: number): Answer {
  if (known !== null && (outcome !== 'applied' || known.outcome === 'applied')) return known;
  return {
    outcome,
    at: atMs,
    state: job?.state ?? null,
    version: job?.version ?? null,
    nextFireAt: job?.nextFireAt ?? null,
    occurrences,
  };
}

function specOf({ type, schedule, overlap, delivery, retry, concurrencyKey }: JobSpec): JobAsSent {
  return { type, schedule, overlap, delivery, retryDelayMs: retry.initialDelayMs, concurrencyKey };
}
