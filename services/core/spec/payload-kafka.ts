/** The payload of KAFKA_MESSAGE jobs. */
import { z } from 'zod';
import type { Rejection } from '../records.ts';
import { mapOf, name, record, text } from './fields.ts';
import { KAFKA_TOPIC } from './names.ts';
import { isOwnTopic, isReservedTopic } from '../topics.ts';
import type { SpecOptions } from './options.ts';
import { invalid, listed, rejectionOf, type Path } from './problems.ts';

/** As long as a payload with nothing else in it. */
const MAX_PAYLOAD_CHARS = 256 * 1024;

const kafkaSchema = record('a Kafka payload', {
  topic: name(KAFKA_TOPIC),
  key: text('must be text', { max: MAX_PAYLOAD_CHARS }).nullable().default(null),
  value: z.unknown().optional(),
  valueBase64: z.base64({ error: 'must be base64' }).max(MAX_PAYLOAD_CHARS).optional(),
  headers: mapOf(
    { allowed: 'must not be empty', holds: (text) => text !== '' },
    text('must be text', { max: MAX_PAYLOAD_CHARS }),
    100,
  ).default({}),
}).superRefine(({ value, valueBase64 }, context) => {
  if (value === undefined || valueBase64 === undefined) return;
  context.addIssue({ code: 'custom', path: ['valueBase64'], message: 'does not go with value; give one of the two' });
});

/** What a KAFKA_MESSAGE job produces. A text `value` goes out as it is, anything else as JSON; null and neither value: a tombstone. */
export type KafkaPayload = z.output<typeof kafkaSchema>;

/** Reads the payload of a KAFKA_MESSAGE job, with the defaults filled in. */
export function parseKafkaPayload(
  payload: unknown,
  options: SpecOptions,
  path: Path = ['payload'],
): KafkaPayload | { rejection: Rejection } {
  const { data, error } = kafkaSchema.safeParse(payload);
  if (error !== undefined) return { rejection: rejectionOf(error, payload, 'the payload', path) };
  const problem = topicProblem(data.topic, options);
  return problem === undefined ? data : { rejection: invalid([...path, 'topic'], problem) };
}

function topicProblem(topic: string, { topicPrefix, allowTopics }: SpecOptions): string | undefined {
  if (topic.startsWith('__')) return `names a topic of Kafka itself (${topic})`;
  if (isOwnTopic(topicPrefix, topic)) return `names one of Belfry's own topics (${topic})`;
  if (isReservedTopic(topic) && allowTopics?.includes(topic) !== true)
    return `names a topic that looks like another program's own (${topic}); BELFRY_KAFKA_ALLOW_TOPICS allows it by its full name alone`;
  if (allowTopics === null || allowTopics.some((entry) => matches(topic, entry))) return undefined;
  const allowed = allowTopics.length === 0 ? 'none is' : `allowed: ${listed(allowTopics, 'and')}`;
  return `names a topic that is not allowed here (${topic}); ${allowed}`;
}

function matches(topic: string, entry: string): boolean {
  return entry.endsWith('*') ? topic.startsWith(entry.slice(0, -1)) : topic === entry;
}
