/** A mechanism that keeps a promise, switched off by wrappers around ports. */
import type { Broker } from '../../services/core/ports/broker.ts';
import type { RunStore } from '../../services/core/ports/run-store.ts';
import type { Tenants } from '../../services/core/ports/tenants.ts';
import type { TimerStore } from '../../services/core/ports/timer-store.ts';
import type { Webhooks } from '../../services/core/ports/webhooks.ts';
import type { FailurePolicy } from '../../services/timer/failure-policy.ts';
import type { Invariant } from '../checker/history.ts';
import type { Surroundings } from './node.ts';

export type Mutation = {
  name: string;
  /** What is switched off, in words. */
  what: string;
  /** The promise that it breaks. */
  breaks: Invariant;
  timerStore?(store: TimerStore, world: Surroundings): TimerStore;
  webhooks?(webhooks: Webhooks, world: Surroundings): Webhooks;
  tenants?(tenants: Tenants, world: Surroundings): Tenants;
  runStore?(store: RunStore, world: Surroundings): RunStore;
  failurePolicy?(policy: FailurePolicy): FailurePolicy;
  broker?(client: Broker, world: Surroundings): Broker;
};
