import { InFlight } from '../../core/in-flight.ts';
import type { Tail, TailOptions, TopicPartition } from '../../core/ports/broker.ts';
import { missing, type MemoryCluster } from './broker-cluster.ts';
import type { PartitionLog } from './broker-log.ts';
import type { MemoryReader, ReaderOptions } from './broker-reader.ts';

export type TailParts = {
  reader(parts: Pick<ReaderOptions, 'isolation' | 'onBatch' | 'onSkip'>): MemoryReader;
  subscribe(reader: MemoryReader): () => void;
  schedule(work: () => void): void;
};

/** Reads without a group; its positions stand when this returns. @throws BelfryError `topic_missing` */
export function openMemoryTail(broker: MemoryCluster, options: TailOptions, parts: TailParts): Tail {
  const logs = options.topics.flatMap((topic) => {
    const found = broker.partitionLogs(topic);
    if (!found) throw missing(`There is no topic ${topic}.`, { topic });
    return found;
  });
  const ends = new Map(logs.map((log) => [log, log.end]));
  const behind = new Set(logs.filter((log) => startOf(log, options.from) < log.end));
  const advance = (tp: TopicPartition, next: bigint): void => {
    const log = broker.logOf(tp);
    if (!log || next < (ends.get(log) ?? 0n) || !behind.delete(log) || behind.size > 0) return;
    options.onCaughtUp?.();
  };
  const setPaused = (paused: boolean): void => {
    for (const log of logs) reader.setPaused(log, paused);
  };
  const inFlight = new InFlight({ pause: () => setPaused(true), resume: () => setPaused(false) });
  const reader: MemoryReader = parts.reader({
    isolation: options.isolation,
    onBatch: (batch) => {
      for (const record of batch.records) inFlight.add(record.value?.length ?? 0, options.onRecord(record));
      advance(batch, batch.nextOffset);
    },
    onSkip: advance,
  });
  const unsubscribe = parts.subscribe(reader);
  reader.assign(logs);
  for (const log of logs) reader.place(log, startOf(log, options.from));
  if (behind.size === 0) parts.schedule(() => options.onCaughtUp?.());
  return {
    async close() {
      unsubscribe();
      reader.assign([]);
    },
  };
}

function startOf(log: PartitionLog, from: TailOptions['from']): bigint {
  if (from === 'end') return log.end;
  if (from === 'beginning') return 0n;
  if ('timestampMs' in from) return log.offsetSince(from.timestampMs);
  const offset = from.offsets.get(log.partition) ?? 0n;
  return offset > log.end ? log.end : offset;
}
