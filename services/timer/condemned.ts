/**
 * What becomes of an input that cannot be applied alone: it ends in a durable place, with its reason, and its partition goes on.
 * What is made of it instead may meet the same trouble, so each kind has fallbacks:
 *
 * - what was read of a topic, or enqueued: rejected and answered; rejected without an answer; passed over
 * - a timer: its run FAILED, with a dead run to be replayed; its row among the rejected; left in its row until the partition is taken again
 * - news of the lanes: among the rejected; forgotten. News of the sweep are forgotten at once: it finds them again
 */
import type { TimerRow } from '../core/ports/timer-store.ts';
import type { ConsumedRecord, Rejection } from '../core/records.ts';
import { storedText } from '../core/stored-text.ts';
import { INTAKES, jobKey } from '../core/topics.ts';
import type { Condemned } from './failure-policy.ts';
import type { Gathered, Quarantined } from './gathered.ts';
import { inputNames } from './input-names.ts';
import type { Input } from './inputs.ts';

type Verdicts = ReadonlyMap<string, Condemned>;

/** Does nothing. */
const PASSED: Input = { kind: 'forward', partition: -1 };

/** The inputs of a step, with what is to be made of those that are condemned. */
export function withCondemned(gathered: Gathered, verdicts: Verdicts): Gathered {
  if (verdicts.size === 0) return gathered;
  degradeRecords(gathered, verdicts);
  const quarantined = [...(gathered.quarantined ?? []), ...condemnedNews(gathered, verdicts)];
  const due = gathered.due.filter((timer) => {
    const name = inputNames.timer(timer);
    const verdict = verdicts.get(name);
    if (verdict === undefined || (verdict.level === 1 && timer.kind !== 'retry')) return true;
    if (verdict.level <= 2) quarantined.push(quarantinedTimer(name, timer, verdict));
    else gathered.owned.lookAhead.remove(timer);
    return false;
  });
  const sentAside = <Item extends { input: Input }>(items: readonly Item[], name: (item: Item) => string): Item[] =>
    items.map((item) => {
      const verdict = verdicts.get(name(item));
      return verdict === undefined ? item : { ...item, input: degraded(item.input, verdict) ?? PASSED };
    });
  return {
    ...gathered,
    due,
    waited: sentAside(gathered.waited, ({ waiting }) => inputNames.waiting(waiting.seq)),
    enqueued: sentAside(gathered.enqueued, ({ id }) => inputNames.enqueued(id)),
    quarantined,
    condemned: new Map([...(gathered.condemned ?? []), ...verdicts]),
  };
}

function degradeRecords({ owned, items }: Gathered, verdicts: Verdicts): void {
  for (const intake of INTAKES) {
    for (const item of items[intake]) {
      const verdict = item.record === null ? undefined : verdicts.get(inputNames.record(intake, item.record.offset));
      if (item.record === null || verdict === undefined) continue;
      const input = degraded(item.input, verdict);
      if (input === undefined) owned.queues[intake].pass(item);
      else item.input = input;
    }
  }
}

function degraded(input: Input, { level, reason }: Condemned): Input | undefined {
  if (level > 2) return undefined;
  const rejection = input.kind === 'rejected' ? input.rejection : rejectionOf(reason);
  const head = level === 1 && input.kind === 'command' ? input.command : {};
  return { kind: 'rejected', rejection, head };
}

/** What is made of an input that is not even read. */
export function rejectedAs({ reason }: Condemned): Input {
  return { kind: 'rejected', rejection: rejectionOf(reason), head: {} };
}

function rejectionOf(reason: string): Rejection {
  return { code: 'invalid', message: storedText(`it could not be applied: ${reason}`) };
}

function quarantinedTimer(name: string, timer: TimerRow, { reason }: Condemned): Quarantined {
  const { partition, fireAt, tenant, jobId } = timer;
  const record = recordOf({ topic: 'timers', partition, at: fireAt, tenant, jobId }, timer);
  return { name, timer, record, rejection: rejectionOf(reason) };
}

function* condemnedNews({ owned, news }: Gathered, verdicts: Verdicts): Iterable<Quarantined> {
  const { partition } = owned;
  const lost = [
    ...news.publishedRuns.map((run) => ({ name: inputNames.published(run), outcome: run.outcome })),
    ...news.refusedRuns.map(({ run }) => ({ name: inputNames.refused(run), outcome: run.run.outcome })),
  ];
  for (const { name, outcome } of lost) {
    const verdict = verdicts.get(name);
    if (verdict?.level !== 1) continue;
    const { tenant, jobId, finishedAt: at } = outcome;
    const record = recordOf({ topic: 'outcomes', partition, at, tenant, jobId }, outcome);
    yield { name, timer: null, record, rejection: rejectionOf(verdict.reason) };
  }
}

/** @param origin where it would have stood: its time is in the place of an offset */
function recordOf(
  {
    topic,
    partition,
    at,
    tenant,
    jobId,
  }: Record<'topic' | 'tenant' | 'jobId', string> & { partition: number; at: number },
  value: unknown,
): ConsumedRecord {
  const offset = Number.isSafeInteger(at) ? BigInt(at) : 0n;
  const bytes = { key: Buffer.from(jobKey(tenant, jobId)), value: Buffer.from(JSON.stringify(value)) };
  return { topic, partition, offset, timestampMs: at, ...bytes, headers: {} };
}
