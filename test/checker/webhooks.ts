/**
 * I13: webhooks. A webhook is asked for every outcome that came after it was surely known and that it hears of, if nobody removed it,
 * and may have none of those that came after its removal was surely known. Runs that deliver have no deliveries themselves.
 */
import { webhookJobId, webhookOfJob } from '../../services/core/own-names.ts';
import { jobKey, parseJobKey } from '../../services/core/topics.ts';
import type { CheckOptions } from './options.ts';
import { clockTime, type Event, type History, type KnownWebhook, type Violation } from './history.ts';

/** What timers know of webhooks is so old at the most. */
const KNOWN_MS = 3_000;

export function checkWebhooks(history: History, options: CheckOptions): Violation[] {
  return [...checkDeliveries(history, options), ...checkReceived(history)];
}

/** What was delivered did arrive, once at least, and nobody else could have sent it. */
function* checkReceived({ events, received }: History): Iterable<Violation> {
  if (received === undefined) return;
  const genuine = received.filter(({ isGenuine }) => isGenuine);
  const arrived = new Set(genuine.map(({ webhook, id }) => `${webhook} ${id}`));
  for (const { webhook, id } of received.filter(({ isGenuine }) => !isGenuine))
    yield violation(webhook, `${id} came with a signature that is not its own`);
  for (const { job, status, cause } of events) {
    const webhook = webhookOfJob(parseJobKey(job)!.jobId);
    if (webhook !== undefined && status === 'COMPLETED' && !arrived.has(`${webhook} ${cause}`))
      yield violation(job, `${cause} was delivered, and did not arrive`);
  }
}

function* checkDeliveries({ events, webhooks = [] }: History, { toleranceMs }: CheckOptions): Iterable<Violation> {
  const outcomes = [...new Map(events.map((event) => [event.eventId, event])).values()];
  const byJob = Map.groupBy(outcomes, ({ job }) => job);
  const knownAfter = KNOWN_MS + toleranceMs;
  for (const webhook of webhooks) {
    const job = jobKey(webhook.tenant, webhookJobId(webhook.id));
    const deliveries = Map.groupBy(byJob.get(job) ?? [], ({ cause }) => cause);
    for (const outcome of outcomes.filter((each) => hears(webhook, each))) {
      const { eventId, finishedAt } = outcome;
      const count = new Set(deliveries.get(eventId)?.map(({ runId }) => runId)).size;
      deliveries.delete(eventId);
      const isAsked = finishedAt >= webhook.from + knownAfter && webhook.until === null;
      const isAfter = finishedAt > (webhook.until ?? Infinity) + knownAfter;
      if (count > 1 || (count === 0 && isAsked) || (count === 1 && isAfter))
        yield violation(job, `${count} deliveries of ${eventId}, which came at ${clockTime(finishedAt)}`);
    }
    for (const [cause, [delivery]] of deliveries)
      yield violation(job, `run ${delivery!.runId} delivers ${cause}, of which it does not hear`);
  }
}

function hears({ tenant, statuses, jobs }: KnownWebhook, { job, status }: Event): boolean {
  const place = parseJobKey(job)!;
  if (place.tenant !== tenant || webhookOfJob(place.jobId) !== undefined) return false;
  return statuses.includes(status) && (jobs.length === 0 || jobs.includes(place.jobId));
}

function violation(about: string, message: string): Violation {
  return { invariant: 'I13', about, message };
}
