/**
 * Remembers who coordinates: kafkajs asks the cluster anew before every request of a transaction, five questions for a
 * transaction of nine requests.
 *
 * Invariant: what is remembered worked the last time it was used, and its connection stands. A coordinator that refuses or
 * fails one request is forgotten at once, so that whoever tries again asks the cluster, as kafkajs would have.
 */
export type Coordinator = { isConnected(): boolean } & Partial<
  Record<Request, (...args: unknown[]) => Promise<unknown>>
>;

export type Cluster = {
  findGroupCoordinator(query: { groupId: string; coordinatorType?: number }): Promise<Coordinator>;
};

const REQUESTS = ['initProducerId', 'addPartitionsToTxn', 'addOffsetsToTxn', 'txnOffsetCommit', 'endTxn'] as const;
type Request = (typeof REQUESTS)[number];

/** The cluster, with a memory of its coordinators. */
export function rememberCoordinators(cluster: Cluster): Cluster {
  const known = new Map<string, Coordinator>();
  const findGroupCoordinator: Cluster['findGroupCoordinator'] = async (query) => {
    const name = `${query.coordinatorType ?? 0}/${query.groupId}`;
    const remembered = known.get(name);
    if (remembered?.isConnected()) return remembered;
    const found = forgottenOnError(await cluster.findGroupCoordinator(query), () => known.delete(name));
    known.set(name, found);
    return found;
  };
  return Object.assign(Object.create(cluster) as Cluster, { findGroupCoordinator });
}

function forgottenOnError(coordinator: Coordinator, forget: () => void): Coordinator {
  const guarded = Object.create(coordinator) as Coordinator;
  for (const request of REQUESTS) {
    guarded[request] = async (...args) => {
      try {
        return await coordinator[request]!(...args);
      } catch (error) {
        forget();
        throw error;
      }
    };
  }
  return guarded;
}

type Found = { broker: unknown };
type BrokerPool = { withBroker<T>(work: (found: Found) => Promise<T>): Promise<T> };
type FindingCluster = { brokerPool: BrokerPool; findGroupCoordinatorMetadata(query: object): Promise<object> };
type ClusterClass = new (...args: never[]) => FindingCluster;

/** A cluster that says why it finds no coordinator, where the reason is a missing permission: the original says of each that there is none. */
export function tellingDenials(Original: ClusterClass): ClusterClass {
  return class extends Original {
    override async findGroupCoordinatorMetadata(query: object): Promise<object> {
      let denial: unknown;
      const { brokerPool } = this;
      const withBroker: BrokerPool['withBroker'] = (work) =>
        brokerPool.withBroker(async (found) => {
          try {
            return await work(found);
          } catch (error) {
            if (isDenial(error)) denial = error;
            throw error;
          }
        });
      const watched = Object.create(this, { brokerPool: { value: { withBroker } } }) as FindingCluster;
      try {
        return await super.findGroupCoordinatorMetadata.call(watched, query);
      } catch (error) {
        throw denial ?? error;
      }
    }
  };
}

function isDenial(error: unknown): boolean {
  const { type } = error as { type?: unknown };
  return typeof type === 'string' && type.endsWith('AUTHORIZATION_FAILED');
}
