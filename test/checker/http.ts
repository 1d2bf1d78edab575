/** I15: what users of the HTTP API are told is what is so. */
import { parseJobKey } from '../../services/core/topics.ts';
import { clockTime, type History, type Violation } from './history.ts';

export function checkHttp(history: History): Violation[] {
  return [...checkAnswers(history), ...checkListings(history), ...checkStreams(history)];
}

/** A command that was answered as done has an answer of its timer that says so; a refused one, that it is not. */
function* checkAnswers({ acks, requests = [] }: History): Iterable<Violation> {
  const outcomes = Map.groupBy(acks, ({ commandId }) => commandId);
  for (const { commandId, status } of requests) {
    const told = (outcomes.get(commandId) ?? []).map(({ outcome }) => outcome);
    const isDone = status === 200 || status === 201;
    const isSo = told.some((outcome) => (isDone ? outcome !== 'rejected' : outcome === 'rejected'));
    if ((isDone || status === 404 || status === 409) && !isSo)
      yield violation(commandId, `answered with ${status}, and its timer said ${told.join(', ') || 'nothing'}`);
  }
}

function* checkListings({ commands, listings = [] }: History): Iterable<Violation> {
  const accepted = commands.flatMap(({ type, job, answer }) =>
    type === 'schedule' && answer?.outcome === 'applied' ? { ...parseJobKey(job)!, at: answer.at } : [],
  );
  for (const { tenant, at, jobs } of listings) {
    const listed = new Set(jobs);
    if (listed.size < jobs.length) yield violation(tenant, `a list of ${clockTime(at)} has a job twice`);
    const missing = accepted.find((job) => job.tenant === tenant && job.at < at && !listed.has(job.jobId));
    if (missing !== undefined)
      yield violation(
        tenant,
        `${missing.jobId}, accepted at ${clockTime(missing.at)}, is not in a list of ${clockTime(at)}`,
      );
  }
}

function* checkStreams({ events, streams = [] }: History): Iterable<Violation> {
  for (const { tenant, events: heard } of streams) {
    const seen = new Set(heard);
    for (const { eventId, job } of events) {
      if (parseJobKey(job)!.tenant === tenant && !seen.has(eventId))
        yield violation(eventId, `an outcome of ${job} that a listener of ${tenant} has not heard of`);
    }
  }
}

function violation(about: string, message: string): Violation {
  return { invariant: 'I15', about, message };
}
