/** A run that is decided and that no executor has begun: who is waited for. */
import type { Job } from '../model.ts';
import { scheduledRunId } from '../occurrences/of-job.ts';
import { isOneShot } from '../occurrences/schedule.ts';
import type { RunSummary } from '../ports/inspect.ts';
import type { Facts, Story } from './facts.ts';
import { limitText, span } from './words.ts';

/** Rows of the outbox outlive their being produced for a moment. */
const PRODUCED_WITHIN_MS = 5_000;

type Needs = Pick<RunSummary, 'type' | 'handler' | 'queue'>;

/** @param needs what an executor must have for the run */
export function tellDecided(facts: Facts, needs: Needs): Pick<Story, 'verdict' | 'answer' | 'advice'> {
  const { parked, executors, unproduced, now } = facts.circumstances;
  const handler = needs.handler || needs.type;
  if (parked?.kind === 'waiting') {
    const answer = `it is due and waits for ${limitText(parked.limit, parked.most)}, since ${span(now - parked.since)}`;
    return {
      verdict: 'waits_for_limit',
      answer,
      advice: 'It starts by itself as soon as a place comes free, oldest first.',
    };
  }
  if (needs.type === 'KAFKA_MESSAGE') {
    return { verdict: 'waits_for_kafka', answer: 'it is decided, and its message is being written', advice: null };
  }
  if (executors.length === 0) {
    const answer = `it is due, and no executor of the queue ${needs.queue} is alive`;
    return {
      verdict: 'waits_for_executor',
      answer,
      advice: `Start one: belfry executor --queue ${needs.queue} --handlers FILE`,
    };
  }
  if (!executors.some(({ handlers }) => handlers.includes(handler))) {
    const names = executors.map(({ worker }) => worker).slice(0, 3);
    const answer = `it is due, and none of the executors of the queue ${needs.queue} (${names.join(', ')}) has ${handler}`;
    const advice = `Deploy one that has it; after five minutes without one the run ends FAILED (handler_not_found).`;
    return { verdict: 'waits_for_executor', answer, advice };
  }
  if (unproduced > 0 && now - decidedAt(facts) > PRODUCED_WITHIN_MS) {
    const answer = `it is decided and not in Kafka yet: ${unproduced} batches of its partition wait to be written`;
    return { verdict: 'waits_for_kafka', answer, advice: 'See with belfry doctor whether Kafka can be reached.' };
  }
  if (executors.every(({ free }) => free === 0)) {
    const answer = `it is due, and all slots of the queue's ${executors.length} executors are taken`;
    return {
      verdict: 'waits_for_executor',
      answer,
      advice: 'It waits for its turn; more executors, or more slots, make it come sooner.',
    };
  }
  return { verdict: 'starting', answer: 'it is due and on its way to an executor', advice: null };
}

/** At the latest, as far as it is known. */
function decidedAt({ at, job, circumstances: { now } }: Facts): number {
  if (job === undefined || at === null) return now;
  const runId = scheduledRunId(job, at);
  const active = job.active.find((run) => run.runId === runId);
  return active?.since ?? (isOneShot(job.spec.schedule) ? job.updatedAt : at);
}

/** What a run of the job needs. */
export function needsOf({ spec }: Job): Needs {
  return { type: spec.type, handler: spec.handler, queue: spec.queue };
}
