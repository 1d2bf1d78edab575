/** A mechanism that keeps a promise, switched off by wrappers around ports. */
import type { Broker } from '../../services/core/ports/broker.ts';
import type { RunStore } from '../../services/core/ports/run-store.ts';
import type { TimerStore } from '../../services/core/ports/timer-store.ts';
import type { Invariant } from '../checker/history.ts';
import type { Surroundings } from './node.ts';

export type Mutation = {
  name: string;
  /** What is switched off, in words. */
  what: string;
  /** The promise that it breaks. */
  breaks: Invariant;
  timerStore?(store: TimerStore, world: Surroundings): TimerStore;
  runStore?(store: RunStore, world: Surroundings): RunStore;
  broker?(client: Broker, world: Surroundings): Broker;
};
