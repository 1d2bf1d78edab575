/** What an installation permits in the jobs that it accepts. */
export type SpecOptions = {
  /** Literal Authorization, Cookie and Proxy-Authorization headers: `BELFRY_ALLOW_INLINE_SECRETS`. */
  readonly allowInlineSecrets: boolean;
  /** What Belfry's own topics begin with: `BELFRY_TOPIC_PREFIX`. */
  readonly topicPrefix: string;
  /** Topics that KAFKA_MESSAGE jobs may write to, an entry may end in `*`; null: all but Belfry's and Kafka's own. */
  readonly allowTopics: readonly string[] | null;
};
