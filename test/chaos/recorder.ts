/** Writes the history of a chaos run: from the topics, read anew at its end, the tables, the sink, and what was struck. */
import type pg from 'pg';
import type { Codec } from '../../services/core/ports/codec.ts';
import type { RunStatus } from '../../services/core/model.ts';
import type { ConsumedRecord } from '../../services/core/records.ts';
import type { Call, Event, Fault, FormerOwners, History, RunRow, SentCommand, Sighting } from '../checker/history.ts';
import { betterAnswer, emitOf, eventOf } from '../checker/observe.ts';
import type { TestDeployment } from '../integration/support/deployment.ts';
import { ORDERS } from '../support/life.ts';
import { SOURCE } from '../support/life-sources.ts';
import { LIMITED_TENANT } from '../support/lives.ts';
import type { SeatFault } from './faults.ts';
import { PARTITIONS, QUOTAS } from './load.ts';
import type { Incarnation } from './seats.ts';
import { dayOffset, steadyMs } from './steady-time.ts';

const READ_WITHIN_MS = 60_000;

export type Sources = {
  deployment: TestDeployment;
  sink: pg.Pool;
  codec: Codec;
  sent: ReadonlyMap<string, SentCommand>;
  /** Commands that are durable, as Kafka or the database said. */
  written: ReadonlySet<string>;
  incarnations: readonly Incarnation[];
  befell: readonly SeatFault[];
  sightings: readonly Sighting[];
  time: TimeOfDay;
  users: Pick<History, 'requests' | 'listings' | 'streams' | 'received' | 'webhooks'>;
} & Pick<History, 'healedAt' | 'quietAt' | 'left'>;

/** From steady time to the time of day: the clock of the machine may have been slewed a little meanwhile. */
export class TimeOfDay {
  private readonly beginAt = steadyMs();
  private readonly beginOffset = dayOffset();
  private endAt = Infinity;
  private endOffset = 0;

  /** To be called when all that is to be converted has happened. */
  end(): void {
    this.endAt = steadyMs();
    this.endOffset = dayOffset();
  }

  of(steady: number): number {
    const share = (steady - this.beginAt) / (this.endAt - this.beginAt);
    return steady + this.beginOffset + (this.endOffset - this.beginOffset) * share;
  }
}

export async function historyOf(sources: Sources): Promise<History> {
  const { deployment, sightings, healedAt, quietAt, left } = sources;
  const heard = await hear(sources);
  const writes = await deployment.rows<{ run_id: string }>('SELECT run_id FROM chaos.writes');
  return {
    ...heard,
    ...sources.users,
    quotas: [{ at: 0, tenant: LIMITED_TENANT, quotas: QUOTAS }],
    jobs: await deployment.rows(`SELECT tenant || '/' || job_id AS job, version, state FROM jobs`),
    runs: await rowsOf(deployment),
    sightings,
    calls: await callsOf(sources),
    writes: writes.map(({ run_id }) => ({ runId: run_id })),
    faults: faultsOf(sources),
    former: await formerOwners(sources),
    ...{ healedAt, quietAt },
    left: [...left, ...lostCommands(heard.commands, sources.written)],
  };
}

/** What was written stands where it was sent, and what stands there gets its answer. */
function lostCommands(commands: readonly SentCommand[], written: ReadonlySet<string>): string[] {
  const there = new Set(commands.map(({ commandId }) => commandId));
  const unanswered = commands.filter(({ answer }) => answer === null);
  return [
    ...[...written.difference(there)].map((commandId) => `command ${commandId} was written and is lost`),
    ...unanswered.map(({ type, commandId, job }) => `${type} ${commandId} of ${job} has no answer`),
  ];
}

type Heard = Pick<History, 'commands' | 'acks' | 'events' | 'dead' | 'messages' | 'rejected'>;

