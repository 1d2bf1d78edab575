/**
 * One partition's step, decided in memory: its inputs in, what the store is to do out. Ends of runs come first, so that
 * what waits for them can go on; then commands, so that a cancel stops what is due in the same moment; timers last.
 */
import { isRunOnly } from '../core/command-scope.ts';
import { nextStartAt } from '../core/occurrences/next-start.ts';
import type { EmitCommand } from '../core/command.ts';
import type { Records } from '../core/events.ts';
import type { DeliverCommand, FanOutCommand, InternalCommand, NotifyCommand } from '../core/internal-command.ts';
import type { Job } from '../core/model.ts';
import { NO_MARKS, type PositionMarks } from '../core/ports/position-marks.ts';
import type { JobRef, TimerRow } from '../core/ports/timer-store.ts';
import type { ConsumedRecord, DueRecord, OutgoingRecord, Rejection } from '../core/records.ts';
import { rejectedRecordOf } from '../core/rejected-record.ts';
import type { CommandHead } from '../core/spec/parse-command.ts';
import type { SpecOptions } from '../core/spec/options.ts';
import { jobKey, type Intake } from '../core/topics.ts';
import type { Applied, CommandContext } from './applied.ts';
import { applyCommand, type JobCommand } from './apply-command.ts';
import { auditOf } from './audit.ts';
import { applyDelivery } from './apply-delivery.ts';
import { applyNotice } from './apply-notice.ts';
import { applyCompletion, type Completion } from './completion.ts';
import type { TimerMetrics } from './deps.ts';
import { retryTimer } from './due-record.ts';
import type { DecideContext } from './effects.ts';
import { fanOut, FanOutBudget, type Emit } from './fan-out.ts';
import { subscriberKey, type Knowledge } from './gather.ts';
import type { Gathered } from './gathered.ts';
import { inputNames } from './input-names.ts';
import type { Listeners } from './listeners.ts';
import type { ReadItem } from './intake-queue.ts';
import { Plan, type PlaceOf, type PlannedStep } from './plan.ts';
import type { TenantQuotas } from './quotas.ts';
import { seenRefOf } from './seen.ts';
import { StepQueue, type Held } from './step-queue.ts';
import { StepTimers } from './step-timers.ts';
import type { WaitedItem } from './waited.ts';

export type DecideOptions = {
  /** Whether the deployment has jobs of several tenants. */
  isShared: () => boolean;
  now: number;
  worker: string;
  spec: SpecOptions;
  records: Records;
  metrics: TimerMetrics;
  quotas?: TenantQuotas | undefined;
  listeners: Listeners;
  /** By run, what webhooks are to be sent of runs that were published in the exact lane. */
  published?: ReadonlyMap<string, readonly NotifyCommand[]>;
  /** Told what the event loop is at. */
  marks?: PositionMarks | undefined;
};

export function decide(gathered: Gathered, knowledge: Knowledge, options: DecideOptions): PlannedStep {
  return new Decision(gathered, knowledge, options).make();
}

class Decision {
  private readonly gathered: Gathered;
  private readonly knowledge: Knowledge;
  private readonly options: DecideOptions;
  private readonly plan: Plan;
  private readonly existing: ReadonlySet<string>;
  private readonly budget = new FanOutBudget();
  private readonly queue: StepQueue;
  private readonly marks: PositionMarks;

  constructor(gathered: Gathered, knowledge: Knowledge, options: DecideOptions) {
    this.gathered = gathered;
    this.knowledge = knowledge;
    this.options = options;
    const { fence, exactPending, surplus } = gathered.owned;
    const { records, now } = options;
    const placeOf: PlaceOf = (tenant, topic) => surplus.place(tenant, topic, now, options.isShared());
    this.plan = new Plan(fence, { ...knowledge, jobs: knowledge.known.jobs }, records, now, placeOf);
    this.queue = new StepQueue(gathered.owned, this.plan, now);
    this.marks = options.marks ?? NO_MARKS;
    this.existing =
      knowledge.existing.size + exactPending.size === 0 ? knowledge.existing : knowledge.existing.union(exactPending);
  }

  make(): PlannedStep {
    try {
      return this.decideAll();
    } finally {
      this.marks.clear();
    }
  }

