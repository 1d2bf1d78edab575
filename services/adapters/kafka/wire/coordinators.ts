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
