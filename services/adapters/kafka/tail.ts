/**
 * Reads without a group of its own. kafkajs reads only through groups and resolves "latest" when it first fetches: a tail
 * asks for its positions itself, before it is said to stand, and reads through a group that nobody else joins and that
 * leaves nothing behind (it commits nothing).
 */
import { InFlight } from '../../core/in-flight.ts';
import type { Tail, TailOptions, TopicPartition } from '../../core/ports/broker.ts';
import type { Catalog } from './catalog.ts';
import type { Context } from './context.ts';
import { KafkaGroup } from './group.ts';

const SESSION_MS = 6_000;

const key = ({ topic, partition }: TopicPartition): string => `${partition}/${topic}`;

/**
 * Resolves when the positions are fixed.
 *
 * @param groupId one that nobody else uses
 * @throws BelfryError `topic_missing`, `broker_unavailable`
 */
export async function openTail(
  context: Context,
  catalog: Catalog,
  groupId: string,
  options: TailOptions,
): Promise<Tail> {
  const { positions, ends } = await place(catalog, options);
  const behind = new Set([...ends].filter(([part, end]) => (positions.get(part) ?? 0n) < end).map(([part]) => part));
  const advance = (tp: TopicPartition, nextOffset: bigint): void => {
    positions.set(key(tp), nextOffset);
    const end = ends.get(key(tp));
    if (end === undefined || nextOffset < end || !behind.delete(key(tp)) || behind.size > 0) return;
    options.onCaughtUp?.();
  };
  const { topics, isolation } = options;
  const parts = new Map<string, TopicPartition>();
  const inFlight = new InFlight({
    pause: () => group.pause([...parts.values()]),
    resume: () => group.resume([...parts.values()]),
  });
  const group: KafkaGroup = new KafkaGroup(
    context,
    catalog,
    { groupId, topics, memberName: groupId, copartitioned: false, isolation, sessionTimeoutMs: SESSION_MS },
    {
      onAssignment: (assignment) => {
        for (const tp of assignment) parts.set(key(tp), tp);
      },
      // A partition added since is read from its start: all that it holds is new.
      position: (tp) => positions.get(key(tp)) ?? 0n,
      onBatch: (batch) => {
        for (const record of batch.records) inFlight.add(record.value?.length ?? 0, options.onRecord(record));
        advance(batch, batch.nextOffset);
        // A session that came meanwhile knows nothing of a pause.
        if (inFlight.paused) group.pause([batch]);
      },
      onSkip: advance,
      onFatal: (error) => context.log.error({ err: error, topics }, 'A Kafka tail cannot go on.'),
    },
  );
  if (behind.size === 0) options.onCaughtUp?.();
  await group.start();
  return { close: () => group.stop() };
}

async function place(
  catalog: Catalog,
  { topics, from }: TailOptions,
): Promise<{ positions: Map<string, bigint>; ends: Map<string, bigint> }> {
  const positions = new Map<string, bigint>();
  const ends = new Map<string, bigint>();
  for (const topic of topics) {
    const chosen = await offsetsOf(catalog, topic, from);
    const range = await catalog.logRange(topic);
    for (const [partition, { first, end }] of range) {
      const part = key({ topic, partition });
      ends.set(part, end);
      const offset = chosen(partition) ?? end;
      positions.set(part, offset < first ? first : offset > end ? end : offset);
    }
  }
  return { positions, ends };
}

/** Where each partition is read from; undefined: at its end. */
async function offsetsOf(
  catalog: Catalog,
  topic: string,
  from: TailOptions['from'],
): Promise<(partition: number) => bigint | undefined> {
  if (from === 'end') return () => undefined;
  if (from === 'beginning') return () => 0n;
  if ('offsets' in from) return (partition) => from.offsets.get(partition) ?? 0n;
  const since = await catalog.offsetsSince(topic, from.timestampMs);
  return (partition) => since.get(partition);
}