  private decideAll(): PlannedStep {
    const { items, waited, enqueued, news, quarantined = [] } = this.gathered;
    for (const run of news.publishedRuns) {
      if (this.isCondemned(inputNames.published(run))) continue;
      this.plan.published(run);
      this.tellWebhooks(this.options.published?.get(run.outcome.runId) ?? []);
    }
    for (const { run, again } of news.refusedRuns) {
      if (this.isCondemned(inputNames.refused(run))) continue;
      if (again === undefined) this.plan.end(run);
      else this.plan.putOff(again);
    }
    for (const completion of news.swept) {
      if (!this.isCondemned(inputNames.swept(completion))) this.complete(completion);
    }
    for (const { timer, record, rejection } of quarantined) {
      if (timer !== null) this.plan.removeTimer(timer);
      this.reject(record, rejection, {});
    }
    for (const item of waited) this.applyWaited(item);
    this.applyItems('completed', items.completed);
    this.applyItems('retry', items.retry);
    this.applyItems('commands', items.commands);
    for (const { id, record, input } of enqueued) {
      this.mark(inputNames.enqueued(id), record.key?.toString());
      if (input.kind !== 'forward') this.applyItem(record, input);
    }
    new StepTimers({
      ...this.options,
      gathered: this.gathered,
      plan: this.plan,
      marks: this.marks,
      contextOf: (job) => this.context(job),
    }).fire();
    return this.plan.finishPlan(
      news.producedSeqs,
      enqueued.map(({ id }) => id),
      this.gathered.owned.waiting.nextSeq,
    );
  }

  private mark(input: string, job = ''): void {
    this.marks.input(this.gathered.owned.partition, input, job);
  }

  private isCondemned(name: string): boolean {
    return this.gathered.condemned?.has(name) === true;
  }

  private applyItems(intake: Intake, items: readonly ReadItem[]): void {
    const { partition } = this.gathered.owned;
    for (const { record, input } of items) {
      if (record === null) continue;
      this.marks.record(partition, intake, record.offset, record.key);
      this.applyItem(record, input);
    }
    const last = items.at(-1);
    if (last !== undefined) this.plan.nextOffsets = { ...this.plan.nextOffsets, [intake]: last.after };
  }

  private applyItem(record: ConsumedRecord, input: Exclude<ReadItem['input'], null>): void {
    switch (input.kind) {
      case 'command':
        return input.command.type === 'emit' ? this.emit(record, input.command) : this.orHold(record, input.command);
      case 'waits':
        return this.hold(record, this.queue.before(input.command) ?? input);
      case 'internal':
        if (input.command.type === 'fanOut') return this.spread(record, input.command, input.command);
        return input.command.type === 'notify'
          ? this.notify(record, input.command)
          : this.deliver(record, input.command);
      case 'retry':
        return this.retry(input.due);
      case 'completion':
        if (input.completion !== null) this.complete(input.completion);
        return this.tellWebhooks(input.notices, record.headers.traceparent);
      case 'forward':
        return this.plan.write(forwarded(record, input.partition));
      case 'rejected':
        return this.reject(record, input.rejection, input.head);
    }
  }

  /** It has waited; what stood before it may wait on. */
  private applyWaited({ waiting, input }: WaitedItem): void {
    const { record, seq } = waiting;
    this.mark(inputNames.waiting(seq), jobKey(waiting.tenant, waiting.jobId));
    this.plan.waited(seq);
    if (input.kind === 'command' && input.command.type !== 'emit') {
      if (this.plan.awaits(input.command)) return this.plan.wait({ ...waiting, missing: [] });
      return this.command(record, input.command);
    }
    if (input.kind === 'waits') return this.plan.wait({ ...waiting, missing: input.missing });
    if (input.kind !== 'forward') this.applyItem(record, input);
  }

  private orHold(record: ConsumedRecord, command: JobCommand): void {
    const held = this.queue.before(command);
    if (held === undefined) this.command(record, command);
    else this.hold(record, held);
  }

  private hold(record: ConsumedRecord, held: Held): void {
    const refused = this.queue.add(record, held);
    if (refused !== undefined) this.reject(record, refused, held.command);
  }

  private emit(record: ConsumedRecord, command: EmitCommand): void {
    const { tenant, jobId, eventId: id, payload, commandId, ack } = command;
    const event = { name: jobId, id, payload };
    const emit = { tenant, jobId, event, at: this.options.now, after: '', part: 0, matched: 0, commandId, ack };
    this.spread(record, command, emit);
  }

