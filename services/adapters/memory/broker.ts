/**
 * A broker in memory, one object shared by all simulated processes: each has a `client()`. Deterministic: all that happens
 * happens on the clock it is given.
 */
import { MemoryBrokerClient } from './broker-client.ts';
import { MemoryCluster } from './broker-cluster.ts';

export { MemoryBrokerClient } from './broker-client.ts';
export type { BrokerFaults, BrokerRequest, MemoryBrokerOptions } from './broker-cluster.ts';

export class MemoryBroker extends MemoryCluster {
  private clients = 0;

  /** The broker as one process sees it. @param name for the faults to tell processes apart */
  client(name?: string): MemoryBrokerClient {
    this.clients += 1;
    return new MemoryBrokerClient(this, name ?? `client-${this.clients}`);
  }
}
