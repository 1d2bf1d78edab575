/** A real timer process that hangs, for good, in the middle of deciding a command of a job whose id begins with `poison`. */
import type { Broker, FetchedBatch } from '../../../services/core/ports/broker.ts';
import type { ConsumedRecord } from '../../../services/core/records.ts';
import { readConfig } from '../../../services/runtime/config.ts';
import { runUntilStopped } from '../../../services/runtime/life-cycle.ts';
import { makeLog } from '../../../services/runtime/logger.ts';
import { startTimerService } from '../../../services/timer/main.ts';

function poisoned(record: ConsumedRecord): ConsumedRecord {
  if (record.key?.toString().includes('/poison') !== true) return record;
  const headers = Object.defineProperty({ ...record.headers }, 'traceparent', {
    get: () => {
      for (;;);
    },
  });
  return { ...record, headers };
}

function hangingBroker(broker: Broker): Broker {
  const group: Broker['group'] = (options, listener) => {
    const onBatch = (batch: FetchedBatch): void => listener.onBatch({ ...batch, records: batch.records.map(poisoned) });
    return broker.group(options, {
      onAssignment: (assignment) => listener.onAssignment(assignment),
      position: (tp) => listener.position(tp),
      onHeartbeat: () => listener.onHeartbeat?.(),
      onFatal: (error) => listener.onFatal(error),
      onBatch,
    });
  };
  const bound = (target: Broker, name: string | symbol): unknown => {
    const member = Reflect.get(target, name) as unknown;
    return typeof member === 'function' ? (member.bind(target) as unknown) : member;
  };
  return new Proxy(broker, { get: (target, name) => (name === 'group' ? group : bound(target, name)) });
}

const config = readConfig(process.env);
const log = makeLog(config.logLevel, 'timer');
process.exitCode = await runUntilStopped(log, (fail) =>
  startTimerService(config, log, fail, {
    decorate: ({ store, broker }) => ({ store, broker: hangingBroker(broker) }),
    isWatched: true,
  }),
);
process.exit();