  /** An emit, or a part of one. */
  private spread(record: ConsumedRecord, command: EmitCommand | FanOutCommand, emit: Emit): void {
    const ref = seenRefOf(command)!;
    if (this.isSeen(ref)) {
      if (command.type === 'emit') this.answerEmit(record, emit, 'duplicate', null);
      return;
    }
    this.plan.remember(ref);
    const found = this.knowledge.subscribers.get(subscriberKey(emit))!;
    const { jobIds, failed, rest } = fanOut(emit, found, this.budget);
    if (failed > 0) this.options.metrics.filtersFailed(failed);
    const { tenant, event, at } = emit;
    const { traceparent } = record.headers;
    const send = (internal: InternalCommand): void =>
      this.plan.write(this.options.records.internal(internal, traceparent));
    for (const jobId of jobIds) send({ type: 'deliver', tenant, jobId, event, at });
    if (rest === undefined) this.answerEmit(record, emit, 'applied', emit.matched + jobIds.length);
    else send({ type: 'fanOut', ...rest });
  }

  private answerEmit(
    record: ConsumedRecord,
    emit: Emit,
    outcome: 'applied' | 'duplicate',
    matched: number | null,
  ): void {
    this.options.metrics.applied(outcome);
    if (!emit.ack) return;
    const { commandId, tenant, jobId } = emit;
    const none = { type: 'emit', error: null, job: null, occurrences: null };
    this.plan.write(this.options.records.ack({ commandId, tenant, jobId, outcome, matched, ...none }, record.key));
  }

  private deliver(record: ConsumedRecord, command: DeliverCommand): void {
    this.applyEvent(command, applyDelivery(this.plan.job(command), command, this.eventContext(record, command)));
  }

  private notify(record: ConsumedRecord, command: NotifyCommand): void {
    const queue = this.options.quotas?.queueOf(command.tenant) ?? 'default';
    const applied = applyNotice(this.plan.job(command), command, queue, this.eventContext(record, command));
    this.applyEvent(command, applied);
    if (command.ack) this.ack(record, command, applied.outcome, null);
  }

  private tellWebhooks(notices: readonly NotifyCommand[], traceparent?: string): void {
    for (const notice of notices) this.plan.write(this.options.records.internal(notice, traceparent));
  }

  private eventContext(
    record: ConsumedRecord,
    command: DeliverCommand | NotifyCommand,
  ): Parameters<typeof applyNotice>[3] {
    const { partition } = this.gathered.owned;
    const traceparent = record.headers.traceparent ?? null;
    return { partition, traceparent, seen: this.isSeen(seenRefOf(command)!), now: this.options.now };
  }

  private applyEvent(command: DeliverCommand | NotifyCommand, applied: Applied): void {
    if (applied.outcome === 'applied') this.plan.merge(applied.effects);
    if (applied.outcome !== 'duplicate') this.plan.remember(seenRefOf(command)!);
  }

  private isSeen(ref: JobRef & { commandId: string }): boolean {
    const { tenant, jobId, commandId } = ref;
    return this.knowledge.known.seen.has(`${jobKey(tenant, jobId)}/${commandId}`) || this.plan.remembers(ref);
  }

  private command(record: ConsumedRecord, sent: JobCommand): void {
    const { quotas, listeners, now } = this.options;
    const command = quotas?.routed(sent) ?? sent;
    const before = this.plan.job(command);
    const applied = applyCommand(before, command, this.commandContext(record, command));
    const refused =
      applied.outcome === 'applied'
        ? (listeners.refuse(before, command) ?? quotas?.refuse(before, command, now))
        : undefined;
    if (refused !== undefined) return this.reject(record, refused, command);
    if (applied.outcome === 'rejected') return this.reject(record, applied.rejection, command);
    if (applied.outcome === 'applied') {
      this.plan.merge(applied.effects);
      const entry = auditOf(before, command, applied, record, now);
      if (entry !== undefined) this.plan.audit(entry);
    }
    const seen = applied.outcome === 'applied' ? seenRefOf(command) : undefined;
    if (seen !== undefined) this.plan.remember(seen);
    this.options.metrics.applied(applied.outcome);
    if (command.ack) this.ack(record, command, applied.outcome, null, applied.occurrences);
  }

