import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { KafkaConfig } from './connect.ts';

/** What every part of the adapter is given. */
export type Context = { config: KafkaConfig; log: Log; clock: Clock };
