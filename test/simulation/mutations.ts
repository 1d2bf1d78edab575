import type { Broker } from '../../services/core/ports/broker.ts';
import type { RunStore } from '../../services/core/ports/run-store.ts';
import type { TimerStore } from '../../services/core/ports/timer-store.ts';
import type { MemoryBrokerClient } from '../../services/adapters/memory/broker-client.ts';
import type { Surroundings } from './node.ts';

export type Mutation = {
  name: string;
  timerStore?(store: TimerStore, world: Surroundings): TimerStore;
  runStore?(store: RunStore, world: Surroundings): RunStore;
  broker?(client: MemoryBrokerClient, world: Surroundings): Broker;
};
