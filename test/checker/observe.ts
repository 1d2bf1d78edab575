/** How what Belfry's topics say, and what its clients sent, is written into a history. */
import type { JobSpec } from '../../services/core/model.ts';
import type { Ack, ConsumedRecord, Outcome } from '../../services/core/records.ts';
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
export function betterAnswer(known: Answer | null, { outcome, job, occurrences, error }: Ack, atMs: number): Answer {
  if (known !== null && (outcome !== 'applied' || known.outcome === 'applied')) return known;
  return {
    outcome,
    at: atMs,
    state: job?.state ?? null,
    version: job?.version ?? null,
    nextFireAt: job?.nextFireAt ?? null,
    occurrences,
    code: error?.code,
  };
}

/**
 * A record of a topic whose records are events, as the emit that it becomes.
 * @param source whose events they are
 * @param loggedAt by its id, when a command stood on job.commands first
 */
export function emitOf(
  { topic, partition, offset, value, timestampMs }: ConsumedRecord,
  source: { tenant: string; event: string },
  loggedAt: ReadonlyMap<string, number>,
): SentCommand {
  const id = `${topic}-${partition}-${offset}`;
  return {
    ...{ commandId: id, job: jobKey(source.tenant, source.event), type: 'emit', spec: null, overlap: null },
    event: { name: source.event, id, payload: { value: valueOf(value) } },
    sentAt: timestampMs,
    answer: { outcome: 'applied', at: loggedAt.get(id) ?? timestampMs, state: null, version: null, nextFireAt: null },
  };
}

function valueOf(value: Buffer | null): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return undefined;
  }
}

function specOf({ type, schedule, overlap, delivery, retry, concurrencyKey }: JobSpec): JobAsSent {
  return { type, schedule, overlap, delivery, retryDelayMs: retry.initialDelayMs, concurrencyKey };
}
