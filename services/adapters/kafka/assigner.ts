/**
 * Who reads which partitions: a pure function, run by the group's leader. Sticky, because a moved partition costs its new
 * owner a take-over: owners keep what they had up to their fair share, the rest goes to those who have least, and one more
 * round levels what is still uneven.
 */
import type { TopicPartition } from '../../core/ports/broker.ts';

/** `generation`: the group's last one that this member took part in; of two who claim a partition, the later is right. */
export type Member = { memberId: string; memberName: string; generation: number; owned: readonly TopicPartition[] };
export type Topic = { topic: string; partitions: readonly number[] };
/** Partitions by topic, of each member id; members that get nothing have an empty one. */
export type Assignments = Map<string, Record<string, number[]>>;

/** What moves as one: a partition, or (copartitioned) that partition number of every topic. */
type Unit = { key: string; parts: TopicPartition[] };
type Share = { member: Member; units: Unit[] };

/**
 * Divides all partitions of `topics` among `members`. The same input in any order gives the same answer.
 *
 * @param copartitioned the same partition numbers of all topics go to one member
 */
export function assign(members: readonly Member[], topics: readonly Topic[], copartitioned: boolean): Assignments {
  const units = unitsOf(topics, copartitioned);
  const shares = byName(members).map((member): Share => ({ member, units: [] }));
  if (shares.length > 0) {
    const fairShare = Math.ceil(units.length / shares.length);
    const rest = keep(shares, units, fairShare, copartitioned);
    for (const unit of rest) least(shares).units.push(unit);
    level(shares);
  }
  return new Map(shares.map(({ member, units: own }) => [member.memberId, byTopic(own)]));
}

function unitsOf(topics: readonly Topic[], copartitioned: boolean): Unit[] {
  const units = new Map<string, Unit>();
  const all = topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
  // Numerically: as texts, 10 would come before 2.
  all.sort((a, b) => a.partition - b.partition || (a.topic < b.topic ? -1 : 1));
  for (const part of all) {
    const key = unitKey(part, copartitioned);
    const unit = units.get(key);
    if (unit) unit.parts.push(part);
    else units.set(key, { key, parts: [part] });
  }
  return [...units.values()];
}

function unitKey({ topic, partition }: TopicPartition, copartitioned: boolean): string {
  return copartitioned ? String(partition) : `${partition}/${topic}`;
}

/** Leaves the units to their owners, up to the fair share; answers those without one. */
function keep(shares: readonly Share[], units: readonly Unit[], fairShare: number, copartitioned: boolean): Unit[] {
  const ownerOf = new Map<string, Share>();
  for (const share of [...shares].sort((a, b) => b.member.generation - a.member.generation)) {
    for (const part of share.member.owned) {
      const key = unitKey(part, copartitioned);
      if (!ownerOf.has(key)) ownerOf.set(key, share);
    }
  }
  return units.filter((unit) => {
    const owner = ownerOf.get(unit.key);
    if (!owner || owner.units.length >= fairShare) return true;
    owner.units.push(unit);
    return false;
  });
}

/** Moves units until nobody has two more than another. */
function level(shares: readonly Share[]): void {
  for (;;) {
    const from = shares.reduce((most, share) => (share.units.length > most.units.length ? share : most));
    const to = least(shares);
    if (from.units.length - to.units.length < 2) return;
    to.units.push(...from.units.splice(-1));
  }
}

function least(shares: readonly Share[]): Share {
  return shares.reduce((few, share) => (share.units.length < few.units.length ? share : few));
}

function byName(members: readonly Member[]): Member[] {
  const name = ({ memberName, memberId }: Member): string => `${memberName}\0${memberId}`;
  return [...members].sort((a, b) => (name(a) < name(b) ? -1 : 1));
}

function byTopic(units: readonly Unit[]): Record<string, number[]> {
  const partitions: Record<string, number[]> = {};
  for (const { topic, partition } of units.flatMap(({ parts }) => parts)) (partitions[topic] ??= []).push(partition);
  for (const list of Object.values(partitions)) list.sort((a, b) => a - b);
  return partitions;
}
