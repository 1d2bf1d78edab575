/**
 * Answers of Kafka name the topic that has an error; kafkajs throws the error alone. These parsers add the topic (`topic` of the
 * error), so that one topic which is refused or denied is told from those that were sent along with it.
 */
export type ResponseParser = { parse: (data: never) => Promise<unknown> };

/** A topic of an answer, and the errors of it and of its partitions; 0: none. */
type Blame = { topic: string; errorCodes: readonly number[] };

/** What the broker answers for the other partitions of a transaction when it denies one of them. */
const OPERATION_NOT_ATTEMPTED = 55;

type Produced = { topics: readonly { topicName: string; partitions: readonly { errorCode: number }[] }[] };
type Added = { errors: readonly { topic: string; partitionErrors: readonly { errorCode: number }[] }[] };
type Described = { topicMetadata: readonly { topic: string; topicErrorCode: number }[] };
type Fetched = { responses: Produced['topics'] };

export const namingProduced = naming(({ topics }: Produced) =>
  topics.map(({ topicName, partitions }) => blame(topicName, partitions)),
);
export const namingFetched = naming(({ responses }: Fetched) =>
  responses.map(({ topicName, partitions }) => blame(topicName, partitions)),
);
export const namingDescribed = naming(({ topicMetadata }: Described) =>
  topicMetadata.map(({ topic, topicErrorCode }) => ({ topic, errorCodes: [topicErrorCode] })),
);
const namingAddedAsTheyCame = naming(({ errors }: Added) =>
  errors.map(({ topic, partitionErrors }) => blame(topic, partitionErrors)),
);

/** kafkajs throws the first error: what is to blame comes before what was not attempted because of it. */
export const namingAdded = <Module extends ResponseParser>(original: Module): Module => {
  const module = namingAddedAsTheyCame(original);
  const parse = ({ errors, ...data }: Added): Promise<unknown> => {
    const inOrder = errors.map(({ topic, partitionErrors }) => {
      return { topic, partitionErrors: partitionErrors.toSorted((a, b) => rankOf(a) - rankOf(b)) };
    });
    inOrder.sort((a, b) => Math.min(...a.partitionErrors.map(rankOf)) - Math.min(...b.partitionErrors.map(rankOf)));
    return module.parse({ ...data, errors: inOrder } as never);
  };
  return { ...module, parse };
};

/** Errors of their own first, then what was not attempted, then what is well. */
function rankOf({ errorCode }: { errorCode: number }): number {
  return errorCode === 0 ? 2 : errorCode === OPERATION_NOT_ATTEMPTED ? 1 : 0;
}

function naming<Data>(blamesOf: (data: Data) => readonly Blame[]) {
  return <Module extends ResponseParser>(original: Module): Module => {
    const parse = async (data: Data): Promise<unknown> => {
      try {
        return await original.parse(data as never);
      } catch (error) {
        const guilty = blamesOf(data).find(({ errorCodes }) => errorCodes.some((code) => code !== 0));
        if (error instanceof Error && guilty !== undefined) Object.assign(error, { topic: guilty.topic });
        throw error;
      }
    };
    return { ...original, parse };
  };
}

function blame(topic: string, partitions: readonly { errorCode: number }[]): Blame {
  return { topic, errorCodes: partitions.map(({ errorCode }) => errorCode) };
}
