/** What is left to do, in words; nothing, once the world is quiet. Asked often: what lasts longest, and costs least to see, comes first. */
import { SOURCE } from '../support/life-sources.ts';
import type { World } from './world.ts';

const SOURCE_GROUP = 'belfry-events';
const OPEN = new Set<string>(['ENQUEUED', 'RUNNING', 'RETRYING']);

export function* leftToDo(world: World): Iterable<string> {
  const { db, clients, recorder } = world;
  yield* recorder.fatals;
  for (const [key, { active, buffered, state, nextAt, spec }] of db.jobs) {
    for (const { runId } of active) yield `job ${key} waits for the end of run ${runId}`;
    for (const { runId } of buffered) yield `job ${key} keeps run ${runId} waiting`;
    if (state === 'SCHEDULED' && spec.schedule.kind !== 'after') yield `job ${key} is SCHEDULED, next at ${nextAt}`;
  }
  for (const { runId, status, tenant, jobId } of db.runs.values())
    if (OPEN.has(status)) yield `run ${runId} of ${tenant}/${jobId} is ${status}`;
  for (const [partition, timers] of db.timers)
    for (const { kind, tenant, jobId, runId } of timers)
      yield `timer (${kind}) of ${tenant}/${jobId}, ${runId}, in partition ${partition}`;
  for (const [partition, rows] of db.outbox)
    for (const { seq, lane } of rows) yield `outbox row ${seq} (${lane}) of partition ${partition}`;
  for (const { id, key } of db.enqueued) yield `enqueued command ${id} of ${key} is not applied`;
  for (const { runId, kind, executor } of db.parked.values()) yield `run ${runId} is parked (${kind}, ${executor})`;
  const told = new Set(recorder.events.map(({ runId }) => runId));
  for (const { runId } of db.runs.values()) if (!told.has(runId)) yield `readers have not heard of run ${runId}`;
  for (const intake of ['commands', 'retry'] as const) yield* unread(world, intake);
  for (const log of world.broker.partitionLogs(SOURCE.topic) ?? [])
    if ((world.broker.offsetOf(SOURCE_GROUP, log) ?? 0n) < log.end)
      yield `records of ${log.topic}/${log.partition} are no events yet`;
  for (const { commandId, answer } of clients.commands())
    if (answer === null) yield `command ${commandId} has no answer`;
}

function* unread({ broker, db, topics }: World, intake: 'commands' | 'retry'): Iterable<string> {
  for (const log of broker.partitionLogs(topics[intake]) ?? []) {
    const next = db.owners.get(log.partition)?.offsets[intake] ?? 0n;
    const { records } = log.read(next, 'read_uncommitted', Number.MAX_SAFE_INTEGER);
    if (records.length > 0) yield `${records.length} records of ${log.topic}/${log.partition} are not applied`;
  }
}
