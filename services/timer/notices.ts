/**
 * Which webhooks hear of an outcome, asked where outcomes come in. What is found goes out by the step that moves the offset past
 * the outcome: none is lost with a process, and one that comes twice is known by its id.
 *
 * Outcomes are read uncommitted, since they tell of what is settled. Those of messages do not: their transaction may be aborted,
 * and the run fail. So webhooks hear of these from the step that records the run as published.
 *
 * Invariant: an outcome is judged by what the store held at most KNOWN_MS before. Those of tenants without webhooks are told by their
 * key and headers alone, and those of deliveries are nobody's, or each would make another.
 */
import { BelfryError, messageOf } from '../core/errors.ts';
import { EVENT_TYPES } from '../core/events.ts';
import { outcomeProblem } from '../core/internal/outcome.ts';
import type { NotifyCommand } from '../core/internal-command.ts';
import { webhookJobId, webhookOfJob } from '../core/own-names.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { ListeningWebhook, Webhooks } from '../core/ports/webhooks.ts';
import type { ConsumedRecord, Outcome } from '../core/records.ts';
import { parseJobKey } from '../core/topics.ts';
import { hears, outcomeBody } from '../core/webhook.ts';

/** Older knowledge is renewed meanwhile, */
const RENEW_MS = 1_000;
/** and waited for. */
const KNOWN_MS = 3_000;

export type NoticesOptions = { webhooks: Webhooks; codec: Codec; clock: Clock; log: Log };

export class Notices {
  private readonly options: NoticesOptions;
  private known: ReadonlyMap<string, readonly ListeningWebhook[]> = new Map();
  private readAt = -Infinity;
  private reading: Promise<void> | undefined;

  constructor(options: NoticesOptions) {
    this.options = options;
  }

  /** Whether `of` must be asked: somebody hears of this outcome, or it is time to look who does. */
  mayConcern(record: ConsumedRecord): boolean {
    const age = this.options.clock.now() - this.readAt;
    // Who needs it hears why it failed.
    if (age >= RENEW_MS) this.refresh().catch(() => undefined);
    return age >= KNOWN_MS || this.candidates(record).length > 0;
  }

  /**
   * @returns what the webhooks that hear of this outcome are to be sent
   * @throws BelfryError `store_unavailable`, `registry_unavailable`: ask again
   */
  async of(record: ConsumedRecord): Promise<NotifyCommand[]> {
    if (this.options.clock.now() - this.readAt >= KNOWN_MS) await this.refresh();
    const candidates = this.candidates(record);
    const outcome = candidates.length === 0 ? undefined : await this.read(record);
    return outcome === undefined || isOfMessage(outcome) ? [] : noticesFor(outcome, candidates);
  }

  /**
   * @param outcomes of messages whose transactions are committed
   * @returns by run id, what the webhooks that hear of them are to be sent
   * @throws as `of`
   */
  async ofPublished(outcomes: readonly Outcome[]): Promise<ReadonlyMap<string, readonly NotifyCommand[]>> {
    if (outcomes.length === 0) return new Map();
    if (this.options.clock.now() - this.readAt >= KNOWN_MS) await this.refresh();
    return new Map(outcomes.map((each) => [each.runId, noticesFor(each, this.known.get(each.tenant) ?? [])]));
  }

  private refresh(): Promise<void> {
    this.reading ??= this.readAll().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async readAll(): Promise<void> {
    const readAt = this.options.clock.now();
    this.known = Map.groupBy(await this.options.webhooks.listening(), ({ tenant }) => tenant);
    this.readAt = readAt;
  }

  /** By what stands outside of the value. */
  private candidates({ key, headers }: ConsumedRecord): readonly ListeningWebhook[] {
    if (this.known.size === 0) return [];
    const job = key === null ? undefined : parseJobKey(key.toString());
    if (job === undefined || webhookOfJob(job.jobId) !== undefined) return [];
    const all = this.known.get(job.tenant) ?? [];
    return all.filter(({ statuses }) => statuses.some((status) => EVENT_TYPES[status] === headers.ce_type));
  }

  /** Undefined: nobody but Belfry should write there, and this is none of its outcomes. */
  private async read({ value, partition, offset }: ConsumedRecord): Promise<Outcome | undefined> {
    if (value === null) return undefined;
    let reason: string | undefined;
    try {
      const outcome = await this.options.codec.decodeOutcome(value);
      reason = outcomeProblem(outcome);
      if (reason === undefined) return outcome;
    } catch (thrown) {
      if (thrown instanceof BelfryError && thrown.retryable) throw thrown;
      reason = messageOf(thrown);
    }
    const place = { partition, offset: String(offset), reason };
    this.options.log.error(place, 'an outcome cannot be read: no webhook hears of it');
    return undefined;
  }
}

function isOfMessage({ type, status }: Outcome): boolean {
  return type === 'KAFKA_MESSAGE' && status === 'COMPLETED';
}

function noticesFor(outcome: Outcome, webhooks: readonly ListeningWebhook[]): NotifyCommand[] {
  const heard = webhooks.filter((webhook) => hears(webhook, outcome));
  if (heard.length === 0) return [];
  const { tenant, eventId: commandId, finishedAt: at } = outcome;
  const body = outcomeBody(EVENT_TYPES[outcome.status], outcome);
  return heard.map(({ id }) => ({ type: 'notify', commandId, tenant, jobId: webhookJobId(id), body, at, ack: false }));
}
