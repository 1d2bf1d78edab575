/** A group member in a process of its own, for tests that kill it: tells its assignments to its parent. */
import { KafkaBroker } from '../../../services/adapters/kafka/broker.ts';
import type { GroupOptions } from '../../../services/core/ports/broker.ts';
import { quietLog } from './kafka-harness.ts';

process.once('message', ({ brokers, options }: { brokers: string[]; options: GroupOptions }) => {
  const broker = new KafkaBroker({ config: { brokers, clientId: 'mortal' }, log: quietLog });
  const group = broker.group(options, {
    onAssignment: (assignment) => process.send?.(assignment),
    position: () => 'committed',
    onBatch: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
  void group.start();
});
process.once('disconnect', () => process.exit(0));
