/**
 * Consumer groups as Kafka's coordinator keeps them: eager rebalances with a generation, sessions that run out.
 *
 * Invariants: nobody holds anything of a new generation before every member has rejoined or its session has ended, as in
 * Kafka, so a frozen member holds up a rebalance; offsets are not fenced by the generation (kafkajs's transactional
 * commits carry none), only by the producer's epoch.
 */
import type { TopicPartition } from '../../core/ports/broker.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { assign } from '../kafka/assigner.ts';
import type { Topic } from '../kafka/assigner.ts';

export type GroupMember = {
  memberName: string;
  sessionTimeoutMs: number;
  copartitioned: boolean;
  topics: readonly string[];
  /** The coordinator asks for a rejoin; answered by `rejoin`, as soon as the member lives to hear it. */
  onRebalance(): void;
  onAssigned(parts: readonly TopicPartition[], generation: number): void;
};

type Membership = {
  id: string;
  member: GroupMember;
  joined: boolean;
  owned: readonly TopicPartition[];
  generation: number;
  cancelExpiry: () => void;
};

export class MemoryGroup {
  readonly offsets = new Map<string, bigint>();
  private readonly clock: Clock;
  private readonly partitionsOf: (topic: string) => number;
  private readonly memberships = new Map<GroupMember, Membership>();
  private generation = 0;
  private rebalancing = false;
  private nextId = 0;

  constructor(clock: Clock, partitionsOf: (topic: string) => number) {
    this.clock = clock;
    this.partitionsOf = partitionsOf;
  }

  /** Enters the group, or answers its call to rejoin. @param owned what the sticky assignor may leave to it */
  join(member: GroupMember, owned: readonly TopicPartition[], generation: number): void {
    let membership = this.memberships.get(member);
    if (!membership) {
      this.nextId += 1;
      membership = { id: String(this.nextId), member, joined: false, owned, generation, cancelExpiry: () => undefined };
      this.memberships.set(member, membership);
      this.rebalance();
    }
    membership.joined = true;
    membership.owned = owned;
    membership.generation = generation;
    this.extend(membership);
    this.completeWhenAllJoined();
  }

  /** False: the coordinator does not know this member (any more). Undefined: a rebalance is under way. */
  heartbeat(member: GroupMember): boolean | undefined {
    const membership = this.memberships.get(member);
    if (!membership) return false;
    this.extend(membership);
    return this.rebalancing ? undefined : true;
  }

  leave(member: GroupMember): void {
    const membership = this.memberships.get(member);
    if (!membership) return;
    membership.cancelExpiry();
    this.memberships.delete(member);
    this.rebalance();
    this.completeWhenAllJoined();
  }

  private extend(membership: Membership): void {
    const { member } = membership;
    membership.cancelExpiry();
    membership.cancelExpiry = this.clock.after(member.sessionTimeoutMs, () => this.leave(member));
  }

  private rebalance(): void {
    this.rebalancing = true;
    for (const membership of this.memberships.values()) {
      membership.joined = false;
      membership.member.onRebalance();
    }
  }

  private completeWhenAllJoined(): void {
    const memberships = [...this.memberships.values()];
    if (!this.rebalancing || memberships.some(({ joined }) => !joined)) return;
    this.rebalancing = false;
    this.generation += 1;
    const topics = new Set(memberships.flatMap(({ member }) => member.topics));
    const sizes = [...topics].map((topic): Topic => ({
      topic,
      partitions: [...Array(this.partitionsOf(topic)).keys()],
    }));
    const members = memberships.map(({ id, member, owned, generation }) => {
      return { memberId: id, memberName: member.memberName, generation, owned };
    });
    const assignments = assign(members, sizes, memberships[0]?.member.copartitioned ?? false);
    for (const { id, member } of memberships) {
      member.onAssigned(toParts(assignments.get(id) ?? {}), this.generation);
    }
  }
}

function toParts(assignment: Record<string, number[]>): TopicPartition[] {
  return Object.entries(assignment)
    .flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })))
    .sort((a, b) => a.partition - b.partition || (a.topic < b.topic ? -1 : 1));
}