/** Everything that stands on the topics, as a read_committed reader sees it who begins now. */
async function hear({ deployment, sent, codec }: Sources): Promise<Heard> {
  const { commands, acks, completed, dlq, rejected } = deployment.topics;
  const records: ConsumedRecord[] = [];
  const caughtUp = Promise.withResolvers<void>();
  const deadline = setTimeout(() => caughtUp.reject(new Error('the topics cannot be read')), READ_WITHIN_MS);
  const tail = await deployment.broker.tail({
    topics: [commands, acks, completed, dlq, rejected, ORDERS, SOURCE.topic],
    from: 'beginning',
    isolation: 'read_committed',
    onRecord: (record) => records.push(record),
    onCaughtUp: () => caughtUp.resolve(),
  });
  await caughtUp.promise;
  clearTimeout(deadline);
  await tail.close();

  const of = (topic: string): ConsumedRecord[] => records.filter((record) => record.topic === topic);
  const loggedAt = new Map<string, number>();
  for (const { value, timestampMs } of of(commands)) {
    const commandId = await idOf(codec, value);
    if (!loggedAt.has(commandId)) loggedAt.set(commandId, timestampMs);
  }
  const enqueued = await deployment.rows<{ command_id: string }>('SELECT command_id FROM chaos.enqueued ORDER BY id');
  const ids = new Set([...loggedAt.keys(), ...enqueued.map(({ command_id }) => command_id)]);
  // In the order in which they stand there; those that never got there were sent in vain, and timers write to each other.
  const heard = { commands: [...ids].flatMap((id) => sent.get(id) ?? []), acks: [] as History['acks'][number][] };
  const byId = new Map(heard.commands.map((command) => [command.commandId, command]));
  for (const { value, timestampMs } of of(acks)) {
    const ack = await codec.decodeAck(value!);
    heard.acks.push({ commandId: ack.commandId, outcome: ack.outcome, text: JSON.stringify(ack) });
    const command = byId.get(ack.commandId);
    if (command !== undefined) command.answer = betterAnswer(command.answer, ack, timestampMs);
  }
  const emits = of(SOURCE.topic).map((record) => emitOf(record, SOURCE, loggedAt));
  const events: Event[] = [];
  for (const { value } of of(completed)) events.push(eventOf(await codec.decodeOutcome(value!)));
  return {
    ...heard,
    commands: [...heard.commands, ...emits],
    events,
    rejected: await Promise.all(of(rejected).map(({ value }) => idOf(codec, value))),
    dead: of(dlq).map(({ headers }) => ({ runId: headers.belfry_run_id! })),
    messages: of(ORDERS).map(({ headers, timestampMs }) => ({ runId: headers.belfry_run_id!, at: timestampMs })),
  };
}

/** Of a command in either encoding. */
async function idOf(codec: Codec, value: Buffer | null): Promise<string> {
  const decoded = await codec.decodeCommand(value);
  if ('rejection' in decoded) throw new Error(`a command cannot be read: ${decoded.rejection.message}`);
  return (decoded.value as { commandId: string }).commandId;
}

async function rowsOf(deployment: TestDeployment): Promise<RunRow[]> {
  const rows = await deployment.rows<{ [Name in keyof RunRow]: string | null }>(
    `SELECT run_id AS "runId", tenant || '/' || job_id AS job, status, scheduled_for AS "scheduledFor",
       finished_at AS "finishedAt", idempotency_key AS "idempotencyKey", replay_of AS "replayOf", result FROM runs`,
  );
  return rows.map((row) => ({
    ...(row as unknown as RunRow),
    scheduledFor: Number(row.scheduledFor),
    finishedAt: row.finishedAt === null ? null : Number(row.finishedAt),
    result: row.result === null ? null : (JSON.parse(row.result) as unknown),
  }));
}

/** What is terminal now: it must stay so. */
export async function sight(deployment: TestDeployment): Promise<Sighting[]> {
  const rows = await deployment.rows<{ runId: string; status: RunStatus; result: string | null }>(
    'SELECT run_id AS "runId", status, result FROM runs WHERE finished_at > now_ms() - 5000',
  );
  return rows.map((row) => ({ ...row, result: row.result === null ? null : (JSON.parse(row.result) as unknown) }));
}

async function callsOf({ sink, incarnations, time }: Sources): Promise<Call[]> {
  const { rows } = await sink.query<Call & { how: 'returned' | 'threw' | null }>(
    `SELECT run_id AS "runId", job, attempt, idempotency_key AS "idempotencyKey", scheduled_for AS "scheduledFor", node,
       started_at AS "startedAt", ended_at AS "endedAt", how, obedient, handler FROM calls ORDER BY started_at`,
  );
  const diedAt = new Map(incarnations.map(({ node, endedAt }) => [node, endedAt]));
  return rows.map(({ how, ...call }) => {
    const startedAt = time.of(call.startedAt);
    if (call.endedAt !== null) return { ...call, startedAt, endedAt: time.of(call.endedAt), end: how };
    const endedAt = diedAt.get(call.node) ?? null; // its process is gone, and the call with it
    return { ...call, startedAt, endedAt, end: endedAt === null ? null : 'killed' };
  });
}

/** Whoever had the seat at that time. */
function faultsOf({ befell, incarnations }: Sources): Fault[] {
  return befell.flatMap(({ seat, kind, from, until }) =>
    incarnations
      .filter((each) => seat === null || each.seat === seat)
      .filter(({ startedAt, endedAt }) => startedAt <= until && (endedAt ?? Infinity) >= from)
      .map(({ node }) => ({ node, kind, from, until })),
  );
}

/** What timers of the former release owned: instances are named by host and pid. */
async function formerOwners({ deployment, incarnations }: Sources): Promise<FormerOwners> {
  const former = new Set(incarnations.flatMap(({ release, service }) => (release === 'former' ? service.pid : [])));
  const taken = await deployment.rows<{ partition: number; instance: string; at: number }>(
    'SELECT partition, instance, at FROM chaos.owned ORDER BY at',
  );
  const owned = [...Map.groupBy(taken, ({ partition }) => partition)].flatMap(([partition, takes]) =>
    takes.flatMap(({ instance, at }, index) => {
      const isFormer = former.has(Number(instance.split(':')[1]));
      return isFormer ? { partition, from: at, until: takes[index + 1]?.at ?? null } : [];
    }),
  );
  return { partitions: PARTITIONS, owned };
}