  private reject(record: ConsumedRecord, rejection: Rejection, head: CommandHead): void {
    this.options.metrics.applied('rejected');
    this.plan.write(this.options.records.rejected(record, rejection));
    this.plan.reject(rejectedRecordOf(record, rejection, head, this.options.now));
    const { type, commandId, tenant, jobId, ack } = head;
    if (ack !== true || commandId === undefined || tenant === undefined || jobId === undefined) return;
    this.ack(record, { type, commandId, tenant, jobId }, 'rejected', rejection);
  }

  private ack(
    record: ConsumedRecord,
    head: JobRef & { type?: string | undefined; commandId: string },
    outcome: Applied['outcome'],
    error: Rejection | null,
    occurrences: readonly number[] | null = null,
  ): void {
    const { type = null, commandId, tenant, jobId } = head;
    const sent = type === 'cancelRun' ? 'cancel' : type;
    const job = this.plan.job(head);
    const state = job === undefined ? null : { state: job.state, version: job.version, nextFireAt: nextStartAt(job) };
    const matched = occurrences?.length ?? null;
    const ack = { type: sent, commandId, tenant, jobId, outcome, error, job: state, matched, occurrences };
    this.plan.write(this.options.records.ack(ack, record.key));
  }

  private complete(completion: Completion): void {
    const job = this.plan.job(completion);
    if (completion.isNews) this.plan.tellDownstreams(completion);
    if (job !== undefined) this.plan.merge(applyCompletion(job, completion, this.context(job)));
  }

  /** A retry waits for its time, or for nothing when it or its job was cancelled meanwhile. */
  private retry(due: DueRecord): void {
    const ofJob = (this.plan.job(due)?.cancelGen ?? 0) > due.cancelGen;
    const cancelled = ofJob || this.knowledge.cancelledRuns.has(due.runId);
    const dueAt = cancelled ? Math.min(due.dueAt, this.options.now) : due.dueAt;
    this.plan.addTimer(retryTimer(due, dueAt, this.gathered.owned.partition, this.options.records.topics));
  }

  private context(job: Job | undefined): DecideContext {
    const { now, worker, records } = this.options;
    const retryTimers = (): TimerRow[] => (job === undefined ? [] : this.retriesOf(job));
    return { now, worker, topics: records.topics, retryTimers, existing: this.existing };
  }

  private commandContext(record: ConsumedRecord, command: JobCommand): CommandContext {
    const { stored, missingTopics, occurrenceRuns, waiting } = this.knowledge;
    const ref = seenRefOf(command);
    const runId = command.type === 'replay' || command.type === 'cancelRun' ? command.runId : '';
    const run = stored.get(runId);
    const timer = waiting.timers.find((each) => each.runId === runId && !this.plan.isRemoved(each));
    return {
      ...this.context(this.plan.job(command)),
      partition: this.gathered.owned.partition,
      // A record without a time (-1) says "now".
      recordTimestampMs: record.timestampMs < 0 ? this.options.now : record.timestampMs,
      offset: record.topic === this.options.records.topics.commands ? String(record.offset) : null,
      traceparent: record.headers.traceparent ?? null,
      isRunOnly: isRunOnly(record.headers),
      spec: this.options.spec,
      seen: ref !== undefined && this.isSeen(ref),
      stored: run && { ...run, replays: [...run.replays, ...this.plan.plannedReplays(run.runId)] },
      arrivals: command.type === 'upstream' ? this.plan.arrivalsOf(command) : [],
      runs: stored,
      waiting: { timer, isParked: waiting.parked.has(runId) },
      isPublishing: (id) => this.gathered.owned.exactPending.has(id),
      hasTopic: (topic) => !missingTopics.has(topic),
      occurrenceRuns: (runId) => occurrenceRuns.get(runId),
    };
  }

  private retriesOf(job: Job): TimerRow[] {
    const stored = this.knowledge.retries.get(jobKey(job.tenant, job.jobId)) ?? [];
    return [...stored.filter((timer) => !this.plan.isRemoved(timer)), ...this.plan.addedRetries(job)];
  }
}

function forwarded({ topic, key, value, headers }: ConsumedRecord, partition: number): OutgoingRecord {
  return { topic, partition, key, value, headers };
}
