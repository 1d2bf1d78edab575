/** The sticky assignor in kafkajs's terms: what each member tells the leader of itself travels as `userData`. */
import { AssignerProtocol } from './kafkajs.ts';
import type { GroupMember, PartitionAssigner } from 'kafkajs';
import type { TopicPartition } from '../../core/ports/broker.ts';
import { assign } from './assigner.ts';
import type { Member } from './assigner.ts';

const NAME = 'belfry-sticky';
const VERSION = 1;

type UserData = { memberName: string; generation: number; owned: [topic: string, partitions: number[]][] };

export type AssignerOptions = {
  copartitioned: boolean;
  /** The member that the consumer begins as; null: a new one. A group that does not know it any more makes it a new one. */
  memberId: string | null;
  /** Asked at every join, right before the request is sent: kafkajs has no other sign that a rejoin begins. */
  onJoin: () => { memberName: string; generation: number; owned: readonly TopicPartition[] };
};

export function stickyAssigner({ copartitioned, memberId, onJoin }: AssignerOptions): PartitionAssigner {
  return ({ cluster }) => ({
    ...{ memberId },
    // Members that divide differently must not form one group.
    name: copartitioned ? `${NAME}-copartitioned` : NAME,
    version: VERSION,
    protocol({ topics }) {
      const { memberName, generation, owned } = onJoin();
      const userData: UserData = {
        memberName,
        generation,
        owned: [...Map.groupBy(owned, ({ topic }) => topic)].map(pack),
      };
      const metadata = { version: VERSION, topics, userData: Buffer.from(JSON.stringify(userData)) };
      return { name: this.name, metadata: AssignerProtocol.MemberMetadata.encode(metadata) };
    },
    async assign({ members, topics }) {
      const sizes = topics.map((topic) => ({
        topic,
        partitions: cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId),
      }));
      return [...assign(members.map(readMember), sizes, copartitioned)].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}

function pack([topic, parts]: [string, TopicPartition[]]): [string, number[]] {
  return [topic, parts.map(({ partition }) => partition)];
}

/** A member of another version may say something else, or nothing: then it owns nothing, and gets its share all the same. */
function readMember({ memberId, memberMetadata }: GroupMember): Member {
  const { userData } = AssignerProtocol.MemberMetadata.decode(memberMetadata) ?? {};
  try {
    const { memberName, generation, owned } = JSON.parse(String(userData)) as UserData;
    const parts = owned.flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })));
    return { memberId, memberName, generation, owned: parts };
  } catch {
    return { memberId, memberName: memberId, generation: -1, owned: [] };
  }
}
