/**
 * One member of a memory group: joins, heartbeats, reads. Lives on its process's timers: frozen with it, dead with it.
 *
 * A member that was frozen past its session goes on reading what it held until its next heartbeat is refused, as in Kafka.
 */
import type { GroupConsumer, GroupListener, GroupOptions, TopicPartition } from '../../core/ports/broker.ts';
import type { GroupMember, MemoryGroup } from './broker-groups.ts';
import type { MemoryReader } from './broker-reader.ts';

const HEARTBEATS_PER_SESSION = 3;

export type MemberParts = {
  group: MemoryGroup;
  /** Runs it a network delay or more later, when the process is alive and not frozen. */
  schedule(ms: number, work: () => void): void;
  reader(isolation: GroupOptions['isolation'], onBatch: GroupListener['onBatch']): MemoryReader;
  /** Wakes this reader when something is written. Answers how to stop that. */
  subscribe(reader: MemoryReader): () => void;
  offsetOf(tp: TopicPartition): bigint;
};

export class MemoryMember implements GroupConsumer {
  private readonly options: GroupOptions;
  private readonly listener: GroupListener;
  private readonly parts: MemberParts;
  private readonly reader: MemoryReader;
  private membership: GroupMember | undefined;
  private unsubscribe: () => void = () => undefined;
  private owned: readonly TopicPartition[] = [];
  private generation = -1;
  private state: 'new' | 'running' | 'stopped' = 'new';

  constructor(options: GroupOptions, listener: GroupListener, parts: MemberParts) {
    this.options = options;
    this.listener = listener;
    this.parts = parts;
    this.reader = parts.reader(options.isolation, (batch) => this.guard(() => listener.onBatch(batch)));
  }

  async start(): Promise<void> {
    if (this.state !== 'new') return;
    this.state = 'running';
    this.unsubscribe = this.parts.subscribe(this.reader);
    this.parts.schedule(0, () => this.enter());
    this.beat();
  }

  seek(tp: TopicPartition, offset: bigint): void {
    this.reader.place(tp, offset);
  }

  pause(tps: readonly TopicPartition[]): void {
    for (const tp of tps) this.reader.setPaused(tp, true);
  }

  resume(tps: readonly TopicPartition[]): void {
    for (const tp of tps) this.reader.setPaused(tp, false);
  }

  async stop(): Promise<void> {
    if (this.state !== 'running') return;
    if (this.membership) this.parts.group.leave(this.membership);
    this.end();
  }

  /** Joins as a new member; also after the coordinator forgot the former one. */
  private enter(): void {
    if (this.state !== 'running') return;
    const { memberName, sessionTimeoutMs, copartitioned, topics } = this.options;
    const membership: GroupMember = {
      memberName,
      sessionTimeoutMs,
      copartitioned,
      topics,
      onRebalance: () =>
        this.parts.schedule(0, () => {
          if (this.membership === membership) this.join();
        }),
      onAssigned: (parts, generation) =>
        this.parts.schedule(0, () => {
          if (this.membership === membership) this.guard(() => this.take(parts, generation));
        }),
    };
    this.membership = membership;
    this.join();
  }

  private join(): void {
    if (this.state !== 'running' || !this.membership) return;
    this.reader.suspend();
    this.parts.group.join(this.membership, this.owned, this.generation);
  }

  private take(assignment: readonly TopicPartition[], generation: number): void {
    if (this.state !== 'running' || generation <= this.generation) return;
    this.generation = generation;
    this.owned = assignment;
    this.reader.assign(assignment);
    this.listener.onAssignment(assignment);
    for (const tp of assignment) {
      const position = this.listener.position(tp);
      if (position !== 'hold') this.reader.place(tp, position === 'committed' ? this.parts.offsetOf(tp) : position);
    }
  }

  /** A listener that throws is broken: it reads no more, and its session runs out. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.end();
      this.listener.onFatal(error as Error);
    }
  }

  private end(): void {
    this.state = 'stopped';
    this.unsubscribe();
    this.reader.assign([]);
    if (this.owned.length > 0) this.listener.onAssignment([]);
  }

  private beat(): void {
    this.parts.schedule(this.options.sessionTimeoutMs / HEARTBEATS_PER_SESSION, () => {
      if (this.state !== 'running') return;
      const accepted = this.membership && this.parts.group.heartbeat(this.membership);
      if (accepted === true) this.guard(() => this.listener.onHeartbeat?.());
      if (accepted === false) this.enter();
      this.beat();
    });
  }
}
