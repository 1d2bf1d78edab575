/** What is left to do, in words; nothing, once the world is quiet. */
import type { World } from './world.ts';

const OPEN = new Set<string>(['ENQUEUED', 'RUNNING', 'RETRYING']);

export function leftToDo(world: World): string[] {
  const { db, clients, recorder } = world;
  const left: string[] = [...recorder.fatals];
  for (const { commandId, answer } of clients.commands())
    if (answer === null) left.push(`command ${commandId} has no answer`);
  for (const { runId, status, tenant, jobId } of db.runs.values())
    if (OPEN.has(status)) left.push(`run ${runId} of ${tenant}/${jobId} is ${status}`);
  for (const [partition, timers] of db.timers)
    for (const { kind, tenant, jobId, runId } of timers)
      left.push(`timer (${kind}) of ${tenant}/${jobId}, ${runId}, in partition ${partition}`);
  for (const [partition, rows] of db.outbox)
    for (const { seq, lane } of rows) left.push(`outbox row ${seq} (${lane}) of partition ${partition}`);
  for (const { runId, kind, executor } of db.parked.values())
    left.push(`run ${runId} is parked (${kind}, ${executor})`);
  for (const [key, { active, buffered, state, nextAt, spec }] of db.jobs) {
    for (const { runId } of active) left.push(`job ${key} waits for the end of run ${runId}`);
    for (const { runId } of buffered) left.push(`job ${key} keeps run ${runId} waiting`);
    if (state === 'SCHEDULED' && spec.schedule.kind !== 'after')
      left.push(`job ${key} is SCHEDULED, next at ${nextAt}`);
  }
  const told = new Set(recorder.events.map(({ runId }) => runId));
  for (const { runId } of db.runs.values()) if (!told.has(runId)) left.push(`readers have not heard of run ${runId}`);
  for (const intake of ['commands', 'retry'] as const) left.push(...unread(world, intake));
  return left;
}

function* unread({ broker, db, topics }: World, intake: 'commands' | 'retry'): Iterable<string> {
  for (const log of broker.partitionLogs(topics[intake]) ?? []) {
    const next = db.owners.get(log.partition)?.offsets[intake] ?? 0n;
    const { records } = log.read(next, 'read_uncommitted', Number.MAX_SAFE_INTEGER);
    if (records.length > 0) yield `${records.length} records of ${log.topic}/${log.partition} are not applied`;
  }
}
